"""One run over many pictures: list them, let an engine compute the rows, keep them, and write the CSV for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from aireal.core.spreadsheet import write_csv
from aireal.stages.predict_table import as_path

from .jobs import Job
from .list_sources import SourceList
from .parquet_files import pyarrow
from .processes import in_processes, in_this_process
from .ray_engine import by_ray, ray_data
from .shard_folder import ShardFolder

SHOWN_ERRORS = 20
ENGINES = ("process", "ray")


@dataclass(frozen=True)
class Engine:
    """Who computes.

    Attributes:
        name: "process" or "ray".
        workers: processes or actors; None for one process, or for all that the cluster has room for.
        address, gpus: as for `by_ray`.
    """

    name: str = "process"
    workers: int | None = None
    address: str = ""
    gpus: float | None = None

    def check(self) -> None:
        """Raises:
        ValueError: the options do not go together, or Ray is missing.
        """
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"{self.workers} processes compute nothing. Give at least 1.")
        if self.name == "ray":
            ray_data()
        elif self.address or self.gpus is not None:
            raise ValueError("--address and --gpus-each are for a cluster: add --engine ray")

    def run(self, job: Job, folder: ShardFolder) -> Iterator:
        """Chunks of the folder that have no rows yet, with their rows."""
        if self.name == "ray":
            return by_ray(job, folder.chunks(), folder.folder, self.address, self.workers, self.gpus)
        if (self.workers or 1) == 1:
            return in_this_process(job, folder.chunks(), folder.folder)
        return in_processes(job, folder.chunks(), folder.folder, self.workers)


@dataclass
class Summary:
    """What a run has written.

    Attributes:
        pictures, labels, uncertain, failed: numbers of rows; labels by label.
        first_errors: (path, sentence) of the first `SHOWN_ERRORS` pictures that could not be used.
        table: the CSV.
    """

    table: Path
    pictures: int = 0
    uncertain: int = 0
    failed: int = 0
    labels: dict[str, int] = field(default_factory=lambda: {"real": 0, "fake": 0})
    first_errors: list[tuple[str, str]] = field(default_factory=list)

    def count(self, row: dict[str, Any]) -> dict[str, Any]:
        """Count a row, and return it."""
        self.pictures += 1
        self.uncertain += row["uncertain"] is True
        if row["error"]:
            self.failed += 1
            if len(self.first_errors) < SHOWN_ERRORS:
                self.first_errors.append((row["path"], row["error"]))
        else:
            self.labels[row["label"]] += 1
        return row


def run_many(
    given: Sequence[str], path: Path, job: Job, engine: Engine, shard_size: int, table: Path, base: str = ""
) -> Summary:
    """Compute a row for each picture into the folder `path`, and all rows but long ones into the CSV `table`.

    The same call continues a stopped one, with any engine and number of processes: the rows are the same.

    Args:
        given: paths and addresses.
        shard_size: pictures in a shard.
        base: as for `SourceList`.

    Raises:
        ValueError: an input, an option or the folder cannot be used, or another run uses the folder.
    """
    pyarrow()
    engine.check()
    if table.is_dir():
        raise ValueError(f"{table} is a folder: give the file to write the table to, e.g. {table / 'predictions.csv'}")
    with ShardFolder(path, job, shard_size) as folder:
        sources = SourceList(given, base)
        if folder.begin(given, sources):
            print(f"{path} is continued, with the {folder.count:,} pictures that its first run has listed")
        for note in sources.notes:
            print(note)
        _compute(folder, job, engine)
        summary = Summary(table)
        write_csv((as_shown(summary.count(row)) for row in folder.rows()), table, job.shown_columns)
        return summary


def _compute(folder: ShardFolder, job: Job, engine: Engine) -> None:
    with tqdm(total=folder.count, initial=folder.done(), unit="image") as progress:
        with closing(engine.run(job, folder)) as results:
            for chunk, rows in results:
                folder.add(chunk.first, rows)
                progress.update(len(rows))


def as_shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row as `predict_table` writes it for people."""
    digits = {"probability": 2, "probability_fake": 6}
    return as_path(row | {name: f"{row[name]:.{n}f}" for name, n in digits.items() if row[name] is not None})
