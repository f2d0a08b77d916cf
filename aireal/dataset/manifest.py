"""The manifest of a dataset root, and the list of images of a root without one."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from aireal.config import LABELS, DatasetRoot
from aireal.core.errors import quoted
from aireal.core.file_names import as_text, find_by_name, shown
from aireal.core.imagefile import read_bytes, sha256
from aireal.core.inside import Inside
from aireal.core.picture_files import find_images
from aireal.core.read_table import Row, read_table
from aireal.core.sampling import round_robin
from aireal.core.spreadsheet import write_csv

from .grouping import Grouping, group_by_names, held_out
from .labels import ACCEPTED, label_of

SPLITS = ("train", "val", "test", "proposal")
REQUIRED_COLUMNS = ("path", "sha256", "label", "split", "group")
PROPOSAL = "../proposal_images/"  # the sample's demonstration pictures lie beside its root


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
        ValueError: a column or value is missing or wrong, a path is there twice, or one leads out of the root; the
            message names the file and the line.
    """
    rows = read_table(path, REQUIRED_COLUMNS, "it needs path, sha256, label, split and group", optional=COLUMNS)
    places = Inside(path.parent), Inside(path.parent.parent / Path(PROPOSAL).name)
    items: dict[str, Item] = {}
    for row in rows:
        item = _item(path, row)
        if item.path in items:
            raise ValueError(f"{path} {row.place}: the path {shown(item.path)} is there twice; remove one of the rows")
        _require_inside(path, row, item, *places)
        items[item.path] = item
    return list(items.values())


def _require_inside(table: Path, row: Row, item: Item, root: Inside, proposal: Inside) -> None:
    """Refuse a path that leads out of the root; pictures of the split `proposal` may lie in the folder beside it."""
    beside = item.split == "proposal" and item.path.startswith(PROPOSAL)
    try:
        proposal.path(item.path.removeprefix(PROPOSAL)) if beside else root.path(item.path)
    except ValueError as error:
        raise ValueError(f"{table} {row.place}: {error}; put the picture into the root, or remove the row") from None


def _item(table: Path, row: Row) -> Item:
    cells = row.cells
    label, split = label_of(cells["label"]), cells["split"].strip().casefold()
    if label is None:
        raise ValueError(f"{table} {row.place}: label {quoted(cells['label'])} is none of {ACCEPTED}; mend it")
    if split not in SPLITS:
        raise ValueError(f"{table} {row.place}: split {quoted(cells['split'])} is none of {', '.join(SPLITS)}; mend it")
    if not cells["path"]:
        raise ValueError(f"{table} {row.place}: there is no path; write it, or remove the row")
    values = {name: cells[name] for name in COLUMNS if name in cells}
    return Item(**{**values, "label": label, "split": split})


def write_manifest(path: Path, items: Iterable[Item]) -> None:
    """Write a manifest.csv atomically, with a row for each item."""
    write_csv(map(asdict, items), path, COLUMNS)


def list_folders(data: DatasetRoot, val_share: float = 0.2, group_names: bool = True) -> tuple[list[Item], Grouping]:
    """All images under data/train and test, and how their names were grouped.

    The share `val_share` of the training groups of each class becomes `val` (`grouping.held_out`).

    Args:
        group_names: numbered names are one group (`grouping.group_by_names`); False makes each picture a group.

    Raises:
        ValueError: a name is not UTF-8.
    """
    items, grouping = [], Grouping()
    for folder, split, part in ((data.train, "train", ""), (data.test, "test", "test/")):
        for label, name in enumerate(LABELS):
            paths = find_images([folder / name]) if (folder / name).is_dir() else []
            _require_text(paths, data)
            inside = [path.relative_to(folder / name).as_posix() for path in paths]
            groups = group_by_names(inside, name, grouping, group_names, part)
            val = held_out(groups, val_share) if split == "train" else set()
            items += [
                Item(path.relative_to(data.root).as_posix(), "", label, "val" if group in val else split, group)
                for path, group in zip(paths, groups)
            ]
    trained, tested = ({item.group for item in items if (item.split == "test") == test} for test in (False, True))
    grouping.in_two_splits = len(trained & tested)
    return items, grouping


def _require_text(paths: list[Path], data: DatasetRoot) -> None:
    """Refuse names that no table can hold."""
    if bad := [path for path in paths if as_text(path) != str(path)]:
        example = shown(bad[0].relative_to(data.root))
        raise ValueError(
            f"{len(bad):,} pictures of {data.root} have names that are not UTF-8, {example} "
            "among them: rename them, or make a root of copies with `python -m aireal dataset import`"
        )


def make_manifest(data: DatasetRoot, group_names: bool = True) -> list[Item]:
    """Write the manifest of a root that has none, from its folders, and return its rows.

    Args:
        group_names: as for `list_folders`.

    Raises:
        ValueError: there is one already, or no image.
    """
    if data.manifest.exists():
        raise ValueError(f"{data.manifest} exists: edit it, or remove it to have it written anew")
    items = list_folders(data, group_names=group_names)[0]
    _require_items(items, data)
    items = [replace(item, sha256=sha256(read_bytes(data.root / item.path))) for item in items]
    write_manifest(data.manifest, items)
    return items


def load_items(data: DatasetRoot, split: str | None = None, limit: int | None = None) -> list[Item]:
    """The root's images: from its manifest if it has one, else from its folders.

    A root without a manifest is grouped by names, and a line says how.

    Args:
        split: return this split alone.
        limit: return at most this many a class and split; each group gives one image before any gives a second.

    Raises:
        ValueError: no image was found; the message names the expected folders.
    """
    if data.manifest.exists():
        items = [_on_disk(item, data.root) for item in read_manifest(data.manifest)]
    else:
        items, grouping = list_folders(data)
        _say_once(grouping.describe(str(data.root)))
    items = [item for item in items if split in (None, item.split)]
    _require_items(items, data, split or "")
    return items if limit is None else first_of_each_group(items, limit)


def _on_disk(item: Item, root: Path) -> Item:
    """The item with its file's own name, which may have another Unicode form since it was copied from a Mac."""
    if item.path.isascii():
        return item
    return replace(item, path=find_by_name(root, item.path).relative_to(root).as_posix())


@functools.cache
def _say_once(text: str) -> None:
    """Print a text when it is said first; stages list a root again and again."""
    if text:
        print(text, flush=True)


def _require_items(items: list[Item], data: DatasetRoot, split: str = "") -> None:
    if items:
        return
    name, kind = shown(data.root.name), f"{split} images".strip()
    if data.manifest.exists():
        raise ValueError(
            f"the manifest of {name} has no {kind}: import more pictures, or with other --shares, or edit its column "
            "split"
        )
    if split == "val":
        raise ValueError(f"no val images in {name}: they are taken from data/train, which has too few; add pictures")
    folders = ", ".join(f"{folder}/{label}" for folder in ("data/train", "test") for label in LABELS)
    raise ValueError(
        f"no {kind} in {name}: put them in {folders}. `python -m aireal dataset import` makes such a folder from others"
    )


def first_of_each_group(items: list[Item], limit: int) -> list[Item]:
    """At most `limit` items of each split and class, in their order; the groups take turns."""
    parts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        parts[item.split, item.label].append(index)
    chosen = [part[k] for part in parts.values() for k in round_robin([items[i].group for i in part], limit)]
    return [items[index] for index in sorted(chosen)]
