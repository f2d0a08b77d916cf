"""Open a source on the disk: a folder, a zip of one, or a table of paths and labels."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from aireal.core.file_names import shown
from aireal.core.picture_files import own_output
from aireal.core.read_table import SUFFIXES as TABLES
from aireal.core.sampling import seeded_hash

from .contradictions import NamedClasses, require_folders_agree, require_table_agrees
from .csv_table import csv_entries, describe_table, is_table
from .folders import describe_folders, folder_entries
from .source import SUPPORTED, ImportSource, PictureEntry, Survey, is_usable
from .zip_archive import ZipFolders

Entries = Callable[[], Iterator[PictureEntry]]


class DiskFolders:
    """Folders and files below a folder of the disk; a place is a path."""

    def __init__(self, top: Path):
        self.name = top.resolve().name

    def listing(self, place: Path) -> tuple[list[str], list[str]]:
        """(names of the folders, names of the files) in a folder, without figures that this package wrote there."""
        folders, files = [], []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    (folders if _is_folder(entry) else files).append(entry.name)
        except OSError as error:
            raise ValueError(
                f"the folder {shown(place)} could not be read ({error.strerror}); check its permissions"
            ) from None
        own = own_output(place, folders, files)
        return [name for name in folders if name not in own], [name for name in files if name not in own]

    def enter(self, place: Path, name: str) -> Path | None:
        """The path of a folder; None for a link to a folder above, which would never end."""
        path = place / name
        return None if path.is_symlink() and place.resolve().is_relative_to(path.resolve()) else path

    def content(self, place: Path, name: str) -> Path:
        """The path of a file."""
        return place / name


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be read: reading it as a file says so
        return False


def open_disk(
    path: Path,
    limit: int | None,
    seed: int,
    above: Literal["auto", "generator", "class"] = "auto",
    *,
    real_folders: Sequence[str] = (),
    real_label: str | None = None,
    one_class: bool = False,
    base: Path | None = None,
) -> ImportSource:
    """A folder, a zip or a table as an `ImportSource`. A folder with a dataset root's manifest.csv is read by it.

    Args:
        limit: take this many pictures a class and split of the source, chosen by a hash of seed and name.
        above: meaning of the folders between the source and a class folder: the generator, or the kind of picture,
            which no column stores. `auto`: the generator in GenImage's layout, or where two folders lie above each
            other (ForenSynths: generator, then kind); else the kind of picture.
        real_folders: names or paths of folders that hold photographs; folders beside them hold AI images.
        real_label: of a table, the label that means real; every other is fake.
        one_class: class folders of one class are enough.
        base: of a table, the folder that its pictures lie in (`csv_entries`).

    Raises:
        ValueError: the path does not exist, its layout is not understood (the message lists what was found), or most
            names contradict the labels.
    """
    if not path.exists():
        raise ValueError(f"{shown(path)} does not exist; give a folder, a .zip, a .csv, or hf:owner/name")
    tree = ZipFolders(path) if path.is_file() and path.suffix.casefold() == ".zip" else None
    table = path / "manifest.csv" if path.is_dir() else path
    if tree and _has_manifest(tree):
        return _survey_table(path, lambda: _table_in_zip(tree, real_label), limit, seed, real_label)
    if tree or path.is_dir() and not is_table(table):
        walk = (tree, "") if tree else (DiskFolders(path), path)
        entries = partial(folder_entries, *walk, above, real_folders)
        note = tree.note() if tree else ""
        source = _survey_folders(path, entries, limit, seed, real_folders, one_class, note)
        return replace(source, layout=source.layout + note)
    if table.suffix.casefold() not in TABLES:
        raise ValueError(
            f"{shown(path.name)} is neither a folder nor a table (an archive that is no .zip must be unpacked first); "
            f"understood are: {SUPPORTED}"
        )
    return _survey_table(path, lambda: csv_entries(table, real_label, base), limit, seed, real_label)


@contextmanager
def _manifest_of(tree: ZipFolders) -> Iterator[tuple[str, Path] | None]:
    """(the place beside it in the zip, a copy on the disk) of the manifest.csv in a zip; None if there is none."""
    if not (found := tree.find_table("manifest.csv")):
        yield None
        return
    place, table = found
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest.csv").write_bytes(table.read())
        try:
            yield place, Path(folder) / "manifest.csv"
        except ValueError as error:  # the zip is what the user knows, not the temporary folder
            raise ValueError(str(error).replace(folder, shown(tree.path))) from None


def _has_manifest(tree: ZipFolders) -> bool:
    """Whether a zip has a dataset root's manifest, and not some other table of that name."""
    with _manifest_of(tree) as found:
        return found is not None and is_table(found[1])


def _table_in_zip(tree: ZipFolders, real_label: str | None) -> Iterator[PictureEntry]:
    """The rows of the manifest in a zip, with the pictures in it."""
    with _manifest_of(tree) as (place, table):
        for entry in csv_entries(table, real_label):
            yield replace(entry, content=tree.find(place + entry.file) or entry.content)


def _survey_folders(
    path: Path,
    entries: Entries,
    limit: int | None,
    seed: int,
    real_folders: Sequence[str],
    one_class: bool,
    left_out: str,
) -> ImportSource:
    """The source of class folders, whose file names must not say the opposite unless the user named the folders."""

    def describe(survey: Survey) -> str:
        if real_folders and set(survey.labels) != {0, 1}:
            raise ValueError(
                f"--real-folder {' '.join(real_folders)} gives no two classes in {shown(path.name)}: "
                f"{_found(survey)}; name a folder that has folders of AI images beside it"
            )
        try:
            return describe_folders(survey, one_class)
        except ValueError as error:
            raise ValueError(f"{error}{left_out}") from None

    name = shown(path.resolve().name if path.is_dir() else path.resolve().stem)
    return _survey(name, path, entries, limit, seed, describe, None if real_folders else require_folders_agree)


def _found(survey: Survey) -> str:
    folders = [*survey.folders, *(name for name in survey.skipped if name.endswith("/"))]
    return f"the folders are {', '.join(sorted(folders)[:8])}" if folders else "there is no folder in it"


def _survey_table(path: Path, entries: Entries, limit: int | None, seed: int, real_label: str | None) -> ImportSource:
    """The source of a table, whose paths must not contradict its labels unless the user said what these mean."""
    agree = None if real_label is not None else require_table_agrees
    return _survey(shown(path.resolve().stem), path, entries, limit, seed, describe_table, agree)


def _survey(
    name: str,
    path: Path,
    entries: Entries,
    limit: int | None,
    seed: int,
    describe: Callable[[Survey], str],
    require_agreement: Callable[[NamedClasses], None] | None,
) -> ImportSource:
    """Walk over the entries once, and return the source that reads the usable ones within the limit."""
    named = NamedClasses()
    survey = Survey.of(_noting(entries(), named), limit, seed)
    layout, total = shown(describe(survey)), sum(survey.labels.values())
    if require_agreement:
        require_agreement(named)
    if limit is not None:
        total = sum(min(limit, count) for count in survey.cells.values())
        layout += f"; {total:,} of them are taken (limit {limit:,} a class and split of the source)"

    def read() -> Iterator[PictureEntry]:
        for entry in entries():
            if is_usable(entry) and (limit is None or _is_taken(entry, survey, seed)):
                yield entry

    return ImportSource(name, str(path.resolve()), layout, total, limit, survey.digest.hexdigest(), read)


def _noting(entries: Iterator[PictureEntry], named: NamedClasses) -> Iterator[PictureEntry]:
    """The entries, while what their names say of their class is counted."""
    for entry in entries:
        if is_usable(entry):
            named.add(entry.file.rpartition("/")[2] if entry.folder else entry.file, entry.label)
        yield entry


def _is_taken(entry: PictureEntry, survey: Survey, seed: int) -> bool:
    """Whether the survey's limit takes the entry."""
    return seeded_hash(seed, entry.file) <= survey.threshold(entry.label, entry.split)
