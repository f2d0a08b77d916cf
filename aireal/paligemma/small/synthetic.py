"""Overlays made by procedure, with their evidence: what the small PaliGemma learns from before it sees a real one.

Heatmaps are built as Grad-CAM builds them (a coarse map, rectified, enlarged, scaled to 0..1) and laid over the background
with the same function as the project's overlays; the evidence is measured by the same code as on real pictures.
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

from aireal.core.imagefile import open_rgb
from aireal.evidence.cues import measure_cues, peak_of, region_of, region_pixels
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord, verdict
from aireal.explain.gradcam import overlay as lay_over

SIZE = 256  # side of a picture of the dataset, at which cues are measured and overlays are drawn
COARSE = 32  # side of the small heatmaps and backgrounds that the vision tower is taught with
CUE_WORDS = (COLOURS, BRIGHTNESS, TEXTURE, EDGES)


def read_photographs(paths: Sequence[Path] | None) -> list[np.ndarray]:
    """Pictures as uint8 [h, w, 3], in order; scikit-image's few sample photographs when `paths` is None.

    Raises:
        ImageError: one of them cannot be read.
    """
    if paths is None:
        return [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    return [np.asarray(open_rgb(path)) for path in paths]


def background(rng: np.random.Generator, photographs: Sequence[np.ndarray], photo_share: float = 0.75) -> np.ndarray:
    """A picture to lie behind a heatmap, uint8 [256, 256, 3]: mostly a varied crop of a photograph, else noise or a gradient."""
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
    total, fall = np.zeros((SIZE, SIZE, 3), np.float32), rng.uniform(0.35, 1.0)
    for octave, cells in enumerate((2, 4, 8, 16, 32, 64, 128)):
        grid = rng.normal(size=(cells, cells, 1)) + rng.uniform(0, 1) * rng.normal(size=(cells, cells, 3))
        total += fall**octave * cv2.resize(grid.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return rng.uniform(0.1, 0.9, 3).astype(np.float32) + rng.uniform(0.03, 0.25) * total / total.std()


def _gradient(rng: np.random.Generator) -> np.ndarray:
    """A gradient between two or three colours with a little grain, sometimes with blocks on it; float32 [256, 256, 3]."""
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
    """A map such as Grad-CAM makes, float32 [256, 256] from 0 to 1; with `region`, one whose peak lies in that cell.

    Drawn again until the peak fits, so within a cell peaks lie as chance puts them, near borders too.
    """
    while True:
        side = int(rng.choice((8, 7, 16, int(rng.integers(5, 17))), p=(0.5, 0.1, 0.15, 0.25)))
        coarse = _blobs(rng, side) if rng.random() < 0.6 else _smooth_grid(rng, side)
        coarse = np.maximum(coarse - np.quantile(coarse, rng.uniform(0, 0.6)), 0) ** rng.uniform(0.7, 1.6)
        if coarse.max() <= 0:
            continue
        kind = cv2.INTER_LINEAR if rng.random() < 0.75 else cv2.INTER_CUBIC  # linear is what pytorch-grad-cam uses
        fine = cv2.resize((coarse / coarse.max()).astype(np.float32), (SIZE, SIZE), interpolation=kind)
        fine = (fine - fine.min()) / (fine.max() - fine.min())
        if region is None or region_of(*peak_of(fine)) == region:
            return fine


def margin(heat: np.ndarray, region: str) -> float:
    """How much hotter the peak is than the hottest point outside its cell, as a share of it: near 0 the region is a matter of luck."""
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
    """Smoothed noise, [side, side]: several hot places of similar height, as unsure networks give."""
    grid = rng.normal(size=(side, side)).astype(np.float32)
    return cv2.GaussianBlur(grid, (0, 0), side * rng.uniform(0.08, 0.2), borderType=cv2.BORDER_REFLECT)


class SyntheticExample(NamedTuple):
    """One procedural example: overlay and background uint8 [256, 256, 3], heatmap float32 [256, 256] in 0..1, and its record."""

    overlay: np.ndarray
    record: EvidenceRecord
    heat: np.ndarray
    picture: np.ndarray


def draw_example(
    rng: np.random.Generator, photographs: Sequence[np.ndarray], region: str | None = None, photo_share: float = 0.75
) -> SyntheticExample:
    """Draw one example; its label and probability are random, the rest of its record is measured."""
    picture, heat = background(rng, photographs, photo_share), heatmap(rng, region)
    peak = peak_of(heat)
    found = region_of(*peak)
    return SyntheticExample(
        lay_over(picture, heat), random_verdict(rng, found, peak, measure_cues(picture, found)), heat, picture
    )


def random_verdict(rng: np.random.Generator, region: str, peak: tuple[float, float], cues: Cues) -> EvidenceRecord:
    """A record with a random class: a third of the probabilities near certainty, the others anywhere from 50% on."""
    sure = rng.uniform(0.95 if rng.random() < 0.35 else 0.5, 1.0)
    fake = sure if rng.random() < 0.5 else 1 - sure
    label, probability = verdict(fake)
    return EvidenceRecord("procedural", label, probability, fake, region, peak, cues)


@dataclass
class OverlayPool:
    """Overlays at the model's size with what is true of each: arrays of equal length, kept in one .npz file."""

    overlays: np.ndarray  # uint8 [n, side, side, 3]
    peaks: np.ndarray  # float32 [n, 2], x and y as fractions
    cues: np.ndarray  # uint8 [n, 4], indices into colour, brightness, texture and edge words
    heats: np.ndarray  # uint8 [n, 32, 32], the heatmap small
    pictures: np.ndarray  # uint8 [n, 32, 32, 3], the background small
    margins: np.ndarray  # float32 [n], see `margin`

    def __len__(self) -> int:
        return len(self.overlays)

    def record(self, index: int, rng: np.random.Generator, flip: tuple[bool, bool] = (False, False)) -> EvidenceRecord:
        """The evidence of one overlay, mirrored left-right and top-bottom as asked, with a fresh random verdict."""
        peak = self.peak(index, flip)
        words = (options[int(i)] for options, i in zip(CUE_WORDS, self.cues[index]))
        return random_verdict(rng, region_of(*peak), peak, Cues(*words))

    def peak(self, index: int, flip: tuple[bool, bool] = (False, False)) -> tuple[float, float]:
        """Place of the peak as (x, y) fractions, after the flips."""
        x, y = (float(1 - p if mirrored else p) for p, mirrored in zip(self.peaks[index], flip, strict=True))
        return x, y

    def image(self, index: int, flip: tuple[bool, bool] = (False, False)) -> Image.Image:
        pixels = self.overlays[index][:, ::-1] if flip[0] else self.overlays[index]
        return Image.fromarray(np.ascontiguousarray(pixels[::-1] if flip[1] else pixels))


def make_pool(
    count: int, side: int, seed: int, draw_one: Callable[[np.random.Generator, str], SyntheticExample]
) -> OverlayPool:
    """Draw `count` overlays, the nine regions in turn, and shrink them to side x side as the image processor does (bicubic).

    `draw_one` makes an example whose peak lies in a region, as `draw_example` does.
    """
    rng = np.random.default_rng(seed)
    found = OverlayPool(
        np.empty((count, side, side, 3), np.uint8),
        np.empty((count, 2), np.float32),
        np.empty((count, 4), np.uint8),
        np.empty((count, COARSE, COARSE), np.uint8),
        np.empty((count, COARSE, COARSE, 3), np.uint8),
        np.empty(count, np.float32),
    )
    for index in range(count):
        drawn = draw_one(rng, REGIONS[index % len(REGIONS)])
        found.overlays[index] = np.asarray(
            Image.fromarray(drawn.overlay).resize((side, side), Image.Resampling.BICUBIC)
        )
        found.peaks[index] = drawn.record.peak
        cues = drawn.record.cues
        words = (cues.colour, cues.brightness, cues.texture, cues.edges)
        found.cues[index] = [options.index(word) for options, word in zip(CUE_WORDS, words)]
        found.margins[index] = margin(drawn.heat, drawn.record.region)
        found.heats[index] = np.uint8(255 * cv2.resize(drawn.heat, (COARSE, COARSE), interpolation=cv2.INTER_AREA))
        found.pictures[index] = cv2.resize(drawn.picture, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return found


def save_pool(pool: OverlayPool, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(pool))
    return path


def load_pool(path: Path) -> OverlayPool:
    with np.load(path) as arrays:
        return OverlayPool(**{name: arrays[name] for name in arrays.files})
