"""List the pictures of folders, files, tables of paths, tars and addresses, each once and in a stable order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aireal.core.file_names import shown
from aireal.core.imagefile import SUFFIXES
from aireal.core.picture_files import is_companion, search_images
from aireal.core.read_table import read_table
from aireal.dataset.importing.csv_table import ALIASES

from .addresses import file_system, find_files, is_address
from .parquet_files import pyarrow
from .source import Source
from .table_places import TablePlaces
from .tar_shards import TarShard

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
PARQUET, TAR = ".parquet", ".tar"
ADVICE = "it needs a column path, with the path or address of a picture in each row"


def needs_listing(given: Iterable[str]) -> bool:
    """Whether one of the inputs is a table, a tar or an address, which `search_images` does not know."""
    return any(is_address(text) or Path(text).suffix.lower() in (*TABLES, PARQUET, TAR) for text in given)


@dataclass
class SourceList:
    """The pictures of some inputs.

    Attributes:
        given: paths and addresses, as the user wrote them.
        base: folder or address that holds all pictures of the tables among them; "" for each table's own folder.
        notes: what was passed over, a sentence each; complete when the sources have been walked through.
    """

    given: Sequence[str]
    base: str = ""
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Source]:
        """The sources.

        Raises:
            ValueError: an input cannot be read, or there are no pictures at all.
        """
        names: set[str] = set()
        repeated = 0
        for text in self.given:
            for source in self._of(text):
                if source.name not in names:
                    names.add(source.name)
                    yield source
                elif source.archive:
                    repeated += 1
        if repeated:
            self.notes.append(f"{repeated:,} pictures in tars left out: one of the same name comes before them")
        if not names:
            given = ", ".join(map(shown, self.given))
            raise ValueError(f"no images found in {given}: give image files, or a folder that holds some")

    def _of(self, text: str) -> Iterator[Source]:
        suffix = PurePosixPath(text).suffix.lower()
        if suffix == TAR:
            yield from self._of_tar(text)
        elif suffix == PARQUET or suffix in TABLES:
            yield from self._of_table(text, suffix)
        elif is_address(text):
            yield from self._of_address(text)
        else:
            yield from self._of_path(text)

    def _of_path(self, text: str) -> Iterator[Source]:
        search = search_images([Path(text)])
        self.notes += search.notes()
        yield from (Source(str(path)) for path in search.files)
        if not search.files and Path(text).is_dir():
            for path in sorted(Path(text).glob(f"*{TAR}")):
                yield from self._of_tar(str(path))

    def _of_address(self, text: str) -> Iterator[Source]:
        found = list(find_files(text))
        if found == [text]:
            yield Source(text)
            return
        names = [(name, PurePosixPath(name)) for name in found if not any(map(is_companion, name.split("/")[3:]))]
        pictures = [name for name, path in names if path.suffix.lower() in SUFFIXES]
        yield from map(Source, pictures)
        if not pictures:
            for name in (name for name, path in names if path.suffix.lower() == TAR):
                yield from self._of_tar(name)

    def _of_tar(self, text: str) -> Iterator[Source]:
        shard = TarShard(text)
        yield from shard.sources()
        self.notes += [shard.note()] if shard.unsafe else []

    def _of_table(self, text: str, suffix: str) -> Iterator[Source]:
        places = TablePlaces(text, self.base)
        for row, path in _parquet_paths(text) if suffix == PARQUET else _table_paths(text):
            if not path.strip():
                raise ValueError(f"{shown(text)} {row}: there is no path; write it, or remove the row")
            try:
                yield Source(places.place(path))
            except ValueError as error:
                raise ValueError(f"{shown(text)} {row}: {error}") from None


def _table_paths(text: str) -> Iterator[tuple[str, str]]:
    """(row, as in "line 7"; its path) of a CSV or a workbook."""
    if is_address(text):
        raise ValueError(f"{text}: a table behind an address has to be Parquet; download it, and give the file")
    aliases = {alias: column for alias, column in ALIASES.items() if column == "path"}
    rows = read_table(Path(text), ("path",), ADVICE, aliases=aliases, trim=True)
    return ((row.place, row.cells["path"]) for row in rows)


def _parquet_paths(text: str) -> Iterator[tuple[str, str]]:
    parquet = pyarrow(f"{shown(text)} is Parquet").parquet
    if not is_address(text) and not Path(text).is_file():
        raise ValueError(f"{shown(text)} is missing: {ADVICE}")
    system, path = file_system(text if is_address(text) else Path(text).absolute().as_uri())
    try:
        with system.open(path, "rb") as file:
            table = parquet.ParquetFile(file)
            column = _path_column(table.schema_arrow.names, text)
            batches = table.iter_batches(columns=[column])
            values = (value for batch in batches for value in batch.column(0).to_pylist())
            yield from ((f"row {number}", str(value or "")) for number, value in enumerate(values, 1))
    except (OSError, pyarrow().ArrowException) as error:
        raise ValueError(f"{shown(text)} cannot be read as Parquet ({error}); write it again") from None


def _path_column(names: Sequence[str], text: str) -> str:
    for name in names:
        if (lower := name.strip().casefold()) == "path" or ALIASES.get(lower) == "path":
            return name
    raise ValueError(f"{shown(text)} has no column path, only {', '.join(map(shown, names))[:200]}: {ADVICE}")
