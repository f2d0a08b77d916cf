"""Images as tensors: the dataset class, and the transforms of training and of prediction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2

from aireal.config import Profile
from aireal.core.imagefile import open_rgb, reencode, square
from aireal.dataset.manifest import Item

from .model import ClassifierConfig

CACHE_BYTES = 2**30  # decoded pictures are kept in memory while all of them fit


class Images(Dataset):
    """(uint8 or float tensor [3, H, W], label 0/1) an item. Pictures are cut square and resized to `size` px, then transformed.

    An item is asked for by its index, or by (index, seed): then the seed alone decides what a random transform does. Each of
    `copies` worker processes keeps the decoded pictures it has seen, while all of them fit into memory.
    """

    def __init__(self, items: list[Item], root: Path, size: int, transform=None, copies: int = 1):
        self.items, self.root, self.size, self.transform = items, root, size, transform
        self.keep = copies * len(items) * 3 * size * size <= CACHE_BYTES
        self.kept: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.items)

    def pixels(self, index: int) -> torch.Tensor:
        if index in self.kept:
            return self.kept[index]
        tensor = to_tensor(square(open_rgb(self.root / self.items[index].path), self.size))
        if self.keep:
            self.kept[index] = tensor
        return tensor

    def __getitem__(self, index: int | tuple[int, int]) -> tuple[torch.Tensor, int]:
        index, seed = index if isinstance(index, tuple) else (index, None)
        pixels, label = self.pixels(index), self.items[index].label
        if self.transform is None or seed is None:
            return (self.transform(pixels) if self.transform else pixels), label
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.transform(pixels), label


class Shuffled(Sampler[tuple[int, int]]):
    """(index, seed of its transform) of every picture, in an order that follows from the seed and the epoch alone."""

    def __init__(self, count: int, seed: int):
        self.count, self.seed, self.epoch = count, seed, 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        yield from zip(rng.permutation(self.count).tolist(), rng.integers(2**32, size=self.count).tolist())


def to_tensor(image: Image.Image) -> torch.Tensor:
    """uint8 [3, H, W] of an RGB picture."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def to_batch(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """uint8 [B, 3, H, W] of pictures uint8 [H, W, 3] of one size."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def normalise(config: ClassifierConfig) -> v2.Transform:
    """uint8 [..., 3, H, W] → normalised float32."""
    return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(config.mean, config.std)])


def augment(config: ClassifierConfig, crop: int) -> v2.Transform:
    """Training view: a random square of at least half the side at `crop` px, flipped half of the time, colours varied, and
    recompressed now and then so that JPEG strength is no cue."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(crop, scale=(0.25, 1.0), ratio=(0.9, 1.1), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
            v2.RandomGrayscale(0.1),
            v2.RandomApply([v2.Lambda(recompress)], p=0.3),
            normalise(config),
        ]
    )


def recompress(pixels: torch.Tensor) -> torch.Tensor:
    """A uint8 picture [3, H, W] through a JPEG of quality 60-95."""
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    return to_tensor(reencode(image, "JPEG", quality=int(torch.randint(60, 96, ()))))


def loader(
    items: list[Item], root: Path, config: ClassifierConfig, profile: Profile, train: bool, seed: int = 0
) -> DataLoader:
    """Batches of (float32 [B, 3, S, S], int64 [B]); shuffled and augmented when training, whole pictures in order otherwise.

    An epoch (`loader.sampler.set_epoch`) has the same batches on every machine and with any number of workers. Worker processes
    load pictures that do not fit into memory, and whatever a GPU waits for; a CPU that trains has no time to spare for them.
    """
    images = Images(items, root, config.image_size, augment(config, profile.crop) if train else normalise(config))
    workers = 0
    if not images.keep or torch.cuda.is_available():
        workers = min(8, os.cpu_count() or 1)
        images = Images(items, root, config.image_size, images.transform, copies=workers)
    return DataLoader(
        images,
        profile.batch_size,
        sampler=Shuffled(len(items), seed) if train else None,
        num_workers=workers,
        persistent_workers=bool(workers),
        drop_last=train and len(items) > profile.batch_size,
    )
