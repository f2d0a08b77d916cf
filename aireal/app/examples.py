"""Pictures to try the page with: the dataset root's proposal images, which no stage has been trained on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, open_rgb, square
from aireal.dataset.manifest import read_manifest
from aireal.evidence.record import CLASSES
from aireal.figures.html.data_uris import photo_uri

SIDE = 160  # px of a thumbnail


@dataclass(frozen=True)
class Example:
    """A picture that the page offers; `truth` is "real" or "fake", `thumbnail` a data URI."""

    path: Path
    truth: str
    thumbnail: str


def examples(data: DatasetRoot) -> list[Example]:
    """Those of the manifest that can be opened, AI images and photographs in turn; none where the root has no proposal images."""
    found: dict[str, list[Example]] = {"fake": [], "real": []}
    for item in read_manifest(data.manifest) if data.manifest.exists() else ():
        if item.split != "proposal":
            continue
        path, truth = data.root / item.path, CLASSES[item.label]
        try:
            found[truth].append(Example(path, truth, photo_uri(square(open_rgb(path), SIDE))))
        except ImageError:
            continue  # a file of the sample that was removed or spoilt is no reason not to start
    return [one for pair in zip_longest(found["fake"], found["real"]) for one in pair if one]
