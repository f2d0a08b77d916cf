"""Agreement of two explanations: the overlap of the heatmap with LIME's superpixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aireal.evidence.record import LimeFeature

from .scores import hottest_pixels


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks of the same shape; 0 where both are empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def lime_map(segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> np.ndarray:
    """float [H, W]: the weight of each pixel's superpixel for the verdict.

    LIME's weights are those of the class fake, so they change sign for the verdict real. A superpixel that is not in
    the list has weight 0.

    Args:
        segments: int [H, W], the numbers of the superpixels.
        label: the verdict, 0 real or 1 fake.
    """
    weights = np.zeros(int(segments.max()) + 1)
    for feature in features:
        weights[feature.superpixel] = feature.weight if label == 1 else -feature.weight
    return weights[segments]


def heatmap_lime_iou(heatmap: np.ndarray, segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> float:
    """IoU of the hottest fifth of the heatmap and the fifth of the pixels that LIME weighs most for the verdict.

    Args:
        heatmap: float [H, W]. The others are as for `lime_map`.

    Returns:
        0 for disjoint fifths to 1 for identical ones.
    """
    return iou(hottest_pixels(heatmap), hottest_pixels(lime_map(segments, features, label)))


def contradicts_peak(
    peak: tuple[float, float], segments: np.ndarray, features: Sequence[LimeFeature], label: int
) -> bool:
    """Whether LIME counts the superpixel under the peak as evidence against the verdict, with its whole 95% interval.

    Args:
        peak: (x, y) as fractions of width and height. The others are as for `lime_map`.
    """
    height, width = segments.shape
    column, row = (min(int(part * side), side - 1) for part, side in zip(peak, (width, height)))
    feature = next((f for f in features if f.superpixel == segments[row, column]), None)
    if feature is None or feature.low is None:
        return False
    return feature.high < 0 if label == 1 else feature.low > 0


def chance_iou(heatmap: np.ndarray, segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> float:
    """The IoU by chance: the mean `heatmap_lime_iou` over all moves of the heatmap's fifth around the edges.

    It lies somewhat above 1/9 (an intersection of 0.04 over a union of 0.36), because connected fifths meet as a whole
    or not at all. Arguments are as for `heatmap_lime_iou`.
    """
    hottest = hottest_pixels(heatmap).astype(float)
    heaviest = hottest_pixels(lime_map(segments, features, label)).astype(float)
    moved = np.fft.irfft2(np.fft.rfft2(hottest) * np.conj(np.fft.rfft2(heaviest)), hottest.shape)
    intersection = moved.round()  # of each move [H, W]: the cross-correlation of both masks
    return float(np.mean(intersection / (hottest.sum() + heaviest.sum() - intersection)))
