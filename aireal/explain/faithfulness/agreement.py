"""Do two explanations point to the same places? The heatmap against LIME's superpixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aireal.evidence.record import LimeFeature

from .occlusion import random_like
from .scores import hottest_pixels


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks of the same shape; 0 where both are empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def lime_map(segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> np.ndarray:
    """float [H, W]: the weight of each pixel's superpixel towards the verdict. Weights are those of class fake, so they change sign for the
    verdict real; a superpixel that is not in the list weighs nothing.

    Args:
        segments: int [H, W], the numbers of the superpixels; label: the verdict, 0 real or 1 fake.
    """
    weights = np.zeros(int(segments.max()) + 1)
    for feature in features:
        weights[feature.superpixel] = feature.weight if label == 1 else -feature.weight
    return weights[segments]


def heatmap_lime_iou(heatmap: np.ndarray, segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> float:
    """IoU of the hottest fifth of the heatmap float [H, W] and the fifth that LIME weighs most for the verdict; 0 apart, 1 the same."""
    return iou(hottest_pixels(heatmap), hottest_pixels(lime_map(segments, features, label)))


def chance_iou(
    heatmap: np.ndarray, segments: np.ndarray, features: Sequence[LimeFeature], label: int, seed: int, draws: int = 64
) -> float:
    """The mean `heatmap_lime_iou` after the heatmap's fifth was moved elsewhere at random (`drop.random_like`): what two maps of this kind have in
    common by chance. It lies somewhat above 1/9 (0.04 in common of 0.36 together),
    because fifths that hang together meet as a whole or not at all."""
    rng = np.random.default_rng(seed)
    heat, weighed = hottest_pixels(heatmap), hottest_pixels(lime_map(segments, features, label))
    return float(np.mean([iou(random_like(heat, rng), weighed) for _ in range(draws)]))
