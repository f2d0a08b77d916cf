"""Second step of an import: settle groups and splits, move the pictures to their places, and write the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aireal.config import LABELS, DatasetRoot
from aireal.core.sampling import seeded_hash
from aireal.core.spreadsheet import write_csv
from aireal.dataset.manifest import Item, write_manifest

from .encoding import Encoding, Originals
from .read_pictures import read_rows
from .source import ImportSource
from .split import SPLIT_CODES, Assignment, PictureArrays, assign_splits

SERIES = re.compile(r"^(.*?)[-_ .]*(\d{1,18})$")
VIDEO = re.compile(r"clip|video|vid[-_]|film|movie|scene|frame", re.IGNORECASE)
LEFT_OUT = "import_left_out.csv"


@dataclass(frozen=True)
class ImportReport:
    """The result of an import, as `import.json` in the root stores it."""

    layout: str
    form: str
    counts: dict[str, list[int]]  # split → [real, fake] pictures
    groups: int
    broken: int
    left_out: int
    notes: list[str]

    def lines(self) -> list[str]:
        """The report as lines to print."""
        counts = [f"{split}: {real:,} real, {fake:,} fake" for split, (real, fake) in self.counts.items()]
        lines = [f"imported {'; '.join(counts)}; {self.groups:,} groups"] + [f"note: {note}" for note in self.notes]
        if self.broken or self.left_out:
            lines.append(
                f"not usable: {self.broken:,} files; left out, because their group or a copy is in another split: "
                f"{self.left_out:,}; {LEFT_OUT} lists them"
            )
        return lines


def write_root(
    source: ImportSource, root: Path, work: Path, encoding: Encoding, shares: dict[str, float], seed: int
) -> ImportReport:
    """Move the pictures to their places and write manifest.csv and import_left_out.csv.

    It can be killed at any moment and called again.

    Raises:
        ValueError: no picture could be used.
    """
    table, originals, broken, first = PictureArrays(), Originals(), 0, ""
    for row in read_rows(work):
        if "error" in row:
            broken += 1
            first = first or f"{row['file']}: {row['error']}"
        else:
            _append(table, row, seed)
            originals.add(row)
    assignment = assign_splits(table, shares)
    _write_left_out(root / LEFT_OUT, work, assignment)
    if not (assignment.split > 0).any():
        raise ValueError(
            f"not one of the {broken:,} pictures could be used ({first}); {root / LEFT_OUT} lists all reasons; "
            f"repair the files and remove {root}"
        )
    write_manifest(root / "manifest.csv", _move(source, DatasetRoot.at(root), work, assignment))
    notes = assignment.notes + originals.notes(encoding)
    if assignment.both_classes:
        notes.append(
            f"pictures that are in both classes, pixel for pixel: {assignment.both_classes:,}; "
            "one of their two labels is wrong"
        )
    return ImportReport(
        layout=source.layout,
        form=encoding.describe(),
        counts=_count(table, assignment),
        groups=len(np.unique(assignment.group[assignment.split > 0])),
        broken=broken,
        left_out=int((assignment.split == 0).sum()),
        notes=notes,
    )


def _append(table: PictureArrays, row: dict, seed: int) -> None:
    path = Path(row["file"])
    numbered = SERIES.match(path.stem)
    in_series = numbered and not row["group"]
    table.label.append(row["label"])
    table.source_split.append(SPLIT_CODES.index(row["split"]))
    table.group.append(seeded_hash(0, row["group"]) if row["group"] else 0)
    table.pixels.append(int(row["pixels"], 16))
    table.phash.append(int(row["phash"] or "0", 16))
    table.series.append(seeded_hash(row["label"], f"{path.parent}/{numbered[1]}") if in_series else 0)
    table.number.append(int(numbered[2]) if numbered else 0)
    table.video.append(bool(VIDEO.search(path.stem)))
    table.draw.append(seeded_hash(seed, row["group"] or row["file"]))


def _count(table: PictureArrays, assignment: Assignment) -> dict[str, list[int]]:
    """split → [real, fake] pictures."""
    label = table.column("label")
    return {
        name: np.bincount(label[assignment.split == code], minlength=2).tolist()
        for code, name in enumerate(SPLIT_CODES)
        if code
    }


def _move(source: ImportSource, data: DatasetRoot, work: Path, assignment: Assignment) -> Iterator[Item]:
    """Move each picture to its place and yield its row of the manifest.

    A group has the name of its first picture's group.
    """
    group_sizes, group_names = np.bincount(assignment.group), {}
    usable = (row for row in read_rows(work) if "error" not in row)
    for row, code, group in zip(usable, assignment.split.tolist(), assignment.group.tolist()):
        if not code:
            continue
        name = row["group"] or row["file"]
        if group_sizes[group] > 1:
            name = group_names.setdefault(group, name)
        folder = data.test if SPLIT_CODES[code] == "test" else data.train
        path = folder / LABELS[row["label"]] / row["name"]
        _move_picture(work / LABELS[row["label"]] / row["name"], path, data.root)
        yield Item(
            path=path.relative_to(data.root).as_posix(),
            sha256=row["sha256"],
            label=row["label"],
            split=SPLIT_CODES[code],
            group=name,
            generator=row["generator"],
            package=source.name,
            file=row["file"],
            licence=row["licence"],
        )


def _move_picture(stored: Path, path: Path, root: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if stored.exists():
        stored.replace(path)
    elif not path.exists():
        raise ValueError(f"{stored}, which the import had written, is missing; remove {root} and import again")


def _write_left_out(path: Path, work: Path, assignment: Assignment) -> None:
    """Write a line for each file that is not in the dataset, or no file if there is none."""
    if next(_left_out(work, assignment), None) is None:
        return
    write_csv(({"file": file, "reason": why} for file, why in _left_out(work, assignment)), path, ("file", "reason"))


def _left_out(work: Path, assignment: Assignment) -> Iterator[tuple[str, str]]:
    """(file, reason) of each file that is not in the dataset."""
    codes = iter(assignment.split.tolist())
    for row in read_rows(work):
        if "error" in row:
            yield row["file"], row["error"]
        elif not next(codes):
            yield row["file"], "its group, or a copy of it, is in a stricter split of the source"
