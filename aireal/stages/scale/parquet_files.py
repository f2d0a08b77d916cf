"""Parquet, the format of tables that machines read: written so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

INSTALL = "pip install pyarrow"
KINDS = {str: "string", float: "float64", bool: "bool_"}  # Python's type → pyarrow's


def pyarrow(why: str = "results of many pictures are kept as Parquet") -> ModuleType:
    """The library, with `pyarrow.parquet`.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow as library
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ValueError(f"{why}, and the package pyarrow is missing: {INSTALL}") from None
    return library


def write_rows(rows: Sequence[Mapping], columns: Mapping[str, type], path: Path) -> None:
    """Write rows as one Parquet file; a column that a row lacks is null there.

    Args:
        columns: name → str, float or bool.
    """
    library = pyarrow()
    schema = library.schema([(name, getattr(library, KINDS[kind])()) for name, kind in columns.items()])
    table = library.Table.from_pylist([_cells(row, columns) for row in rows], schema)
    library.parquet.write_table(table, path, compression="zstd")


def _cells(row: Mapping, columns: Mapping[str, type]) -> dict:
    """The columns' values of a row; an integer as a float where the column holds one: pyarrow takes 64 bits alone."""
    cells = {name: row.get(name) for name in columns}
    return {n: float(cell) if columns[n] is float and cell is not None else cell for n, cell in cells.items()}


def read_rows(path: Path) -> Iterator[dict]:
    """The rows of a Parquet file, a batch of them in memory at a time."""
    with pyarrow().parquet.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()
