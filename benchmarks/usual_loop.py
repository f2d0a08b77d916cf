"""The datasets and the training loop that ours are compared with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from aireal.classifier.model import ClassifierConfig
from aireal.classifier.optimizer import rate
from aireal.classifier.trainer import CLIP, LABEL_SMOOTHING
from aireal.core.run import Run
from aireal.dataset.manifest import Item


class TrainingFiles(Dataset):
    """The usual dataset of training: open, convert, transform, to a normalised tensor; the augmentation is that of
    `data.augment`."""

    def __init__(self, items: Sequence[Item], root: Path, config: ClassifierConfig, crop: int):
        self.items, self.root, self.size = items, root, config.image_size
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(crop, scale=(0.25, 1.0), ratio=(0.9, 1.1)),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
                v2.RandomGrayscale(0.1),
                v2.RandomApply([v2.Lambda(recompress)], p=0.3),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(config.mean, config.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = ImageOps.fit(
            Image.open(self.root / self.items[index].path).convert("RGB"),
            (self.size, self.size),
            Image.Resampling.BICUBIC,
        )
        return self.transform(image), self.items[index].label


def recompress(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(torch.randint(60, 96, ())))
    return Image.open(buffer).convert("RGB")


def one_epoch(
    model: nn.Module, batches: DataLoader, optimizer: torch.optim.Optimizer, step: int, steps: int, run: Run
) -> float:
    """Train one epoch; return the mean loss."""
    model.train()
    total = 0.0
    for number, (pixels, labels) in enumerate(batches, step):
        pixels, labels = pixels.to(run.device), labels.to(run.device)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate(number, steps, run.profile.warmup)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels), labels, label_smoothing=LABEL_SMOOTHING)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
    return total / len(batches)


class PredictionFiles(Dataset):
    """The usual dataset of prediction: open, convert, resize, to a normalised tensor."""

    def __init__(self, paths: list[Path], size: int, mean: tuple[float, ...], std: tuple[float, ...]):
        self.paths, self.size = paths, size
        self.transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(ImageOps.fit(image, (self.size, self.size), Image.Resampling.BICUBIC))
