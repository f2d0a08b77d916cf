"""Teach the small model's vision tower to see before it learns to speak, as SigLIP is trained before PaliGemma.

Each image token predicts what lies in its own patch: the heatmap, where its peak is, and the picture under it; all tokens
together name the region and the cues. Sentences alone teach the same, but in the first thousands of steps they do not.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset
from transformers import PaliGemmaForConditionalGeneration, TrainerCallback

from aireal.core.files import write_json
from aireal.evidence.cues import region_of
from aireal.evidence.record import REGIONS
from aireal.paligemma.arguments import base_arguments
from aireal.paligemma.train import run_trainer

from .synthetic import COARSE, CUE_WORDS, OverlayPool

WORDS = (len(REGIONS), *(len(words) for words in CUE_WORDS))


class VisionPretraining(nn.Module):
    """The vision tower with linear heads on its tokens; `forward` returns the loss, `read` what the heads say."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower, self.config = tower, tower.config
        self.grid = tower.config.image_size // tower.config.patch_size
        self.cell = COARSE // self.grid
        self.local = nn.Linear(
            tower.config.hidden_size, 5 * self.cell**2
        )  # peak, heat, and red, green, blue of the background
        self.whole = nn.Linear(tower.config.hidden_size, sum(WORDS))

    @property
    def device(self) -> torch.device:
        return self.tower.device

    @property
    def dtype(self) -> torch.dtype:
        return self.tower.dtype

    def read(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Maps float32 [B, 5, 32, 32] (peak as logits) and the logits of region, colour, brightness, texture, edges."""
        tokens = self.tower(pixel_values=pixel_values).last_hidden_state
        shape = (len(tokens), self.grid, self.grid, self.cell, self.cell, 5)
        maps = self.local(tokens).view(shape).permute(0, 5, 1, 3, 2, 4).reshape(len(tokens), 5, COARSE, COARSE)
        return maps.float(), list(self.whole(tokens).mean(dim=1).float().split(WORDS, dim=1))

    def forward(self, pixel_values, peak, heat, picture, words) -> dict[str, torch.Tensor]:
        maps, logits = self.read(pixel_values)
        named = [F.cross_entropy(found, wanted) for found, wanted in zip(logits, words.T, strict=True)]
        loss = 0.3 * F.cross_entropy(maps[:, 0].flatten(1), peak) + named[0] + 0.25 * sum(named[1:])
        return {"loss": loss + 10 * F.mse_loss(maps[:, 1], heat) + 10 * F.mse_loss(maps[:, 2:], picture)}


class VisionDataset(Dataset):
    """`length` pictures of a pool with their targets, mirrored at random; item i is a function of (seed, i) alone."""

    def __init__(self, pool: OverlayPool, length: int, seed: int):
        self.pool, self.length, self.seed = pool, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, index))
        return seeing_item(self.pool, int(rng.integers(len(self.pool))), (bool(rng.integers(2)), bool(rng.integers(2))))


def seeing_item(pool: OverlayPool, index: int, flip: tuple[bool, bool] = (False, False)) -> dict[str, torch.Tensor]:
    """One picture (normalised as the image processor does) and its targets."""
    turn = (slice(None, None, -1 if flip[1] else 1), slice(None, None, -1 if flip[0] else 1))
    overlay, heat, picture = (
        np.ascontiguousarray(array[index][turn]) for array in (pool.overlays, pool.heats, pool.pictures)
    )
    x, y = pool.peak(index, flip)
    words = [REGIONS.index(region_of(x, y)), *pool.cues[index].tolist()]
    return {
        "pixel_values": torch.from_numpy(overlay).permute(2, 0, 1).float() / 127.5 - 1,
        "peak": torch.tensor(min(int(y * COARSE), COARSE - 1) * COARSE + min(int(x * COARSE), COARSE - 1)),
        "heat": torch.from_numpy(heat).float() / 255,
        "picture": torch.from_numpy(picture).permute(2, 0, 1).float() / 255,
        "words": torch.tensor(words),
    }


def stack(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


@torch.inference_mode()
def accuracy(task: VisionPretraining, pool: OverlayPool, batch: int = 300) -> dict[str, float]:
    """How often the heads name region (also by the peak's place) and cues of a pool rightly."""
    hits = []
    for start in range(0, len(pool), batch):
        items = stack([seeing_item(pool, index) for index in range(start, min(start + batch, len(pool)))])
        maps, logits = task.eval().read(items["pixel_values"])
        place = maps[:, 0].flatten(1).argmax(dim=1)
        cells = torch.tensor(
            [
                REGIONS.index(region_of((p % COARSE + 0.5) / COARSE, (p // COARSE + 0.5) / COARSE))
                for p in place.tolist()
            ]
        )
        found = torch.stack([cells, *(head.argmax(dim=1) for head in logits)], dim=1)
        hits.append(found == torch.cat([items["words"][:, :1], items["words"]], dim=1))
    rates = torch.cat(hits).float().mean(dim=0).tolist()
    names = ("region_of_peak", "region", "colour", "brightness", "texture", "edges")
    return {name: round(rate, 3) for name, rate in zip(names, rates, strict=True)}


def train_vision(
    model: PaliGemmaForConditionalGeneration,
    pool: OverlayPool,
    held_out: OverlayPool,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    out_dir: Path,
    callbacks: list[TrainerCallback] | None = None,
) -> dict:
    """Train the model's vision tower in place and measure it.

    The weights stand in `out_dir`/vision.safetensors with their figures beside them; a later call loads both.
    """
    path = Path(out_dir) / "vision.safetensors"
    torch.manual_seed(seed)
    task = VisionPretraining(model.model.vision_tower)
    if path.exists() and path.with_suffix(".json").exists():
        task.load_state_dict(load_file(path))
        return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    task.train()
    arguments = base_arguments(task, Path(out_dir) / "vision", steps, batch, learning_rate, seed)
    history = run_trainer(task, arguments, VisionDataset(pool, steps * batch, seed), None, stack, callbacks or [])
    save_file(task.state_dict(), path)
    found = {"steps": steps, "seconds": history.seconds, "held_out": accuracy(task, held_out)}
    write_json(path.with_suffix(".json"), found)
    return found
