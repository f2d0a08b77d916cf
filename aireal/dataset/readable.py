"""Which pictures of a dataset root can be read: looked at before a training, and before its test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from aireal.core.file_names import shown
from aireal.core.imagefile import ImageError, open_rgb

from .manifest import Item

LISTED = 20  # files that a message names
SMALLEST = 1  # px: a JPEG is decoded at an eighth of its size, which still reads every byte of it


def open_item(root: Path, item: Item, at_least: int | None = None) -> Image.Image:
    """The picture of an item, as `open_rgb` gives it.

    Raises:
        ImageError: it cannot be used; the message begins with its path.
    """
    try:
        return open_rgb(root / item.path, at_least)
    except ImageError as error:
        raise ImageError(f"{item.path}: {error}") from None


def unreadable(root: Path, items: Sequence[Item], title: str = "looking at all pictures") -> dict[str, str]:
    """Decode all pictures, in threads, and return the reason by the path of each that cannot be used.

    It takes about a millisecond for a JPEG of 256 px.
    """

    def look(item: Item) -> str:
        try:
            open_item(root, item, SMALLEST)
        except ImageError as error:
            return str(error).removeprefix(f"{item.path}: ")
        return ""

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        reasons = tqdm(pool.map(look, items), title, len(items), unit="image", delay=2)
        return {item.path: reason for item, reason in zip(items, reasons) if reason}


def require_readable(bad: dict[str, str], root: Path) -> None:
    """Raise ValueError with the path and the reason of each picture of `unreadable`, at most `LISTED` of them."""
    if not bad:
        return
    what = "1 picture" if len(bad) == 1 else f"{len(bad)} pictures"
    title = (
        f"{what} of {root.name} cannot be read, so nothing was trained. Put them right, or remove them (from "
        "manifest.csv, too, if there is one), and start again:"
    )
    raise ValueError(listing(title, [f"{path}: {reason}" for path, reason in bad.items()]))


def listing(title: str, lines: Sequence[str]) -> str:
    """A title with at most `LISTED` lines below it, and the number of the others."""
    more = [f"and {len(lines) - LISTED} more"] * (len(lines) > LISTED)
    return "\n  ".join([title, *map(shown, lines[:LISTED]), *more])


def readable_items(root: Path, items: Sequence[Item]) -> tuple[list[Item], list[dict]]:
    """The items that can be read, and {"path", "error"} of the others, which are also printed.

    Raises:
        ValueError: none can be read.
    """
    bad = unreadable(root, items)
    for path, reason in bad.items():
        print(f"left out: {shown(path)}: {reason}")
    usable = [item for item in items if item.path not in bad]
    if not usable:
        raise ValueError(f"none of the {len(items)} pictures can be read. Check them with `aireal dataset check`.")
    return usable, [{"path": path, "error": reason} for path, reason in bad.items()]
