"""The rows of data.csv about which notebook 05 writes sentences."""

from __future__ import annotations

from aireal.captions.table import CaptionRow, read_rows
from aireal.core.run import Run
from aireal.dataset.bounds import bounded_items
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES


def rows_to_augment(run: Run) -> list[CaptionRow]:
    """The rows of data.csv in their order: all, or about `caption_images` pictures of the profile.

    A row whose picture the dataset root no longer has counts as a source of its own, of the class of its verdict.

    Raises:
        ValueError: data.csv is missing, or cannot be read.
    """
    rows = read_rows(run.data.table)
    known = {item.path: item for item in load_items(run.data, "test")}
    items = [
        known.get(row.image) or Item(row.image, "", CLASSES.index(row.record.label), "test", row.image) for row in rows
    ]
    used = bounded_items(items, run.profile.caption_images, run, "caption_images", "overlays")
    paths = {item.path for item in used}
    return [row for row in rows if row.image in paths]
