"""What an import can read from the disk: folders whose names tell the class, and CSV files of paths and labels.

Nothing is held in memory but the names of one folder at a time: a source is walked once to say what it is, and again to read it.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from aireal.core.imagefile import SUFFIXES, ImageError, read_bytes

CLASSES = {"0_real": 0, "real": 0, "nature": 0, "1_fake": 1, "fake": 1, "ai": 1}  # folder names, any case
GENIMAGE = {"nature", "ai"}
OWN_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
OPTIONAL = ("split", "group", "generator", "licence")
UNDERSTOOD = (
    "train/REAL, train/FAKE, test/REAL and test/FAKE (CIFAKE); ai and nature (GenImage); 0_real and 1_fake, or real and fake, with folders of "
    "splits or classes above or without; a .csv with the columns path and label; hf:owner/name for the Hugging Face hub"
)


@dataclass(frozen=True, slots=True)
class PictureEntry:
    """One picture of a source. `label` is None outside of class folders; `split` is the source's own, "" where it has none."""

    file: str  # its name in the source, as the manifest will have it
    content: Path | bytes | str  # where its bytes are, or the bytes; a str is an fsspec address
    label: int | None = None
    split: str = ""
    group: str = ""
    generator: str = ""
    licence: str = ""
    folder: str = ""  # the class folder it lies in

    def read(self) -> bytes:
        """The file's bytes. Raises ImageError where they cannot be had."""
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return _fetch(self.content)
        try:
            return read_bytes(self.content)
        except OSError as error:
            raise ImageError(f"the file could not be read ({error.strerror or error}); copy it again") from None


def _fetch(address: str) -> bytes:
    import fsspec  # comes with the optional library `datasets`

    with fsspec.open(address, "rb") as file:
        return file.read()


@dataclass(frozen=True)
class ImportSource:
    """A source that was looked at: `layout` is the sentence that says what it is, `total` the number of pictures `read` will give (None: not
    known before the end), `fingerprint` changes when a name, label, split or group in it does."""

    name: str
    where: str
    layout: str
    total: int | None
    limit: int | None
    fingerprint: str
    read: Callable[[], Iterator[PictureEntry]]


def label_of(value: object) -> int | None:
    """0 for 0, real, 0_real, nature; 1 for 1, fake, 1_fake, ai (any case); else None."""
    word = str(value).strip().casefold()
    return int(word) if word in ("0", "1") else CLASSES.get(word)


def open_disk(
    path: Path, limit: int | None, seed: int, above: Literal["auto", "generator", "class"] = "auto"
) -> ImportSource:
    """A folder or a CSV as a `ImportSource`.

    Args:
        limit: keep so many pictures a class, chosen by a hash of seed and name.
        above: what folders between the source and a class folder name: the generator, or the kind of picture. `auto`: the generator in GenImage's
            layout, or where two lie above each other (ForenSynths: generator, then class); else the kind of picture, which no column keeps.

    Raises:
        ValueError: the path does not exist, or its layout is not understood; the message lists what was found.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a folder, a .csv, or hf:owner/name")
    table = path / "manifest.csv" if path.is_dir() else path
    if path.is_dir() and not _is_table(table):
        return _source(
            path.resolve().name,
            path,
            lambda: _walk(path, PictureEntry("", path), (), above),
            limit,
            seed,
            _folder_layout,
        )
    if table.suffix.casefold() not in (".csv", ".tsv"):
        raise ValueError(
            f"{path.name} is neither a folder nor a .csv (an archive has to be unpacked first); understood are: {UNDERSTOOD}"
        )
    return _source(path.resolve().stem, path, lambda: csv_entries(table), limit, seed, _csv_layout)


def _source(
    name: str,
    where: Path,
    entries: Callable[[], Iterator[PictureEntry]],
    limit: int | None,
    seed: int,
    layout: Callable[[Survey], str],
) -> ImportSource:
    survey = Survey.of(entries(), limit, seed)
    said = layout(survey)
    total = sum(survey.labels.values())
    if limit is not None:
        total = sum(min(limit, n) for n in survey.labels.values())
        said += f"; {total:,} of them are taken (limit {limit:,} a class)"
    return ImportSource(
        name,
        str(where.resolve()),
        said,
        total,
        limit,
        survey.digest.hexdigest(),
        lambda: (
            e
            for e in entries()
            if usable(e) and (limit is None or sample_entries(seed, e.file) <= survey.threshold(e.label))
        ),
    )


def usable(entry: PictureEntry) -> bool:
    return entry.label is not None and (not entry.folder or Path(entry.file).suffix.lower() in SUFFIXES)


def sample_entries(seed: int, name: str) -> int:
    """64 bits that depend on seed and name alone: what is chosen by them is the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()[:8], "big")


@dataclass
class Survey:
    """What one walk over a source found; memory grows with the number of folders and with the limit, not with the number of pictures."""

    labels: Counter = field(default_factory=Counter)
    folders: Counter = field(default_factory=Counter)  # class folders, with the pictures in them
    splits: Counter = field(default_factory=Counter)
    generators: Counter = field(default_factory=Counter)
    outside: Counter = field(default_factory=Counter)  # top folders, or suffixes, of what is passed over
    grouped: int = 0
    first: PictureEntry | None = None
    digest: object = field(default_factory=hashlib.sha256)
    smallest: dict[int, list[int]] = field(default_factory=lambda: {0: [], 1: []})  # heaps of negated draws

    @classmethod
    def of(cls, entries: Iterator[PictureEntry], limit: int | None, seed: int) -> Survey:
        found = cls()
        for entry in entries:
            if not usable(entry):
                found.outside[
                    entry.file.split("/")[0] + "/" if "/" in entry.file else f"*{Path(entry.file).suffix}"
                ] += 1
                continue
            found.first = found.first or entry
            found.labels[entry.label] += 1
            found.folders[entry.folder] += 1
            found.splits[entry.split] += 1
            found.generators[entry.generator] += bool(entry.generator)
            found.grouped += bool(entry.group)
            found.digest.update(
                repr((entry.file, entry.label, entry.split, entry.group, entry.generator, entry.licence)).encode()
            )
            if limit is not None:
                heap = found.smallest[entry.label]
                (heapq.heappushpop if len(heap) >= limit else heapq.heappush)(heap, -sample_entries(seed, entry.file))
        return found

    def threshold(self, label: int) -> int:
        return -self.smallest[label][0]


def _some(names: Counter, most: int = 6) -> str:
    named = [f"{name} ({count:,})" for name, count in sorted(names.items()) if name][:most]
    return ", ".join(named) + (f" and {len(names) - most} more" if len(names) > most else "")


# folders


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """(names of the folders, names of the files) in it, sorted; what is hidden, as macOS leaves it in archives, is not there."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith((".", "__MACOSX")):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise ValueError(f"the folder {folder} could not be read ({error.strerror}); check its permissions") from None
    return sorted(folders), sorted(files)


def _walk(folder: Path, known: PictureEntry, above: tuple[str, ...], naming: str) -> Iterator[PictureEntry]:
    """Every file below, in a stable order; `known` is what the folders passed so far say of it."""
    folders, files = _listed(folder)
    for name in files:
        yield replace(known, file=known.file + name, content=folder / name)
    words = {name.casefold() for name in folders}
    evaluated = any(
        OWN_SPLITS.get(word) in ("val", "test") for word in words
    )  # `train` alone may be the class of trains, or is no split at all
    for name in folders:
        word, inner, path = name.casefold(), replace(known, file=f"{known.file}{name}/"), folder / name
        if path.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
            continue  # a link to a folder above would never end
        outer = above
        if word in CLASSES:
            inner = _in_class(inner, name, above, naming)
        elif word in OWN_SPLITS and evaluated and not known.split:
            inner = replace(inner, split=OWN_SPLITS[word])
        elif known.label is None:
            outer = (*above, name)
        yield from _walk(path, inner, outer, naming)


def _in_class(entry: PictureEntry, name: str, above: tuple[str, ...], naming: str) -> PictureEntry:
    label = CLASSES[name.casefold()]
    if entry.label is not None:
        if entry.label != label:
            raise ValueError(
                f"the folder {entry.file} is ambiguous: it lies in a folder of {('real', 'fake')[entry.label]} pictures, but its name says "
                f"{('real', 'fake')[label]}; rename one of the two, or give a .csv with the columns path and label"
            )
        return entry
    from_folder = naming == "generator" or naming == "auto" and (name.casefold() in GENIMAGE or len(above) > 1)
    source = (
        entry.content.resolve().name if name.casefold() in GENIMAGE else ""
    )  # `content` is the source until there is a file
    generator = (*above, source)[0] if from_folder and label else ""
    return replace(entry, label=label, folder=entry.file.rstrip("/"), generator=generator)


def _folder_layout(found: Survey) -> str:
    if set(found.labels) != {0, 1}:
        what = (
            f"only {('real', 'fake')[next(iter(found.labels))]} pictures, in {_some(found.folders)}"
            if found.labels
            else "no class folder"
        )
        rest = f"; besides, {_some(found.outside)}" if found.outside else ""
        raise ValueError(f"the layout is not understood: found {what}{rest}; understood are: {UNDERSTOOD}")
    words = {folder.split("/")[-1].casefold() for folder in found.folders}
    deep = any(
        "/" in folder and not {p.casefold() for p in folder.split("/")[:-1]} <= OWN_SPLITS.keys()
        for folder in found.folders
    )
    if (
        words == {"real", "fake"}
        and len(found.folders) == 4
        and set(found.splits) == {"train", "test"}
        and _side(found.first) == (32, 32)
    ):
        name = "CIFAKE layout (32×32)"
    elif words == GENIMAGE:
        name = "GenImage layout"
    else:
        name = "ForenSynths layout" if deep and words == {"0_real", "1_fake"} else "class folders"
    kind = "generators" if any(found.generators) else ""
    said = f"{name}: {len(found.folders)} folders, {sum(found.labels.values()):,} pictures: {_some(found.folders)}"
    said += f"; {kind}: {_some(Counter({k: v for k, v in found.generators.items() if k}))}" if kind else ""
    said += (
        "; the folders above are taken as kinds of pictures, not as generators (--above generator changes that)"
        if deep and not kind
        else ""
    )
    said += (
        "; its JPEGs are enlarged like any picture, so there is no detail finer than their 32 pixels"
        if name.startswith("CIFAKE")
        else ""
    )
    return said + (
        f"; passed over, as no images or outside of the class folders: {_some(found.outside)}" if found.outside else ""
    )


def _side(entry: PictureEntry) -> tuple[int, int] | None:
    try:
        with Image.open(entry.content) as image:
            return image.size
    except (OSError, ValueError):
        return None


# a table


def _is_table(path: Path) -> bool:
    """Whether a folder's manifest.csv is a table of paths and labels, as a dataset root has it."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return {"path", "label"} <= {word.strip().casefold() for word in file.readline().split(",")}


def csv_entries(path: Path) -> Iterator[PictureEntry]:
    """The rows of a CSV (comma, semicolon or tab) with the columns path, label and, optionally, split, group, generator, licence.

    Raises:
        ValueError: a column is missing, or a label or split is none; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            reader.fieldnames = [
                {"license": "licence"}.get(n, n) for n in (name.strip().casefold() for name in reader.fieldnames or ())
            ]
            if missing := {"path", "label"} - set(reader.fieldnames):
                raise ValueError(
                    f"{path.name} has no column {' and no column '.join(sorted(missing))}, only {', '.join(reader.fieldnames)}; it needs "
                    f"path and label, and may have {', '.join(OPTIONAL)}"
                )
            for row in reader:
                if row.get("split") != "proposal":  # a dataset root's demonstration pictures stay out of every training
                    yield _row(
                        path,
                        reader.line_num,
                        {k: (v or "").strip() for k, v in row.items() if isinstance(v, str) or v is None},
                    )
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not in UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path.name} is no CSV that can be read ({error}); save it again") from None


def _row(path: Path, line: int, row: dict[str, str]) -> PictureEntry:
    label, split = label_of(row["label"]), row.get("split", "").casefold()
    if label is None:
        raise ValueError(f"{path.name} line {line}: label {row['label']!r} is none of 0, 1, real, fake")
    if split and split not in OWN_SPLITS:
        raise ValueError(f"{path.name} line {line}: split {split!r} is none of train, val, test (or empty)")
    if not row["path"]:
        raise ValueError(f"{path.name} line {line}: there is no path")
    where = path.parent / row["path"]
    if "\\" in row["path"] and not where.exists():
        where = path.parent / row["path"].replace("\\", "/")  # a table written on Windows
    return PictureEntry(
        row["path"],
        where,
        label,
        OWN_SPLITS.get(split, ""),
        row.get("group", ""),
        row.get("generator", ""),
        row.get("licence", ""),
    )


def _csv_layout(found: Survey) -> str:
    if set(found.labels) != {0, 1}:
        raise ValueError(
            f"the table names {'only ' + ('real', 'fake')[next(iter(found.labels))] if found.labels else 'no'} pictures; both classes are needed"
        )
    given = [
        word
        for word, count in (
            ("splits", len(found.splits.keys() - {""})),
            ("groups", found.grouped),
            ("generators", any(found.generators)),
        )
        if count
    ]
    return f"a table of {sum(found.labels.values()):,} pictures, " + (
        f"with {', '.join(given)}" if given else "without splits, groups and generators"
    )
