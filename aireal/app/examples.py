"""Example pictures of the page: the dataset root's proposal images, on which no stage was trained."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, open_rgb, square
from aireal.dataset.manifest import read_manifest
from aireal.evidence.record import CLASSES
from aireal.figures.html.data_uris import photo_uri

THUMBNAIL = 160  # px


@dataclass(frozen=True)
class Example:
    """A picture that the page offers; `truth` is "real" or "fake", `thumbnail` a data URI."""

    path: Path
    truth: str
    thumbnail: str


def load_examples(data: DatasetRoot) -> list[Example]:
    """The manifest's proposal images, AI images and photographs in turn; files that cannot be opened are skipped."""
    by_class: dict[str, list[Example]] = {"fake": [], "real": []}
    for item in read_manifest(data.manifest) if data.manifest.exists() else ():
        if item.split != "proposal":
            continue
        path, truth = data.root / item.path, CLASSES[item.label]
        try:
            by_class[truth].append(Example(path, truth, photo_uri(square(open_rgb(path), THUMBNAIL))))
        except ImageError:
            continue  # the page starts without this example
    pairs = zip_longest(by_class["fake"], by_class["real"])
    return [example for pair in pairs for example in pair if example]
