"""Images as tensors: the dataset class, and the transforms of training and of prediction."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from ..config import Profile
from ..dataset.manifest import Item
from ..imagefile import open_rgb, square
from .model import ClassifierConfig

CACHE_BYTES = 2**30  # decoded pictures are kept in memory while all of them fit


class Images(Dataset):
    """(uint8 or float tensor [3, H, W], label 0/1) an item. Pictures are cut square and resized to `size` px, then transformed."""

    def __init__(self, items: list[Item], root: Path, size: int, transform=None):
        self.items, self.root, self.size, self.transform = items, root, size, transform
        self.keep = len(items) * 3 * size * size <= CACHE_BYTES
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

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels = self.pixels(index)
        return (self.transform(pixels) if self.transform else pixels), self.items[index].label


def to_tensor(image: Image.Image) -> torch.Tensor:
    """uint8 [3, H, W] of an RGB picture."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def normalise(config: ClassifierConfig) -> v2.Transform:
    """uint8 [..., 3, H, W] → normalised float32."""
    return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(config.mean, config.std)])


def augment(config: ClassifierConfig, crop: int) -> v2.Transform:
    """Training view: a random square of at least half the side at `crop` px, flipped half of the time, colours varied, and
    recompressed now and then so that JPEG strength is no cue."""
    return v2.Compose([
        v2.RandomResizedCrop(crop, scale=(0.25, 1.0), ratio=(0.9, 1.1), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
        v2.RandomGrayscale(0.1),
        v2.RandomApply([v2.Lambda(recompress)], p=0.3),
        normalise(config),
    ])


def recompress(pixels: torch.Tensor) -> torch.Tensor:
    """A uint8 picture [3, H, W] through a JPEG of quality 60-95."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=int(torch.randint(60, 96, ())))
    return to_tensor(Image.open(buffer))


def loader(items: list[Item], root: Path, config: ClassifierConfig, profile: Profile, train: bool, seed: int = 0) -> DataLoader:
    """Batches of (float32 [B, 3, S, S], int64 [B]); shuffled and augmented when training, whole pictures in order otherwise."""
    images = Images(items, root, config.image_size, augment(config, profile.crop) if train else normalise(config))
    workers = 0 if images.keep else min(8, torch.get_num_threads())
    return DataLoader(images, profile.batch_size, shuffle=train, num_workers=workers, persistent_workers=bool(workers),
                      drop_last=train and len(items) > profile.batch_size, generator=torch.Generator().manual_seed(seed))
