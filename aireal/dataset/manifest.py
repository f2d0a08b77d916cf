"""The manifest of a dataset root, and the list of images of a root without one."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from aireal.config import LABELS, DatasetRoot
from aireal.core.imagefile import SUFFIXES
from aireal.core.read_table import Row, read_table
from aireal.core.sampling import round_robin
from aireal.core.spreadsheet import write_csv

from .labels import ACCEPTED, label_of

SPLITS = ("train", "val", "test", "proposal")
REQUIRED_COLUMNS = ("path", "sha256", "label", "split", "group")


@dataclass(frozen=True)
class Item:
    """One image. `path` is relative to the dataset root (posix); `group` is its source picture or video."""

    path: str
    sha256: str
    label: int
    split: str
    group: str
    generator: str = ""  # AI image: the model's name; photograph: the photographer, if known
    package: str = ""
    version: str = ""
    file: str = ""  # inside the package
    frame: str = ""
    licence: str = ""

    @property
    def name(self) -> str:
        """The file name without its suffix."""
        return Path(self.path).stem


COLUMNS = tuple(field.name for field in fields(Item))


def family(generator: str) -> str:
    """The maker's line of models: `FLUX 3 Klein` and `Flux.1 dev` are both `flux`, `Kling O3` is `kling`."""
    return re.split(r"[^a-z]", generator.casefold(), maxsplit=1)[0]


def read_manifest(path: Path) -> list[Item]:
    """Rows of a manifest.csv, also where a spreadsheet has saved it anew.

    Raises:
        ValueError: a column or value is missing or wrong; the message names the file and the line.
    """
    rows = read_table(path, REQUIRED_COLUMNS, "it needs path, sha256, label, split and group", optional=COLUMNS)
    return [_item(path, row) for row in rows]


def _item(table: Path, row: Row) -> Item:
    cells = row.cells
    label, split = label_of(cells["label"]), cells["split"].strip().casefold()
    if label is None:
        raise ValueError(f"{table} {row.place}: label {cells['label']!r} is none of {ACCEPTED}; mend it")
    if split not in SPLITS:
        raise ValueError(f"{table} {row.place}: split {cells['split']!r} is none of {', '.join(SPLITS)}; mend it")
    if not cells["path"]:
        raise ValueError(f"{table} {row.place}: there is no path; write it, or remove the row")
    values = {name: cells[name] for name in COLUMNS if name in cells}
    return Item(**{**values, "label": label, "split": split})


def write_manifest(path: Path, items: Iterable[Item]) -> None:
    """Write a manifest.csv atomically, with a row for each item."""
    write_csv(map(asdict, items), path, COLUMNS)


def group_of(path: Path) -> str:
    """The group of a file if there is no manifest: its name without a trailing counter (`cat` of `cat_01`)."""
    return re.sub(r"[-_ ]?(frame|crop|f|c)?\d{1,5}$", "", path.stem, flags=re.IGNORECASE) or path.stem


def list_folders(data: DatasetRoot, val_share: float = 0.2) -> list[Item]:
    """All images under data/train and test.

    The share `val_share` of the training groups becomes `val`. A hash of the group's name decides, so the choice is
    the same on every machine and stays when images are added.
    """
    items = []
    for folder, split in ((data.train, "train"), (data.test, "test")):
        for label, name in enumerate(LABELS):
            for path in sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES):
                group = f"{name}/{group_of(path)}"
                to_val = split == "train" and _thousandth(group) < 1000 * val_share
                relative = path.relative_to(data.root).as_posix()
                items.append(Item(relative, "", label, "val" if to_val else split, group))
    return items


def _thousandth(name: str) -> int:
    """A hash of the name, 0..999."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 1000


def load_items(data: DatasetRoot, split: str | None = None, limit: int | None = None) -> list[Item]:
    """The root's images: from its manifest if it has one, else from its folders.

    Args:
        split: return this split alone.
        limit: return at most this many a class and split; each group gives one image before any gives a second.

    Raises:
        ValueError: no image was found; the message names the expected folders.
    """
    items = read_manifest(data.manifest) if data.manifest.exists() else list_folders(data)
    items = [item for item in items if split in (None, item.split)]
    if not items:
        folders = ", ".join(f"{folder}/{label}" for folder in ("data/train", "test") for label in LABELS)
        raise ValueError(f"no {split or ''} images in {data.root.name}: put them in {folders}".replace("  ", " "))
    return items if limit is None else first_of_each_group(items, limit)


def first_of_each_group(items: list[Item], limit: int) -> list[Item]:
    """At most `limit` items of each split and class, in their order; the groups take turns."""
    parts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        parts[item.split, item.label].append(index)
    chosen = [part[k] for part in parts.values() for k in round_robin([items[i].group for i in part], limit)]
    return [items[index] for index in sorted(chosen)]
