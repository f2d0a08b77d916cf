"""Images as tensors: the dataset class, and the loaders and transforms of training and prediction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2

from aireal.core.imagefile import reencode, square
from aireal.dataset.manifest import Item
from aireal.dataset.readable import open_item

from .model import ClassifierConfig
from .training_config import TrainingConfig

CACHE_BYTES = 2**30  # decoded pictures stay in memory while all of them fit into this


class ImageDataset(Dataset):
    """(uint8 or float tensor [3, H, W], label 0/1) for each item. Pictures are cut square and resized to `size` px,
    then transformed.

    The key of an item is its index, or (index, seed); then the seed alone decides what a random transform does.
    Decoded pictures stay in memory if those of all `copies` of the dataset (one in each worker process) fit into
    `cache_bytes`.
    """

    def __init__(
        self,
        items: list[Item],
        root: Path,
        size: int,
        transform: v2.Transform | None = None,
        copies: int = 1,
        cache_bytes: int = CACHE_BYTES,
    ):
        self.items, self.root, self.size, self.transform = items, root, size, transform
        self.caches = copies * decoded_bytes(len(items), size) <= cache_bytes
        self.cache: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.items)

    def pixels(self, index: int) -> torch.Tensor:
        """uint8 [3, size, size].

        Raises:
            ImageError: the file cannot be used; the message names it.
        """
        if index in self.cache:
            return self.cache[index]
        tensor = to_tensor(square(open_item(self.root, self.items[index]), self.size))
        if self.caches:
            self.cache[index] = tensor
        return tensor

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[torch.Tensor, int]:
        index, seed = key if isinstance(key, tuple) else (key, None)
        pixels, label = self.pixels(index), self.items[index].label
        if self.transform is None or seed is None:
            return (self.transform(pixels) if self.transform else pixels), label
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.transform(pixels), label


class SeededSampler(Sampler[tuple[int, int]]):
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


def decoded_bytes(count: int, size: int) -> int:
    """Memory of so many decoded RGB pictures of `size` px."""
    return count * 3 * size * size


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
    """Training view: a random square of at least half the side at `crop` px, flipped half of the time, with colours
    varied. 30% are recompressed, so that JPEG strength is no cue."""
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


def train_loader(items: list[Item], root: Path, config: ClassifierConfig, training: TrainingConfig) -> DataLoader:
    """Shuffled batches of augmented crops: (float32 [B, 3, crop, crop], int64 [B]).

    An epoch (`loader.sampler.set_epoch`) has the same batches on every machine and with any number of workers.
    """
    return _loader(
        items,
        root,
        config,
        augment(config, training.crop),
        training.batch_size,
        sampler=SeededSampler(len(items), training.seed),
        drop_last=len(items) > training.batch_size,
    )


def eval_loader(items: list[Item], root: Path, config: ClassifierConfig, batch_size: int) -> DataLoader:
    """Batches of whole pictures in order: (float32 [B, 3, S, S], int64 [B])."""
    return _loader(items, root, config, normalise(config), batch_size)


def _loader(
    items: list[Item], root: Path, config: ClassifierConfig, transform: v2.Transform, batch_size: int, **options
) -> DataLoader:
    """Worker processes load pictures that do not fit into memory, and all pictures on a GPU, which would wait for them.

    A CPU that trains has no time to spare for worker processes.
    """
    too_large = decoded_bytes(len(items), config.image_size) > CACHE_BYTES
    workers = min(8, os.cpu_count() or 1) if too_large or torch.cuda.is_available() else 0
    dataset = ImageDataset(items, root, config.image_size, transform, copies=max(1, workers))
    return DataLoader(dataset, batch_size, num_workers=workers, persistent_workers=bool(workers), **options)
