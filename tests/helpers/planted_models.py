"""Classifiers whose cause is known, and pictures with that cause at a known place."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from aireal.explain.gradcam import candidate_layers


class RedPatch(nn.Module):
    """A ResNet-shaped model that calls an image fake where it is red: the cause of its verdict is known."""

    def __init__(self):
        super().__init__()
        self.layer4 = nn.ModuleList([nn.Conv2d(3, 2, 8, stride=8, bias=False)])
        with torch.no_grad():
            weight = torch.tensor([[-1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
            self.layer4[0].weight.copy_(weight[:, :, None, None].expand(2, 3, 8, 8) / 64)

    def forward(self, x):
        return self.layer4[0](x).relu().mean((2, 3))


class RedNet(nn.Module):
    """The same decision by a deeper net: redness by 4×4 patches, then two stages of residual blocks with small random
    weights."""

    def __init__(self):
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 8, 4, stride=4, bias=False), nn.Linear(8, 2)
        self.layer3 = nn.Sequential(*(Residual() for _ in range(2)))
        self.layer4 = nn.Sequential(nn.AvgPool2d(2), Residual())
        with torch.no_grad():
            self.stem.weight.copy_(torch.tensor([1.0, -1.0, -1.0])[None, :, None, None].expand(8, 3, 4, 4) / 16)
            self.fc.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 8))

    def forward(self, x):
        return self.fc(self.layer4(self.layer3(self.stem(x).relu())).mean((2, 3)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        nn.init.normal_(self.conv.weight, std=0.02)

    def forward(self, x):
        return (x + self.conv(x)).relu()


class Speckles(nn.Module):
    """A fully convolutional model that counts red and green pixels that stand out: red ones are fake, green ones real.

    An averaged or blurred area has none, so that masking it removes its evidence.
    """

    def __init__(self):
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 2, 1), nn.AvgPool2d(8)
        self.layer4 = nn.ModuleList([nn.Conv2d(2, 2, 1, bias=False)])
        with torch.no_grad():
            self.stem.weight.copy_(torch.tensor([[-0.5, 1.0, -0.5], [1.0, -0.5, -0.5]])[:, :, None, None])
            self.stem.bias.fill_(-0.5)
            self.layer4[0].weight.copy_(torch.eye(2)[:, :, None, None])

    def forward(self, x):
        return 20 * self.layer4[0](self.pool(self.stem(x).relu())).mean((2, 3))


class PlantedPredictor(contextlib.nullcontext):
    """The parts of a `Predictor` that the tests with a known answer use, with a planted model."""

    method, layer, folder = "gradcam", "", Path("nowhere")

    def __init__(self, model: nn.Module, size: int):
        super().__init__(self)
        self.model, self.size, self.device = model.eval(), size, torch.device("cpu")
        self.config = SimpleNamespace(fingerprint=type(model).__name__)

    @property
    def layer_in_use(self) -> str:
        return candidate_layers(self.model)[0]

    def tensors(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float() / 255

    @torch.inference_mode()
    def predict_fake(self, batch: torch.Tensor) -> torch.Tensor:
        return self.model(batch).softmax(1)[:, 1]


def speckled(seed: int, label: int | None, side: int = 48) -> np.ndarray:
    """A gray picture of that side, with red (1) or green (0) pixels that stand out, or without any (None)."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 130, (side, side, 3), dtype=np.uint8)
    if label is not None:
        image[rng.random((side, side)) < 0.3] = (255, 0, 0) if label else (0, 255, 0)
    return image


def picture_with_patch(row: int, column: int, side: int = 96) -> np.ndarray:
    image = np.full((side, side, 3), 90, dtype=np.uint8)
    cell = side // 3
    image[row * cell + 8 : row * cell + 24, column * cell + 8 : column * cell + 24] = (255, 0, 0)
    return image


def as_batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def redness(images: torch.Tensor) -> np.ndarray:
    """P(fake) of a toy classifier: the number of pixels that are redder than any blurred or averaged pixel."""
    excess = (images[:, 0] - images[:, 1:].mean(1) - 0.5).relu().mean((1, 2))
    return 1 - torch.exp(-200 * excess).numpy()


def pictures(count: int = 9) -> torch.Tensor:
    return as_batch(*(picture_with_patch(*divmod(place % 9, 3)) for place in range(count)))


def patch_maps(count: int = 9) -> np.ndarray:
    """The right maps: hot in the middle of the patch, colder with the distance, without ties."""
    y, x = np.mgrid[:96, :96]
    places = [divmod(place % 9, 3) for place in range(count)]
    squared = ((y - 32 * row - 15.3) ** 2 + (x - 32 * column - 15.8) ** 2 for row, column in places)
    return np.stack([np.exp(-distance / 300) + 1e-6 * (y + x / 97) for distance in squared]).astype(np.float32)
