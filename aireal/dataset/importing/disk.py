"""Open a source on the disk: a folder, or a table of paths and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from aireal.core.read_table import SUFFIXES as TABLES
from aireal.core.sampling import seeded_hash

from .csv_table import csv_entries, describe_table, is_table
from .folders import describe_folders, folder_entries
from .source import SUPPORTED, ImportSource, PictureEntry, Survey, is_usable


def open_disk(
    path: Path, limit: int | None, seed: int, above: Literal["auto", "generator", "class"] = "auto"
) -> ImportSource:
    """A folder or a table as an `ImportSource`. A folder with a dataset root's manifest.csv is read by that table.

    Args:
        limit: take this many pictures a class and split of the source, chosen by a hash of seed and name.
        above: meaning of the folders between the source and a class folder: the generator, or the kind of picture,
            which no column stores. `auto`: the generator in GenImage's layout, or where two folders lie above each
            other (ForenSynths: generator, then kind); else the kind of picture.

    Raises:
        ValueError: the path does not exist, or its layout is not understood; the message lists what was found.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a folder, a .csv, or hf:owner/name")
    table = path / "manifest.csv" if path.is_dir() else path
    if path.is_dir() and not is_table(table):
        return _survey(path.resolve().name, path, lambda: folder_entries(path, above), limit, seed, describe_folders)
    if table.suffix.casefold() not in TABLES:
        raise ValueError(
            f"{path.name} is neither a folder nor a table (an archive has to be unpacked first); "
            f"understood are: {SUPPORTED}"
        )
    return _survey(path.resolve().stem, path, lambda: csv_entries(table), limit, seed, describe_table)


def _survey(
    name: str,
    path: Path,
    entries: Callable[[], Iterator[PictureEntry]],
    limit: int | None,
    seed: int,
    describe: Callable[[Survey], str],
) -> ImportSource:
    """Walk over the entries once, and return the source that reads the usable ones within the limit."""
    survey = Survey.of(entries(), limit, seed)
    layout, total = describe(survey), sum(survey.labels.values())
    if limit is not None:
        total = sum(min(limit, count) for count in survey.cells.values())
        layout += f"; {total:,} of them are taken (limit {limit:,} a class and split of the source)"

    def read() -> Iterator[PictureEntry]:
        for entry in entries():
            if is_usable(entry) and (limit is None or _is_taken(entry, survey, seed)):
                yield entry

    return ImportSource(name, str(path.resolve()), layout, total, limit, survey.digest.hexdigest(), read)


def _is_taken(entry: PictureEntry, survey: Survey, seed: int) -> bool:
    """Whether the survey's limit takes the entry."""
    return seeded_hash(seed, entry.file) <= survey.threshold(entry.label, entry.split)
