"""Make the pairs one after another: read, round trip, write, journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from aireal.config import LABELS, DatasetRoot
from aireal.core.files import write_atomic
from aireal.core.imagefile import ImageError, read_bytes, sha256
from aireal.core.journal import Journal
from aireal.dataset.manifest import Item

from .pair import Autoencoder, Photograph, finished_pair, padded_round_trip

BATCH = 8  # photographs of one entry of work on a GPU, the most that a kill costs there; one elsewhere
BATCH_PIXELS = 1 << 20  # of equally large photographs that a GPU takes at once
FOLDER = {"train": "data/train", "val": "data/train", "test": "test", "proposal": "proposal"}

Read = Photograph | ImageError


def make_pairs(
    source: DatasetRoot, photographs: list[Item], work: Path, autoencoder: Autoencoder, journal: Journal
) -> None:
    """Write both files of every pair under `work`, and add a row a photograph to the journal.

    A row has "file", and either "real", "fake", "sha256_real" and "sha256_fake" or "error". Photographs that have a row
    are skipped; one that cannot be used is one printed sentence.

    Args:
        journal: its first entry holds the arguments, every further one is a row.
    """
    done, size = len(journal.entries) - 1, _batch_size(autoencoder)
    batches = [range(first, min(first + size, len(photographs))) for first in range(done, len(photographs), size)]

    def read(numbers: range) -> list[Read]:
        return [_read(source.root / photographs[n].path) for n in numbers]

    with (
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
        tqdm(total=len(photographs), initial=done, desc="pairs", unit=" pairs") as progress,
    ):
        for numbers, found in zip(batches, _ahead(pool, read, batches)):
            painted = _paint(autoencoder, found)
            items = [photographs[n] for n in numbers]
            rows = list(pool.map(_store, numbers, items, found, painted, [work] * len(items)))
            for row in rows:
                if "error" in row:
                    progress.write(f"{row['file']}: {row['error']}")
            journal.add(*rows)
            progress.update(len(rows))


def _batch_size(autoencoder: Autoencoder) -> int:
    device = getattr(autoencoder, "device", None)
    return BATCH if device is not None and device.type == "cuda" else 1


def _ahead(pool: ThreadPoolExecutor, work: Callable, jobs: list) -> Iterator:
    """`work(job)` of each job in order, the next one under way while the last is used."""
    waiting = pool.submit(work, jobs[0]) if jobs else None
    for following in [*jobs[1:], None]:
        if waiting is not None:
            result = waiting.result()
            waiting = pool.submit(work, following) if following is not None else None
            yield result


def _read(path: Path) -> Read:
    try:
        return Photograph.read(read_bytes(path))
    except ImageError as error:
        return error


def _paint(autoencoder: Autoencoder, found: list[Read]) -> list[np.ndarray | ImageError]:
    """The round trip of each photograph, uint8 [H, W, 3]; neighbours of one size go together."""
    painted: list[np.ndarray | ImageError] = []
    for shape, part in groupby(found, key=lambda p: None if isinstance(p, ImageError) else p.pixels.shape):
        part = list(part)
        if shape is None:
            painted += part
            continue
        step = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        for k in range(0, len(part), step):
            painted += _paint_equal(autoencoder, [photo.pixels for photo in part[k : k + step]])
    return painted


def _paint_equal(autoencoder: Autoencoder, pictures: list[np.ndarray]) -> list[np.ndarray | ImageError]:
    try:
        return list(padded_round_trip(autoencoder, np.stack(pictures)))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        if len(pictures) > 1:
            return [painted for picture in pictures for painted in _paint_equal(autoencoder, [picture])]
        height, width = pictures[0].shape[:2]
        return [ImageError(f"its {width}×{height} pixels are too many for the GPU's memory; scale it down first")]


def _store(number: int, item: Item, photo: Read, painted: np.ndarray | ImageError, work: Path) -> dict:
    """Write both files of a pair; return its row of the journal."""
    file = item.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(painted, ImageError):
        return {"file": file, "error": str(painted)}
    row = {"file": file}
    for kind, label, content in zip(("real", "fake"), LABELS, finished_pair(photo, painted)):
        path = f"{FOLDER[item.split]}/{label}/{kind}_{number + 1:06d}{photo.encoding.suffix}"
        write_atomic(work / path, content)
        row |= {kind: path, f"sha256_{kind}": sha256(content)}
    return row
