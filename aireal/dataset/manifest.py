"""The manifest of a dataset root, and the list of images where there is none."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from aireal import LABELS
from aireal.config import DatasetRoot
from aireal.core.imagefile import SUFFIXES

SPLITS = ("train", "val", "test", "proposal")


@dataclass(frozen=True)
class Item:
    """One image. `path` is relative to the dataset root (posix); `group` is its source picture or video."""

    path: str
    sha256: str
    label: int
    split: str
    group: str
    generator: str = ""  # of an AI image: the model's name; of a photograph: who took it, where known
    package: str = ""
    version: str = ""
    file: str = ""  # inside the package
    frame: str = ""
    licence: str = ""

    @property
    def name(self) -> str:
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
        wanted = [f.name for f in fields(Item)]
        if missing := {"path", "sha256", "label", "split", "group"} - set(reader.fieldnames or ()):
            raise ValueError(
                f"{path.name} has no column {', '.join(sorted(missing))}; it needs path, sha256, label, split and group"
            )
        items = []
        for line, row in enumerate(reader, 2):
            if row["label"] not in ("0", "1") or row["split"] not in SPLITS:
                raise ValueError(f"{path.name} line {line}: label must be 0 or 1 and split one of {', '.join(SPLITS)}")
            items.append(Item(**{**{k: row[k] or "" for k in wanted if k in row}, "label": int(row["label"])}))
    return items


def write_manifest(path: Path, items: list[Item]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Item)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(item) for item in items)


def group_of(path: Path) -> str:
    """Without a manifest: the file name without a trailing counter, so that `cat_01` and `cat_02` stay together."""
    return re.sub(r"[-_ ]?(frame|crop|f|c)?\d{1,5}$", "", path.stem, flags=re.IGNORECASE) or path.stem


def list_folders(data: DatasetRoot, val_share: float = 0.2) -> list[Item]:
    """All images under data/train and test. A fifth of the training groups becomes `val`, chosen by a hash of the group's
    name, so that the choice is the same on every machine and does not move when images are added."""
    items = []
    for folder, split in ((data.train, "train"), (data.test, "test")):
        for label, name in enumerate(LABELS):
            for path in sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES):
                group = f"{name}/{group_of(path)}"
                chosen = split
                if split == "train" and int(hashlib.sha256(group.encode()).hexdigest(), 16) % 1000 < 1000 * val_share:
                    chosen = "val"
                items.append(Item(path.relative_to(data.root).as_posix(), "", label, chosen, group))
    return items


def load_items(data: DatasetRoot, split: str | None = None, limit: int | None = None) -> list[Item]:
    """The root's images: from its manifest if it has one, else from its folders.

    Args:
        limit: keep at most so many a class and split, the first of each group before the second of any.

    Raises:
        ValueError: nothing was found; the message says which folders were expected.
    """
    items = read_manifest(data.manifest) if data.manifest.exists() else list_folders(data)
    items = [i for i in items if split in (None, i.split)]
    if not items:
        wanted = ", ".join(f"{folder}/{label}" for folder in ("data/train", "test") for label in LABELS)
        raise ValueError(f"no {split or ''} images in {data.root.name}: put them in {wanted}".replace("  ", " "))
    return items if limit is None else _spread(items, limit)


def _spread(items: list[Item], limit: int) -> list[Item]:
    seen: dict[tuple, int] = {}
    ranked = []
    for item in items:
        rank = seen[(item.split, item.group)] = seen.get((item.split, item.group), -1) + 1
        ranked.append((rank, item))
    taken: dict[tuple, int] = {}
    chosen = set()
    for _, item in sorted(ranked, key=lambda pair: pair[0]):
        key = (item.split, item.label)
        if taken.get(key, 0) < limit:
            taken[key] = taken.get(key, 0) + 1
            chosen.add(item.path)
    return [item for item in items if item.path in chosen]
