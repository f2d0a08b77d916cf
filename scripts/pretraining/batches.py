"""Batches of views and aligned pairs from the cache. The batch of a step follows from seed, step and the shards that
were there at the start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

from scripts.pretraining.teacher import GRID
from scripts.pretraining.verdicts import about_pictures, verdicts
from scripts.pretraining.views import PAIR, encoded, shards

VIEW_POOLS = ("views", "package_views")


@dataclass
class Batch:
    """views float32 [V, 3, S, S] and pairs [2P, 3, T, T] (photograph, its round trip, the next photograph, …), both
    in -1..1; embed [V, 512], tokens [V, 128, 7, 7] and verdict [V, 2], standardised."""

    views: torch.Tensor
    embed: torch.Tensor
    tokens: torch.Tensor
    verdict: torch.Tensor
    pairs: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(t.to(device) for t in (self.views, self.embed, self.tokens, self.verdict, self.pairs)))


def resized(x: torch.Tensor, size: int) -> torch.Tensor:
    """float [B, 3, H, W] in 0..1 → [B, 3, size, size]."""
    if x.shape[-1] == size:
        return x
    return F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 1)


def jitter(x: torch.Tensor, generator: torch.Generator, repeat: int = 1) -> torch.Tensor:
    """-1..1 pictures with contrast and brightness varied by a fifth, `repeat` neighbours alike."""
    gain, shift = 0.4 * torch.rand(2, len(x) // repeat, 1, 1, 1, generator=generator) - 0.2
    return (x * (1 + gain.repeat_interleave(repeat, 0)) + shift.repeat_interleave(repeat, 0)).clamp_(-1, 1)


class Batches:
    def __init__(self, work: Path, settings, device: torch.device):
        self.settings, self.device = settings, device
        pools = [shards(work / name, ("images", "embed", "tokens")) for name in VIEW_POOLS]
        self.views, self.pairs = pools[0] + pools[1], shards(work / "pairs", ("images",))
        self.ends = {
            name: np.cumsum([len(s["images"]) for s in part])
            for name, part in (("views", self.views), ("pairs", self.pairs))
        }
        self.view_count, self.pair_count = (int(ends[-1]) if len(ends) else 0 for ends in self.ends.values())
        if not self.view_count or not self.pair_count:
            raise SystemExit(f"{work} has no complete shards of views and pairs yet: run `views` first")
        about = self.about_views(work)
        near = np.array([group != "" for _, group in about])
        self.shared, self.near = np.flatnonzero(~near), np.flatnonzero(near)
        self.verdict = verdicts(load_file(work / "sample.safetensors")["embed"], self.embeddings(), about)
        first = self.views[0]
        self.scale = {name: statistics(first[name], axes) for name, axes in (("embed", 0), ("tokens", (0, 1)))}

    def embeddings(self) -> np.ndarray:
        """The teacher's embedding of all views, float16 [N, 512]."""
        return np.concatenate([shard["embed"] for shard in self.views])

    def about_views(self, work: Path) -> list[tuple[str, str]]:
        """What `about_pictures` says of the picture of each view."""
        files = [file for name in VIEW_POOLS for file in sorted((work / name).glob("*.json"))]
        paths = [path for file in files for path in json.loads(file.read_text())["pictures"]]
        if len(paths) != self.view_count:
            raise SystemExit(f"shards are being written to {work}: start again when `views` has ended")
        return about_pictures(work, paths)

    def rows(self, kind: str, index: np.ndarray, name: str) -> np.ndarray:
        """Rows of an array, wherever their shards are."""
        part = getattr(self, kind)
        which = np.searchsorted(self.ends[kind], index, side="right")
        starts = np.concatenate([[0], self.ends[kind]])
        return np.stack([part[w][name][i - starts[w]] for w, i in zip(which, index)])

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 11, step])
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        size = int(rng.choice(settings.size))
        pairs = round(settings.batch * settings.pair_share / 2)
        views, *taught = self.some_views(settings.batch - 2 * pairs, size, rng, generator)
        return Batch(views, *taught, self.some_pairs(pairs, min(size, PAIR), rng, generator)).to(self.device)

    def draw(self, count: int, rng) -> np.ndarray:
        """Numbers of views, of which `sample_share` show the sample's training pictures or packages, if there are any.
        A larger share makes the student remember them, and its features of them no longer stand for those of others."""
        near = round(count * self.settings.sample_share) if len(self.near) else 0
        return np.concatenate([rng.choice(self.shared, count - near), rng.choice(self.near, near)])

    def standard(self, name: str, index: np.ndarray) -> torch.Tensor:
        mean, std = self.scale[name]
        return torch.from_numpy((self.rows("views", index, name).astype(np.float32) - mean) / std)

    def some_views(self, count: int, size: int, rng, generator) -> tuple[torch.Tensor, ...]:
        """Views as the student sees them: mirrored (tokens, too), brightness and contrast varied, some blurred, noisy
        or a JPEG again; the teacher saw them without all that."""
        index = self.draw(count, rng)
        images = self.rows("views", index, "images")
        for k in np.flatnonzero(rng.uniform(size=count) < 0.15):
            images[k] = encoded(images[k], {"format": "JPEG", "quality": int(rng.integers(40, 96))})
        flips = torch.from_numpy(rng.uniform(size=count) < 0.5)[:, None, None, None]
        x = torch.from_numpy(images).permute(0, 3, 1, 2)
        x = resized(torch.where(flips, x.flip(-1), x).float().div_(255), size).sub_(0.5).div_(0.5)
        x = jitter(x, generator)
        if rng.uniform() < 0.25:
            x = F.interpolate(F.avg_pool2d(x, 2), size=(size, size), mode="bilinear")
        if rng.uniform() < 0.25:
            x = (x + 0.06 * torch.randn(x.shape, generator=generator)).clamp_(-1, 1)
        tokens = self.standard("tokens", index).transpose(1, 2).unflatten(2, (GRID, GRID))
        tokens = torch.where(flips, tokens.flip(-1), tokens)
        return x, self.standard("embed", index), tokens, torch.from_numpy(self.verdict[index])

    def some_pairs(self, count: int, size: int, rng, generator) -> torch.Tensor:
        """Pairs at their own resolution: a random piece, mirrored and varied alike; one in ten a JPEG again, alike."""
        images = self.rows("pairs", rng.integers(0, self.pair_count, count), "images")
        cut = np.empty((count, 2, size, size, 3), np.uint8)
        for k, pair in enumerate(images):
            top, left = rng.integers(0, PAIR - size + 1, 2)
            piece = pair[:, top : top + size, left : left + size]
            piece = piece[:, :, ::-1] if rng.uniform() < 0.5 else piece
            if rng.uniform() < 0.1:
                options = {"format": "JPEG", "quality": int(rng.integers(60, 96))}
                piece = np.stack([encoded(np.ascontiguousarray(p), options) for p in piece])
            cut[k] = piece
        x = torch.from_numpy(cut).flatten(0, 1).permute(0, 3, 1, 2).float().div_(255).sub_(0.5).div_(0.5)
        return jitter(x, generator, repeat=2)


def statistics(array: np.ndarray, axes: int | tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of a shard's array over `axes`, float32."""
    known = np.asarray(array, np.float32)
    return known.mean(axes), np.maximum(known.std(axes), 1e-4)
