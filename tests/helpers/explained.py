"""A synthetic explanation of a picture, with known numbers that figures and pages are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from aireal.captions.language.grammar import render
from aireal.evidence import record as evidence
from aireal.evidence.cues import make_record
from aireal.evidence.record import LimeFeature
from aireal.explain.lime import LimeResult, superpixels
from aireal.figures import panel


def lime_result(pixels: np.ndarray, r2: float = 0.62, settled: bool = True) -> LimeResult:
    """A result with known numbers on the picture's real superpixels; the strongest are far from each other in the
    numbering."""
    segments = superpixels(pixels)
    weights = np.random.default_rng(3).normal(0, 0.05, segments.max() + 1)
    features = tuple(
        LimeFeature(int(k), float(weights[k]), float(weights[k]) - 0.02, float(weights[k]) + 0.025)
        for k in np.argsort(-np.abs(weights))
    )
    return LimeResult(segments, features, r2, 0.8, 384, settled, 0.9)


def heatmap(side: int, x: float = 0.8, y: float = 0.2) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.04).astype(np.float32)


@dataclass(frozen=True)
class ExplainedPicture:
    pixels: np.ndarray
    heat: np.ndarray
    record: evidence.EvidenceRecord
    sentences: dict[str, str]
    lime: LimeResult | None

    def panel(self) -> Figure:
        return panel.panel(self.pixels, self.heat, self.record, self.sentences, self.lime)


def explained_picture(
    picture: Image.Image,
    side: int = 256,
    with_lime: bool = True,
    r2: float = 0.62,
    settled: bool = True,
    variant: int = 5,
    **more,
) -> ExplainedPicture:
    pixels = np.asarray(picture.resize((side, side)))
    lime = lime_result(pixels, r2, settled) if with_lime else None
    if lime:
        more |= {"lime": lime.top, "lime_r2": lime.r2, "lime_samples": lime.samples, "lime_settled": lime.settled}
    record = make_record("secret_name.jpg", pixels, 0.9867, heatmap(side), **more)
    sentences = {
        language: f"{render(record, language, variant)} {mark}"
        for language, mark in (("ko", "[기본 설명]"), ("en", "[base caption]"))
    }
    return ExplainedPicture(pixels, heatmap(side), record, sentences, lime)
