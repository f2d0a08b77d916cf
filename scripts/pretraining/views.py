"""The cache: views with the teacher's features, and aligned pairs, in shards that are there whole or not at all.

Shard k of `WORK/views`: kkkkk.images.npy uint8 [1000, 224, 224, 3], .embed.npy float16 [1000, 512], .tokens.npy
float16 [1000, 49, 128]. Shard k of `WORK/pairs`: kkkkk.images.npy uint8 [500, 2, 192, 192, 3], photograph first. A
shard counts once its kkkkk.json is there."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb
from aireal.dataset.align.pair import matched
from scripts.pretraining.autoencoder import Autoencoder
from scripts.pretraining.pictures import Picture, encoding_of, order_of_pairs, order_of_views
from scripts.pretraining.teacher import SIZE, Teacher, fit_pca, reduce

SEED = 7
VIEWS, PAIRS, BATCH = 1000, 500, 16  # a shard's views and pairs; pictures at once
PAIR, MARGIN = 192, 208  # px of a pair as kept, and before it is cut at a random offset from its first encoding's grid
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)


def encoded(pixels: np.ndarray, options: dict) -> np.ndarray:
    """uint8 [H, W, 3] written and read again, with arguments of `Image.save`."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def random_encoding(rng: np.random.Generator, share: float) -> dict | None:
    """JPEG (three of five) or WebP of quality 60-95 for `share` of the pictures."""
    if rng.uniform() >= share:
        return None
    quality = int(rng.integers(60, 96))
    if rng.uniform() < 0.4:
        return {"format": "WEBP", "quality": quality}
    return {"format": "JPEG", "quality": quality, "subsampling": int(rng.choice([0, 2]))}


def corner(size: tuple[int, int], side: int, rng: np.random.Generator, grid: int = 1) -> tuple[int, int]:
    """Left and top of a random square of `side` in a picture, multiples of `grid`."""
    left, top = (int(rng.integers(0, (edge - side) // grid + 1)) * grid for edge in size)
    return left, top


def make_view(picture: Picture, place: int) -> np.ndarray:
    """uint8 [224, 224, 3]: a random square of 50-100% of the short side, or unscaled where the picture allows (two of
    five); half of them encoded once more."""
    rng = np.random.default_rng([SEED, 1, place])
    image = open_rgb(picture.path)
    short = min(image.size)
    native = short >= SIZE and rng.uniform() < 0.4
    side = SIZE if native else max(int(short * rng.uniform(0.5, 1.0)), min(short, 48))
    left, top = corner(image.size, side, rng)
    box = (left, top, left + side, top + side)
    method = FILTERS[rng.integers(len(FILTERS) if side > SIZE else 3)]
    pixels = np.asarray(image.crop(box) if side == SIZE else image.resize((SIZE, SIZE), method, box))
    options = random_encoding(rng, 0.5)
    return encoded(pixels, options) if options else pixels


def write_shard(folder: Path, shard: int, arrays: dict[str, np.ndarray], about: dict) -> None:
    """Each array whole under its name, the JSON last: a killed run leaves no shard that looks complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        path = folder / f"{shard:05d}.{name}.npy"
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, array)
        partial.replace(path)
    write_json(folder / f"{shard:05d}.json", about)


def shards(folder: Path, names: tuple[str, ...]) -> list[dict[str, np.ndarray]]:
    """Arrays of all complete shards, mapped from disk, in order."""
    found = sorted(p.name.split(".")[0] for p in folder.glob("*.json"))
    return [{name: np.load(folder / f"{k}.{name}.npy", mmap_mode="r") for name in names} for k in found]


def ahead(make: Callable, jobs: list) -> Iterator:
    """`make(*job)` of each job in order, the next one under way in a thread while the last is used."""
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for job in jobs:
            following = thread.submit(make, *job)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


class ViewMaker:
    """Makes shards of views below WORK/`name`; the first one fits the PCA of the tokens (WORK/pca.safetensors)."""

    def __init__(self, work: Path, name: str, pictures: list[Picture], teacher: Teacher, count: int):
        self.folder, self.pca, self.teacher = work / name, work / "pca.safetensors", teacher
        self.order, self.total = order_of_views(pictures, SEED, count), -(-count // VIEWS)

    def batch(self, first: int, last: int) -> np.ndarray:
        return np.stack([make_view(self.order[k], k) for k in range(first, last)])

    def make(self, shard: int) -> None:
        start, stop = shard * VIEWS, min((shard + 1) * VIEWS, len(self.order))
        jobs = [(i, min(i + BATCH, stop)) for i in range(start, stop, BATCH)]
        images, embeds, tokens = [], [], []
        pca = load_file(self.pca) if self.pca.exists() else None
        for batch in ahead(self.batch, jobs):
            embed, token = self.teacher.features(batch)
            images.append(batch)
            embeds.append(embed.astype(np.float16))
            tokens.append(reduce(token, pca) if pca else token)
        if not pca:
            pca = fit_pca(np.concatenate(tokens))
            save_file(pca, self.pca.with_suffix(".partial"))
            self.pca.with_suffix(".partial").replace(self.pca)
            tokens = [reduce(token, pca) for token in tokens]
        arrays = {"images": images, "embed": embeds, "tokens": tokens}
        about = {"pictures": [p.path for p in self.order[start:stop]], "teacher_sha256": self.teacher.sha256}
        write_shard(self.folder, shard, {name: np.concatenate(parts) for name, parts in arrays.items()}, about)


def cut(picture: Picture, mode: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [side, side, 3] of a photograph: a piece on its encoding's grid, or of the photograph made smaller
    before."""
    image = open_rgb(picture.path)
    if mode == "smaller before":
        scale = rng.uniform(max(PAIR / min(image.size), 0.6), 1.0)
        size = [max(round(edge * scale), PAIR) for edge in image.size]
        image = image.resize(size, FILTERS[rng.integers(len(FILTERS))])
    left, top = corner(image.size, side, rng, 1 if mode == "smaller before" else 16)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def finish(photo: np.ndarray, fake: np.ndarray, rng: np.random.Generator, mode: str) -> np.ndarray:
    """uint8 [2, 192, 192, 3]: both cut or made smaller alike, and encoded alike (four of five)."""
    pair = [photo, fake]
    if mode == "smaller after":
        method = FILTERS[rng.integers(len(FILTERS))]
        pair = [np.asarray(Image.fromarray(p).resize((PAIR, PAIR), method)) for p in pair]
    else:
        left, top = corner((photo.shape[1], photo.shape[0]), PAIR, rng)
        pair = [np.ascontiguousarray(p[top : top + PAIR, left : left + PAIR]) for p in pair]
    options = random_encoding(rng, 0.8)
    return np.stack([encoded(p, options) for p in pair] if options else pair)


class PairMaker:
    """Makes shards of aligned pairs. A fake is first encoded as its photograph's own file is, on the same grid, so
    that the traces of that encoding, which a round trip removes, tell nothing (Dual Data Alignment, Chen et al.
    2025)."""

    def __init__(self, work: Path, pictures: list[Picture], autoencoder: Autoencoder, count: int):
        self.folder, self.autoencoder = work / "pairs", autoencoder
        self.order, self.total = order_of_pairs(pictures, SEED, count, MARGIN), -(-count // PAIRS)

    def cuts(self, first: int, last: int) -> tuple[int, str, np.ndarray]:
        """One batch, all of one mode: untouched (70%), made smaller before the round trip (15%) or after it (15%)."""
        rng = np.random.default_rng([SEED, 2, first])
        mode = str(rng.choice(["native", "smaller before", "smaller after"], p=[0.7, 0.15, 0.15]))
        side = PAIR if mode == "smaller before" else MARGIN
        return first, mode, np.stack([cut(self.order[k], mode, side, rng) for k in range(first, last)])

    def pairs(self, first: int, mode: str, photos: np.ndarray) -> list[np.ndarray]:
        rng = np.random.default_rng([SEED, 3, first])
        fakes, found = self.autoencoder.round_trip(photos, rng), []
        for k, (photo, fake) in enumerate(zip(photos, fakes)):
            fake = matched(fake, photo)
            if rng.uniform() < 0.3:
                weight = rng.uniform(0.5, 1.0)
                fake = (photo + weight * (fake.astype(np.float32) - photo)).round().astype(np.uint8)
            if mode != "smaller before":
                fake = encoded(fake, encoding_of(self.order[first + k].path))
            found.append(finish(photo, fake, rng, mode))
        return found

    def make(self, shard: int) -> None:
        start, stop = shard * PAIRS, min((shard + 1) * PAIRS, len(self.order))
        jobs = [(i, min(i + BATCH, stop)) for i in range(start, stop, BATCH)]
        pairs = [pair for job in ahead(self.cuts, jobs) for pair in self.pairs(*job)]
        write_shard(
            self.folder, shard, {"images": np.stack(pairs)}, {"pictures": [p.path for p in self.order[start:stop]]}
        )


def make_shards(makers: list[ViewMaker | PairMaker]) -> None:
    """All shards that are not there yet, of all makers in step: the one that is furthest behind goes on."""
    began, made = time.time(), 0
    todo = [[k for k in range(m.total) if not (m.folder / f"{k:05d}.json").exists()] for m in makers]
    everything = sum(map(len, todo))
    while any(todo):
        which = max(range(len(makers)), key=lambda i: len(todo[i]) / max(makers[i].total, 1))
        started = time.time()
        makers[which].make(shard := todo[which].pop(0))
        made += 1
        left = (time.time() - began) / made * (everything - made)
        name = f"{makers[which].folder.name} shard {shard + 1}/{makers[which].total}"
        print(
            f"{name} {time.time() - started:.0f} s, in all {time.time() - began:.0f} s, left {left / 60:.0f} min",
            flush=True,
        )
