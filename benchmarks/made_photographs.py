"""Large photographs for the benchmark of prediction, made from the sample's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from aireal.config import DatasetRoot
from aireal.core.imagefile import open_rgb
from aireal.dataset.manifest import load_items


def make_photographs(data: DatasetRoot, to: Path, count: int, longest: int, seed: int) -> list[Path]:
    """JPEGs (quality 90) with longer sides of `longest` / 2 to `longest` px, in 3:2 or 4:3, landscape or portrait.

    Every second one is a mosaic of sample images in their own resolution, with the detail of real files. The others are
    enlarged sample images, smooth like the details of large photographs. They follow from the seed.
    """
    rng = np.random.default_rng(seed)
    items = load_items(data, "train")
    paths = []
    for number in range(count):
        long = int(rng.integers(longest // 2, longest + 1))
        size = (long, int(long / rng.choice([1.5, 4 / 3])))[:: rng.choice([1, -1])]
        tiles = [open_rgb(data.root / items[k].path) for k in rng.integers(len(items), size=1 if number % 2 else 200)]
        picture = ImageOps.fit(tiles[0], size, Image.Resampling.LANCZOS) if number % 2 else mosaic(tiles, size)
        paths.append(to / f"{number:04d}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def mosaic(tiles: list[Image.Image], size: tuple[int, int]) -> Image.Image:
    canvas, side = Image.new("RGB", size), tiles[0].width
    places = [(x, y) for y in range(0, size[1], side) for x in range(0, size[0], side)]
    for number, place in enumerate(places):
        canvas.paste(tiles[number % len(tiles)], place)
    return canvas
