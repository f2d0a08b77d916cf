"""Roots whose splits may lack a class, and a classifier with a planted rule, which needs no training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from aireal.classifier.model import ClassifierConfig
from aireal.classifier.train import Trained
from aireal.config import LABELS
from aireal.core.run import Run, start
from aireal.dataset.manifest import Item, write_manifest
from helpers.images import encoded, noise, write

SIDE = 32
HISTORY = [{"epoch": 1, "val_auroc": 0.9, "images": 8, "images_seen": 8}]


class Detail(nn.Module):
    """Calls a picture fake whose neighbouring pixels differ much (pixels in -1..1)."""

    def __init__(self, limit: float = 0.3):
        super().__init__()
        self.limit = nn.Parameter(torch.tensor(limit))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        margin = 6 * (x.diff(dim=3).abs().float().mean((1, 2, 3)) - self.limit)
        return torch.stack([torch.zeros_like(margin), margin], 1)


def planted_classifier() -> Trained:
    config = ClassifierConfig("resnet34", SIDE, (0.5,) * 3, (0.5,) * 3, "random", uncertain_below=0.6)
    return Trained(Detail().eval(), config, HISTORY, 1.0)


def root_of(folder: Path, splits: dict[str, tuple[int, int]]) -> Run:
    """A run of a root with so many photographs and AI images in each split; every second picture is a blurred one."""
    items = []
    for split, counts in splits.items():
        place = "test" if split == "test" else "data/train"
        for label, count in enumerate(counts):
            for number in range(count):
                seed = 100 * len(split) + 10 * number + label
                image = noise(seed, SIDE if (number + label) % 2 else 8).resize((SIDE, SIDE))
                name = f"{place}/{LABELS[label]}/{split}_{number}.png"
                write(folder / "root" / name, encoded(image, "PNG"))
                items.append(Item(name, "", label, split, f"{label}/{split}/{number}", "Flux.1" if label else ""))
    write_manifest(folder / "root/manifest.csv", items)
    return start("tests", "smoke", folder / "root", out=folder / "out")
