"""The manifest of a dataset root, and the list of images of a root without one."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from aireal.config import LABELS, DatasetRoot
from aireal.core.files import atomic_path
from aireal.core.imagefile import SUFFIXES
from aireal.core.sampling import round_robin

SPLITS = ("train", "val", "test", "proposal")
REQUIRED_COLUMNS = {"path", "sha256", "label", "split", "group"}


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


def family(generator: str) -> str:
    """The maker's line of models: `FLUX 3 Klein` and `Flux.1 dev` are both `flux`, `Kling O3` is `kling`."""
    return re.split(r"[^a-z]", generator.casefold(), maxsplit=1)[0]


def read_manifest(path: Path) -> list[Item]:
    """Rows of a manifest.csv.

    Raises:
        ValueError: a column or value is missing or wrong; the message names the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := REQUIRED_COLUMNS - set(reader.fieldnames or ()):
            raise ValueError(
                f"{path.name} has no column {', '.join(sorted(missing))}; it needs path, sha256, label, split and group"
            )
        return [_item(path.name, line, row) for line, row in enumerate(reader, 2)]


def _item(table: str, line: int, row: dict[str, str | None]) -> Item:
    if row["label"] not in ("0", "1") or row["split"] not in SPLITS:
        raise ValueError(f"{table} line {line}: label must be 0 or 1 and split one of {', '.join(SPLITS)}")
    values = {field.name: row[field.name] or "" for field in fields(Item) if field.name in row}
    return Item(**{**values, "label": int(row["label"])})


def write_manifest(path: Path, items: Iterable[Item]) -> None:
    """Write a manifest.csv atomically, with a row for each item."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Item)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(item) for item in items)


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
