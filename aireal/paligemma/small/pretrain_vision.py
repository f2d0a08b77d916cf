"""Pretrain the small model's vision tower before the language model, as SigLIP is trained before PaliGemma.

Each image token predicts its own patch: the heatmap, whether the peak lies there, and the picture under the colours.
The mean of all tokens predicts the region and the cues. Sentences alone teach the same, but not in the first thousands
of steps.
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
from aireal.paligemma.train import run_trainer
from aireal.paligemma.training_arguments import base_arguments

from .synthetic import COARSE, CUE_WORDS, OverlayPool

HEAD_SIZES = (len(REGIONS), *(len(words) for words in CUE_WORDS))


class VisionPretraining(nn.Module):
    """The vision tower with linear heads on its tokens; `forward` returns the loss, `predict` the heads' outputs."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower, self.config = tower, tower.config
        self.grid = tower.config.image_size // tower.config.patch_size
        self.patch = COARSE // self.grid  # side of a patch in the coarse maps
        # five channels per patch: peak, heat, and red, green, blue of the background
        self.local = nn.Linear(tower.config.hidden_size, 5 * self.patch**2)
        self.whole = nn.Linear(tower.config.hidden_size, sum(HEAD_SIZES))

    @property
    def device(self) -> torch.device:
        return self.tower.device

    @property
    def dtype(self) -> torch.dtype:
        return self.tower.dtype

    def predict(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Maps float32 [B, 5, 32, 32] (peak as logits) and the logits of region, colour, brightness, texture, edges."""
        tokens = self.tower(pixel_values=pixel_values).last_hidden_state
        shape = (len(tokens), self.grid, self.grid, self.patch, self.patch, 5)
        maps = self.local(tokens).view(shape).permute(0, 5, 1, 3, 2, 4).reshape(len(tokens), 5, COARSE, COARSE)
        return maps.float(), list(self.whole(tokens).mean(dim=1).float().split(HEAD_SIZES, dim=1))

    def forward(self, pixel_values, peak, heat, picture, words) -> dict[str, torch.Tensor]:
        maps, logits = self.predict(pixel_values)
        losses = [F.cross_entropy(head, target) for head, target in zip(logits, words.T, strict=True)]
        loss = 0.3 * F.cross_entropy(maps[:, 0].flatten(1), peak) + losses[0] + 0.25 * sum(losses[1:])
        return {"loss": loss + 10 * F.mse_loss(maps[:, 1], heat) + 10 * F.mse_loss(maps[:, 2:], picture)}


class VisionDataset(Dataset):
    """`length` pictures of a pool with their targets, mirrored at random; item i depends on (seed, i) alone."""

    def __init__(self, pool: OverlayPool, length: int, seed: int):
        self.pool, self.length, self.seed = pool, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, index))
        return vision_item(self.pool, int(rng.integers(len(self.pool))), (bool(rng.integers(2)), bool(rng.integers(2))))


def vision_item(pool: OverlayPool, index: int, flip: tuple[bool, bool] = (False, False)) -> dict[str, torch.Tensor]:
    """One picture (normalised as by the image processor) and its targets."""
    mirror = (slice(None, None, -1 if flip[1] else 1), slice(None, None, -1 if flip[0] else 1))
    overlay, heat, picture = (
        np.ascontiguousarray(array[index][mirror]) for array in (pool.overlays, pool.heats, pool.pictures)
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
    """Items to a batch."""
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


@torch.inference_mode()
def accuracy(task: VisionPretraining, pool: OverlayPool, batch: int = 300) -> dict[str, float]:
    """Accuracy of the heads on a pool: the region (also from the predicted peak) and the cues."""
    hits = []
    for start in range(0, len(pool), batch):
        items = stack([vision_item(pool, index) for index in range(start, min(start + batch, len(pool)))])
        maps, logits = task.eval().predict(items["pixel_values"])
        peaks = [divmod(peak, COARSE) for peak in maps[:, 0].flatten(1).argmax(dim=1).tolist()]
        regions = [REGIONS.index(region_of((x + 0.5) / COARSE, (y + 0.5) / COARSE)) for y, x in peaks]
        predicted = torch.stack([torch.tensor(regions), *(head.argmax(dim=1) for head in logits)], dim=1)
        hits.append(predicted == torch.cat([items["words"][:, :1], items["words"]], dim=1))
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
    """Train the model's vision tower in place and evaluate it.

    The weights are saved as `out_dir`/vision.safetensors, metrics as vision.json beside it. A later call loads both.
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
    metrics = {"steps": steps, "seconds": history.seconds, "held_out": accuracy(task, held_out)}
    write_json(path.with_suffix(".json"), metrics)
    return metrics
