"""Synthetic overlays with their evidence: the small PaliGemma is trained on them before any real overlay.

Heatmaps are made like Grad-CAM's (a coarse map, rectified, enlarged, scaled to 0..1) and laid over the background with
the same function as the project's overlays. The evidence is measured by the same code as on real pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from skimage import data

from aireal.core.imagefile import open_named
from aireal.evidence.cues import measure_cues, peak_of, region_of, region_pixels
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord, verdict
from aireal.explain.gradcam import overlay as lay_over

SIZE = 256  # side of the dataset's pictures, at which cues are measured and overlays are made
COARSE = 32  # side of the small heatmaps and backgrounds that the vision tower is trained to predict
CUE_WORDS = (COLOURS, BRIGHTNESS, TEXTURE, EDGES)


def read_photographs(paths: Sequence[Path] | None) -> list[np.ndarray]:
    """Pictures as uint8 [h, w, 3], in order; scikit-image's few sample photographs when `paths` is None.

    Raises:
        ImageError: one of them cannot be read.
    """
    if paths is None:
        return [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    return [np.asarray(open_named(path)) for path in paths]


def background(rng: np.random.Generator, photographs: Sequence[np.ndarray], photo_share: float = 0.75) -> np.ndarray:
    """A random background for a heatmap, uint8 [256, 256, 3]: mostly a photograph's crop, else noise or a gradient."""
    kind = rng.random()
    if photographs and kind < photo_share:
        return _photo_crop(rng, photographs[rng.integers(len(photographs))])
    picture = _noise(rng) if kind < photo_share + 0.6 * (1 - photo_share) else _gradient(rng)
    return np.uint8(255 * np.clip(picture, 0, 1))


def _photo_crop(rng: np.random.Generator, photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.45, 1.0))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    crop = photo[top : top + side, left : left + side]
    crop = cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA if side > SIZE else cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    value = np.float32(crop) / 255
    if rng.random() < 0.7:  # exposure, white balance, saturation
        value = value ** np.exp(rng.normal(0, 0.35)) * rng.uniform(0.85, 1.15, 3).astype(np.float32)
        gray = value.mean(axis=2, keepdims=True)
        value = gray + (value - gray) * rng.uniform(0, 1.6)
    return np.uint8(255 * np.clip(value, 0, 1))


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Noise of several octaves with random fall-off, mean, contrast and amount of colour; float32 [256, 256, 3]."""
    total, decay = np.zeros((SIZE, SIZE, 3), np.float32), rng.uniform(0.35, 1.0)
    for octave, cells in enumerate((2, 4, 8, 16, 32, 64, 128)):
        grid = rng.normal(size=(cells, cells, 1)) + rng.uniform(0, 1) * rng.normal(size=(cells, cells, 3))
        total += decay**octave * cv2.resize(grid.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return rng.uniform(0.1, 0.9, 3).astype(np.float32) + rng.uniform(0.03, 0.25) * total / total.std()


def _gradient(rng: np.random.Generator) -> np.ndarray:
    """A gradient between two or three colours with a little grain, sometimes with blocks; float32 [256, 256, 3]."""
    angle, axis = rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, SIZE, dtype=np.float32)
    along = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    stops = rng.uniform(0, 1, (int(rng.integers(2, 4)), 3))
    place = np.linspace(-1.3, 1.3, len(stops))
    picture = np.stack([np.interp(along, place, stops[:, channel]) for channel in range(3)], axis=2).astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        (x, y), (w, h) = rng.integers(0, SIZE - 20, 2), rng.integers(20, 140, 2)
        picture[y : y + h, x : x + w] = rng.uniform(0, 1, 3)
    return picture + rng.normal(0, rng.uniform(0, 0.06), (SIZE, SIZE, 1)).astype(np.float32)


def heatmap(rng: np.random.Generator, region: str | None = None) -> np.ndarray:
    """A random map like Grad-CAM's, float32 [256, 256] from 0 to 1; with `region`, one with its peak in that region.

    The map is sampled again until the peak fits, so peaks lie anywhere in a region, also near its borders.
    """
    while True:
        side = int(rng.choice((8, 7, 16, int(rng.integers(5, 17))), p=(0.5, 0.1, 0.15, 0.25)))
        coarse = _blobs(rng, side) if rng.random() < 0.6 else _smooth_grid(rng, side)
        coarse = np.maximum(coarse - np.quantile(coarse, rng.uniform(0, 0.6)), 0) ** rng.uniform(0.7, 1.6)
        if coarse.max() <= 0:
            continue
        kind = cv2.INTER_LINEAR if rng.random() < 0.75 else cv2.INTER_CUBIC  # pytorch-grad-cam uses linear
        fine = cv2.resize((coarse / coarse.max()).astype(np.float32), (SIZE, SIZE), interpolation=kind)
        fine = (fine - fine.min()) / (fine.max() - fine.min())
        if region is None or region_of(*peak_of(fine)) == region:
            return fine


def margin(heat: np.ndarray, region: str) -> float:
    """How much hotter the peak is than the hottest point outside its region, as a share of the peak.

    Near 0, two regions are about equally hot.
    """
    outside = heat.copy()
    region_pixels(outside, region)[:] = 0
    return float(1 - outside.max() / heat.max())


def _blobs(rng: np.random.Generator, side: int) -> np.ndarray:
    """One to four Gaussian blobs of different height and width with a little noise, [side, side]."""
    axis, total = (np.arange(side) + 0.5) / side, np.zeros((side, side))
    for index in range(int(rng.integers(1, 5))):
        (x, y), (wide, high) = rng.uniform(0, 1, 2), rng.uniform(0.07, 0.3, 2)
        blob = np.exp(-0.5 * (((axis[None, :] - x) / wide) ** 2 + ((axis[:, None] - y) / high) ** 2))
        total += blob * (1 if index == 0 else rng.uniform(0.1, 0.9))
    return np.maximum(total + rng.normal(0, rng.uniform(0, 0.06), (side, side)), 0)


def _smooth_grid(rng: np.random.Generator, side: int) -> np.ndarray:
    """Smoothed noise, [side, side]: several hot places of similar height, as in maps of uncertain networks."""
    grid = rng.normal(size=(side, side)).astype(np.float32)
    return cv2.GaussianBlur(grid, (0, 0), side * rng.uniform(0.08, 0.2), borderType=cv2.BORDER_REFLECT)


class SyntheticExample(NamedTuple):
    """Overlay and background uint8 [256, 256, 3], heatmap float32 [256, 256] in 0..1, and the record."""

    overlay: np.ndarray
    record: EvidenceRecord
    heat: np.ndarray
    picture: np.ndarray


def draw_example(
    rng: np.random.Generator, photographs: Sequence[np.ndarray], region: str | None = None, photo_share: float = 0.75
) -> SyntheticExample:
    """Sample a background and a heatmap, and make an example of them."""
    picture, heat = background(rng, photographs, photo_share), heatmap(rng, region)
    return make_example(rng, picture, heat)


def make_example(rng: np.random.Generator, picture: np.ndarray, heat: np.ndarray) -> SyntheticExample:
    """An example of a picture and its heatmap: label and probability are random, the rest of the record is measured."""
    peak = peak_of(heat)
    region = region_of(*peak)
    record = random_verdict(rng, region, peak, measure_cues(picture, region))
    return SyntheticExample(lay_over(picture, heat), record, heat, picture)


def random_verdict(rng: np.random.Generator, region: str, peak: tuple[float, float], cues: Cues) -> EvidenceRecord:
    """A record with a random class: about a third of the probabilities are 95% or more, the others 50% or more."""
    certainty = rng.uniform(0.95 if rng.random() < 0.35 else 0.5, 1.0)
    fake = certainty if rng.random() < 0.5 else 1 - certainty
    label, probability = verdict(fake)
    return EvidenceRecord("procedural", label, probability, fake, region, peak, cues)


@dataclass
class OverlayPool:
    """Overlays at the model's size with their ground truth: arrays of equal length, saved in one .npz file."""

    overlays: np.ndarray  # uint8 [n, side, side, 3]
    peaks: np.ndarray  # float32 [n, 2], x and y as fractions
    cues: np.ndarray  # uint8 [n, 4], indices into colour, brightness, texture and edge words
    heats: np.ndarray  # uint8 [n, 32, 32], the coarse heatmap
    pictures: np.ndarray  # uint8 [n, 32, 32, 3], the coarse background
    margins: np.ndarray  # float32 [n], see `margin`

    def __len__(self) -> int:
        return len(self.overlays)

    def record(self, index: int, rng: np.random.Generator, flip: tuple[bool, bool] = (False, False)) -> EvidenceRecord:
        """The evidence of one overlay, mirrored left-right and top-bottom by `flip`, with a new random verdict."""
        peak = self.peak(index, flip)
        words = (options[int(i)] for options, i in zip(CUE_WORDS, self.cues[index]))
        return random_verdict(rng, region_of(*peak), peak, Cues(*words))

    def peak(self, index: int, flip: tuple[bool, bool] = (False, False)) -> tuple[float, float]:
        """The peak as (x, y) fractions, after the flips."""
        x, y = (float(1 - p if mirrored else p) for p, mirrored in zip(self.peaks[index], flip, strict=True))
        return x, y

    def image(self, index: int, flip: tuple[bool, bool] = (False, False)) -> Image.Image:
        pixels = self.overlays[index][:, ::-1] if flip[0] else self.overlays[index]
        return Image.fromarray(np.ascontiguousarray(pixels[::-1] if flip[1] else pixels))


def make_pool(
    count: int, side: int, seed: int, draw_one: Callable[[np.random.Generator, str], SyntheticExample]
) -> OverlayPool:
    """Sample `count` overlays, cycling over the nine regions, and shrink them to side x side (bicubic).

    The image processor shrinks in the same way.

    Args:
        draw_one: samples an example with its peak in the given region, as `draw_example` does.
    """
    rng = np.random.default_rng(seed)
    pool = OverlayPool(
        np.empty((count, side, side, 3), np.uint8),
        np.empty((count, 2), np.float32),
        np.empty((count, 4), np.uint8),
        np.empty((count, COARSE, COARSE), np.uint8),
        np.empty((count, COARSE, COARSE, 3), np.uint8),
        np.empty(count, np.float32),
    )
    for index in range(count):
        example = draw_one(rng, REGIONS[index % len(REGIONS)])
        overlay, cues = Image.fromarray(example.overlay), example.record.cues
        words = (cues.colour, cues.brightness, cues.texture, cues.edges)
        heat = cv2.resize(example.heat, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
        pool.overlays[index] = np.asarray(overlay.resize((side, side), Image.Resampling.BICUBIC))
        pool.peaks[index] = example.record.peak
        pool.cues[index] = [options.index(word) for options, word in zip(CUE_WORDS, words)]
        pool.margins[index] = margin(example.heat, example.record.region)
        pool.heats[index] = np.uint8(255 * heat)
        pool.pictures[index] = cv2.resize(example.picture, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return pool


def save_pool(pool: OverlayPool, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(pool))
    return path


def load_pool(path: Path) -> OverlayPool:
    with np.load(path) as arrays:
        return OverlayPool(**{name: arrays[name] for name in arrays.files})
