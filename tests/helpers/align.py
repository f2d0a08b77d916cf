"""Shared by the tests of `dataset align`: autoencoders small enough for a test, and roots of photographs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
from PIL import Image

from aireal.config import DatasetRoot
from aireal.dataset.align.pair import Origin
from aireal.dataset.manifest import Item, load_items, write_manifest
from helpers.images import SAMPLE

ORIGIN = Origin("blur", "0" * 64, "cpu, float32")


class Blur:
    """Stands for an autoencoder: keeps what a picture shows, loses detail and shifts a colour."""

    def __init__(self, seconds: float = 0):
        self.seconds, self.seen = seconds, []

    def round_trip(self, images: np.ndarray) -> np.ndarray:
        self.seen.append(images.shape)
        time.sleep(self.seconds)
        return np.stack([self._one(Image.fromarray(image)) for image in images])

    def _one(self, image: Image.Image) -> np.ndarray:
        small = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.BILINEAR)
        painted = np.asarray(small.resize(image.size, Image.Resampling.BILINEAR)).astype(float)
        return (painted + [3, 0, 2]).clip(0, 255).astype(np.uint8)


def photographs(root: Path, limit: int, split: str | None = None) -> DatasetRoot:
    """A root of photographs of the sample alone: `limit` a split, each of a source of its own."""
    sample = DatasetRoot.at(SAMPLE)
    items = [i for i in load_items(sample, split, limit) if i.label == 0 and i.split != "proposal"]
    for item in items:
        (root / item.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.root / item.path, root / item.path)
    write_manifest(root / "manifest.csv", items)
    return DatasetRoot.at(root)


def root_of(root: Path, files: dict[str, bytes], split: str = "train") -> DatasetRoot:
    """A root with these files as photographs, each a source of its own."""
    items = []
    for name, content in files.items():
        path = f"data/train/0_real/{name}"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        items.append(Item(path, "", 0, split, name))
    write_manifest(root / "manifest.csv", items)
    return DatasetRoot.at(root)


def pairs_of(root: Path) -> list[tuple[Item, Item]]:
    """(photograph, round trip) of each pair of an aligned root, matched by the name of the original."""
    items = load_items(DatasetRoot.at(root))
    fakes = {item.file: item for item in items if item.label == 1}
    return [(item, fakes[item.file]) for item in items if item.label == 0]
