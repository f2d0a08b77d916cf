"""Which pictures may be learnt from: a list without near-duplicates of what the project validates, tests or shows,
and the order of views."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb
from aireal.core.read_table import read_table
from aireal.dataset.align.file_encoding import jpeg_options
from aireal.dataset.manifest import load_items

NEAR = 10  # of 64 bits: two perceptual hashes that differ in at most so many belong to near-duplicates
TINY_FROM = 22_000  # the 64 px pictures stand behind so many better views, once each
BALANCE = 0.7  # a folder of n pictures gets views in proportion to n ** BALANCE
SAMPLE_FACTOR = 4  # a picture of the sample counts as so many: views close to what the classifiers will be trained on


@dataclass(frozen=True)
class Picture:
    """A picture to learn from. `kind` is photo, ai or mostly ai; `side` the short side in px; `sample`: of the
    sample's training split."""

    path: str
    folder: str
    kind: str
    side: int
    sample: bool = False


def perceptual_hashes(path: str) -> tuple[list[int], int]:
    """Perceptual hashes (64 bits) of a picture: whole, its centred square, and both mirrored; and its short side."""
    image = open_rgb(path)
    looks = [image, ImageOps.fit(image, (min(image.size),) * 2)]
    looks += [ImageOps.mirror(look) for look in looks]
    return [int(str(imagehash.phash(look)), 16) for look in looks], min(image.size)


def hidden_pictures(shared: Path) -> list[str]:
    """What must never be learnt from: validation, test and proposals of the sample, and the external validation."""
    data = DatasetRoot.at(REPOSITORY / "dataset")
    found = [data.root / i.path for split in ("val", "test") for i in load_items(data, split)]
    found += sorted((REPOSITORY / "proposal_images").glob("*.jpg"))
    return [str(p) for p in found + sorted((shared / "external").rglob("*.webp"))]


def candidates(shared: Path) -> list[Picture]:
    """All pictures of the shared folder but `external`, and the sample's training pictures; short sides not known
    yet."""
    table = read_table(shared / "pictures.csv", ("path", "kind"), "give the folder of the pictures")
    rows = [(row.cells["path"], row.cells["kind"]) for row in table]
    found = [Picture(str(shared / p), p.split("/")[0], kind, 0) for p, kind in rows if not p.startswith("external/")]
    data = DatasetRoot.at(REPOSITORY / "dataset")
    for item in load_items(data, "train"):
        kind = ("photo", "ai")[item.label]
        found.append(Picture(str(data.root / item.path), f"sample_{kind}", kind, 0, True))
    return found


def near_any(hashes: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """bool [N]: does any of uint64 [N, K] differ from any of uint64 [M] in at most `NEAR` bits?"""
    out = np.zeros(len(hashes), bool)
    for i in range(0, len(hashes), 256):
        part = hashes[i : i + 256]
        out[i : i + 256] = (np.bitwise_count(part[:, :, None] ^ hidden) <= NEAR).any((1, 2))
    return out


def list_pictures(shared: Path, work: Path) -> list[Picture]:
    """The pictures that may be learnt from, kept in `work`/pictures.json: a few minutes the first time."""
    path = work / "pictures.json"
    if not path.exists():
        every, secret = candidates(shared), hidden_pictures(shared)
        with ProcessPoolExecutor(2) as workers:
            hidden = [h for found, _ in workers.map(perceptual_hashes, secret, chunksize=32) for h in found]
            looks = list(workers.map(perceptual_hashes, [p.path for p in every], chunksize=64))
        near = near_any(np.array([h for h, _ in looks], np.uint64), np.array(hidden, np.uint64))
        kept = [Picture(**asdict(p) | {"side": side}) for p, (_, side), bad in zip(every, looks, near) if not bad]
        left_out = [p.path for p, bad in zip(every, near) if bad]
        print(
            f"pictures: {len(kept)} kept, {len(left_out)} left out as near-duplicates of {len(secret)} hidden ones",
            flush=True,
        )
        write_json(path, {"pictures": [asdict(p) for p in kept], "left_out": left_out})
    return [Picture(**row) for row in json.loads(path.read_text(encoding="utf-8"))["pictures"]]


def turns(weights: dict[str, float]) -> Iterator[str]:
    """Names, each as often as its weight says and as evenly as can be (smooth weighted round-robin), without end."""
    credit, total = dict.fromkeys(weights, 0.0), sum(weights.values())
    while True:
        for name, weight in weights.items():
            credit[name] += weight
        chosen = max(credit, key=credit.get)
        credit[chosen] -= total
        yield chosen


def endless(pictures: list[Picture], seed: int) -> Iterator[Picture]:
    """All pictures in a random order, then again in another one, without end."""
    rng = np.random.default_rng([seed, len(pictures)])
    while True:
        yield from (pictures[i] for i in rng.permutation(len(pictures)))


def mixture(pictures: list[Picture], seed: int) -> Iterator[Picture]:
    """Pictures of all folders in turn, without end: any beginning of it is a fair mixture of the folders."""
    folders: dict[str, list[Picture]] = {}
    for picture in pictures:
        folders.setdefault(picture.folder, []).append(picture)
    counts = {name: sum(SAMPLE_FACTOR if p.sample else 1 for p in part) for name, part in folders.items()}
    streams = {name: endless(part, seed + k) for k, (name, part) in enumerate(sorted(folders.items()))}
    for name in turns({name: count**BALANCE for name, count in sorted(counts.items())}):
        yield next(streams[name])


def order_of_views(pictures: list[Picture], seed: int, count: int) -> list[Picture]:
    """The picture of each of `count` views, which does not depend on `count`: photographs and AI in turn; the tiny ones
    (photographs, once each) from place `TINY_FROM` on, in turn with AI images."""
    tiny = [p for p in pictures if p.folder == "tiny"]
    photos = mixture([p for p in pictures if p.kind == "photo" and p.folder != "tiny"], seed)
    images = mixture([p for p in pictures if p.kind != "photo"], seed + 1000)
    small = iter([tiny[i] for i in np.random.default_rng(seed).permutation(len(tiny))])
    found = []
    for k in range(count):
        if k % 2:
            found.append(next(images))
        else:
            found.append(next(small, None) or next(photos) if k >= TINY_FROM else next(photos))
    return found


def order_of_pairs(pictures: list[Picture], seed: int, count: int, at_least: int) -> list[Picture]:
    """The photograph of each of `count` aligned pairs: those whose short side has `at_least` px."""
    stream = mixture(
        [p for p in pictures if p.kind == "photo" and p.folder != "tiny" and p.side >= at_least], seed + 2000
    )
    return [next(stream) for _ in range(count)]


def encoding_of(path: str) -> dict:
    """How a picture's file was encoded, as arguments for `Image.save`: a JPEG's own tables, and quality 80 for the
    shared WebP files."""
    with Image.open(path) as image:
        if image.format != "JPEG":
            return {"format": "WEBP", "quality": 80}
        return jpeg_options(image)
