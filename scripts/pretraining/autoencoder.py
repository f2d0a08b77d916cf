"""A tiny autoencoder of FLUX.2's latent space (madebyollin/taesd, `taef2`), in plain torch: what makes a round trip
of a photograph."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from aireal.core.device import autocast, device_name, precision
from aireal.dataset.align.pair import Origin

WIDTH, LATENT = 64, 32  # channels


class Block(nn.Module):
    """Three convolutions with a skip; with `pool` the input first learns from its group-normed self."""

    def __init__(self, pool: bool = False):
        super().__init__()
        self.conv = nn.Sequential(conv(WIDTH, WIDTH), nn.ReLU(), conv(WIDTH, WIDTH), nn.ReLU(), conv(WIDTH, WIDTH))
        self.pool = None
        if pool:
            wide, narrow = nn.Conv2d(WIDTH, 256, 1, bias=False), nn.Conv2d(256, WIDTH, 1, bias=False)
            self.pool = nn.Sequential(wide, nn.GroupNorm(4, 256), nn.ReLU(), narrow)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Squash(nn.Module):
    """3·tanh(x / 3): latents are kept within -3..3."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3 * torch.tanh(x / 3)


def conv(inner: int, outer: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, 3, padding=1, **options)


def encoder() -> nn.Sequential:
    """Picture [B, 3, H, W] in 0..1 → latents [B, 32, H/8, W/8]."""
    layers: list[nn.Module] = [conv(3, WIDTH), Block()]
    for pool in (False, False, True):
        layers += [conv(WIDTH, WIDTH, stride=2, bias=False), *(Block(pool) for _ in range(3))]
    return nn.Sequential(*layers, conv(WIDTH, LATENT))


def decoder() -> nn.Sequential:
    """Latents [B, 32, h, w] → picture [B, 3, 8h, 8w], to be clamped to 0..1."""
    layers: list[nn.Module] = [Squash(), conv(LATENT, WIDTH), nn.ReLU()]
    for pool in (True, False, False):
        layers += [*(Block(pool) for _ in range(3)), nn.Upsample(scale_factor=2), conv(WIDTH, WIDTH, bias=False)]
    return nn.Sequential(*layers, Block(), conv(WIDTH, 3))


class Autoencoder:
    """Round trips of uint8 [B, S, S, 3]; S must be a multiple of 8."""

    def __init__(self, folder: Path, device: torch.device | None = None):
        self.device = device or torch.device("cpu")
        self.parts = {"encoder": encoder(), "decoder": decoder()}
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            path = folder / f"tiny_flux2_{name}.safetensors"
            digest.update(path.read_bytes())
            state = load_file(path)
            part.load_state_dict({key: tensor.float() for key, tensor in state.items()})
            part.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        form = {"no": "float32"}.get(precision(self.device), precision(self.device))
        computed = f"{device_name(self.device)}, {form}, torch {torch.__version__}"
        self.origin = Origin("taef2", digest.hexdigest(), computed)

    @torch.inference_mode()
    def round_trip(self, images: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """The decoded pictures, uint8; with a generator some of them come from altered latents."""
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        with autocast(self.device):
            latents = self.parts["encoder"](x.to(memory_format=torch.channels_last)).float()
            latents = altered(latents, rng) if rng else latents
            painted = self.parts["decoder"](latents.to(memory_format=torch.channels_last)).float()
        return painted.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def altered(latents: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A fifth with gaussian noise of 2-15% of their deviation, a fifth rounded to 8 bits over their range."""
    out = latents.clone()
    for k, chance in enumerate(rng.uniform(size=len(latents))):
        if chance < 0.2:
            noise = torch.from_numpy(rng.standard_normal(latents[k].shape, np.float32)).to(latents)
            out[k] += float(rng.uniform(0.02, 0.15)) * latents[k].std() * noise
        elif chance < 0.4:
            low, high = latents[k].min(), latents[k].max()
            out[k] = ((latents[k] - low) / (high - low) * 255).round() / 255 * (high - low) + low
    return out
