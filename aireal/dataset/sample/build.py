"""Build the sample dataset from `dataset/sources.csv`: the same last mile for both classes, then the split by source group.

    python -m aireal dataset build --work CACHE

The last mile of every picture, real or generated:
decode (first frame or the chosen one) → sRGB → curated crop → black bars cut → shrink to a short side drawn from one range →
one WebP pass → one square, its side drawn from one range → Lanczos to 256 px → JPEG with one quality, subsampling and tables,
no metadata. The generated pictures come as WebP thumbnails of 350-400 px; photographs are brought there the same way, so that
neither the compression nor the scale of the source tells the class.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from aireal import LABELS
from aireal.core.imagefile import ImageError, open_rgb, sha256
from aireal.dataset.manifest import Item, family, write_manifest

from .sources import SampleSource, fetch, read_sources

SIDE = 256
SHORT_SIDE = (300, 400)  # px before the square is cut; both classes draw from it
SQUARE = (0.8, 1.0)  # side of the square as a share of the short side
WEBP_QUALITY, JPEG_QUALITY = 80, 90
SPLIT_SHARES = {"train": 0.52, "val": 0.16, "test": 0.29, "proposal": 0.03}
PICTURES_PER_SPLIT = {"train": 184, "val": 56, "test": 104, "proposal": 4}  # of each class
TEST_ONLY_FAMILIES = ("capybara", "grok", "heygen", "kling", "krea", "moss", "recraft")  # generators nobody trains on
IMAGES_PER_GROUP = 3


def generator_of(label: int, *parts) -> np.random.Generator:
    """A random generator that depends on the names alone, so that a rebuild draws the same."""
    digest = hashlib.sha256("/".join(map(str, (label, *parts))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def cut_black_bars(image: Image.Image, level: int = 16) -> Image.Image:
    """Cut rows and columns at the borders in which no pixel is brighter than `level` (letterbox)."""
    bright = np.asarray(image).max(-1) > level
    rows, columns = np.nonzero(bright.any(1))[0], np.nonzero(bright.any(0))[0]
    if len(rows) == 0:
        raise ImageError("the picture is black")
    return image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def last_mile(
    image: Image.Image, box: tuple[float, float, float, float], position: float, rng: np.random.Generator
) -> bytes:
    """One square JPEG of an RGB picture; `position` (0..1) says where along the longer side the square lies."""
    width, height = image.size
    image = image.crop((round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)))
    image = cut_black_bars(image)
    short = min(int(rng.uniform(*SHORT_SIDE)), min(image.size))
    if short < SIDE:
        raise ImageError(f"the short side has {short} px, fewer than {SIDE}")
    scale = short / min(image.size)
    image = image.resize(
        (max(short, round(image.width * scale)), max(short, round(image.height * scale))), Image.Resampling.LANCZOS
    )
    image = _through(image, "WEBP", quality=WEBP_QUALITY, method=4)
    side = max(SIDE, round(short * rng.uniform(*SQUARE)))
    left = (
        round(position * (image.width - side))
        if image.width > image.height
        else int(rng.integers(0, image.width - side + 1))
    )
    top = (
        round(position * (image.height - side))
        if image.height >= image.width
        else int(rng.integers(0, image.height - side + 1))
    )
    image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0", optimize=False)
    return out.getvalue()


def _through(image: Image.Image, form: str, **how) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, form, **how)
    return Image.open(buffer).convert("RGB")


def frames_of(source: SampleSource, path: Path) -> list[tuple[str, Image.Image]]:
    """(name of the frame, RGB picture) for each frame to use; a still is one unnamed frame."""
    if not source.frames:
        return [("", open_rgb(path))]
    with Image.open(path) as clip:
        pictures = []
        for frame in source.frames.split():
            clip.seek(int(frame))
            pictures.append((frame, clip.convert("RGB")))
        return pictures


def split_groups(sources: list[SampleSource]) -> dict[str, str]:
    """Split of each group. AI groups of `TEST_ONLY_FAMILIES` go to `test`; every other group is dealt, in the order of a hash
    of its name, to the split that is furthest from its share of the class."""
    labels = {s.group: s.label for s in sources}
    held_out = {s.group for s in sources if s.label and family(s.generator) in TEST_ONLY_FAMILIES}
    split = {}
    for label in (0, 1):
        own = [g for g in labels if labels[g] == label]
        want = {name: share * len(own) for name, share in SPLIT_SHARES.items()}
        for group in sorted(own, key=lambda g: (g not in held_out, hashlib.sha256(g.encode()).hexdigest())):
            split[group] = "test" if group in held_out else max(want, key=want.get)
            want[split[group]] -= 1
    return split


def plan(
    sources: list[SampleSource], split: dict[str, str], per_split: dict[str, int]
) -> list[tuple[SampleSource, int, str]]:
    """(source, number of the picture within its group, split): round-robin over groups until each class and split has
    `per_split` pictures, at most `IMAGES_PER_GROUP` of a group."""
    chosen = []
    for label in (0, 1):
        for name, wanted in per_split.items():
            groups: dict[str, list[SampleSource]] = defaultdict(list)
            for source in sources:
                if source.label == label and split[source.group] == name:
                    groups[source.group].append(source)
            order = [(k, g) for k in range(IMAGES_PER_GROUP) for g in sorted(groups)]
            chosen += [(groups[g][k % len(groups[g])], k, name) for k, g in order[:wanted]]
    return chosen


def build_sample(root: Path, proposal: Path, work: Path, per_split: dict[str, int] = PICTURES_PER_SPLIT) -> list[Item]:
    """Write data/train, test, the proposal images and manifest.csv; return the manifest's items."""
    sources = [s for s in read_sources(root / "sources.csv") if s.keep]
    split = split_groups(sources)
    folders = {
        key: fetch(*key, work)
        for key in tqdm(sorted({(s.registry, s.package, s.version) for s in sources}), desc="packages")
    }
    places = {
        "train": root / "data" / "train",
        "val": root / "data" / "train",
        "test": root / "test",
        "proposal": proposal,
    }
    for place in {*places.values()}:
        shutil.rmtree(place, ignore_errors=True)
    items, counter = [], defaultdict(int)
    for source, number, name in tqdm(plan(sources, split, per_split), desc="pictures"):
        pictures = frames_of(source, folders[source.registry, source.package, source.version] / source.file)
        frame, picture = pictures[number % len(pictures)]
        rng = generator_of(source.label, source.group, number)
        content = last_mile(
            picture, source.box, (0.5, 0.0, 1.0)[number] if len(pictures) == 1 else float(rng.uniform()), rng
        )
        folder = places[name] if name == "proposal" else places[name] / LABELS[source.label]
        counter[source.label] += 1
        path = folder / f"{LABELS[source.label][2:]}_{counter[source.label]:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        items.append(_item(root, path, content, source, name, frame))
    write_manifest(root / "manifest.csv", items)
    return items


def _item(root: Path, path: Path, content: bytes, source: SampleSource, split: str, frame: str) -> Item:
    relative = Path(os.path.relpath(path, root)).as_posix()  # the proposal images lie beside the root
    return Item(
        relative,
        sha256(content),
        source.label,
        split,
        source.group,
        source.generator,
        source.package,
        source.version,
        source.file,
        frame,
        source.licence,
    )
