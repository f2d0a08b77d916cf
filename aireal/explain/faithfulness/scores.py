"""Scores of a heatmap: ROAD, and the areas under the insertion and deletion curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter

from .occlusion import NOISE, Predict, blurred, occlude, probability

PERCENTILES = (20, 40, 60, 80)


def rank_pixels(heatmap: np.ndarray) -> np.ndarray:
    """Indices int [H * W] of the flattened map [H, W], the hottest pixel first.

    Maps that pass through a ReLU are zero in wide areas. Pixels of equal heat are ordered by the heat around them
    (Gaussian, sigma an eighth of the side), so that an area grows from its hot places and not along the rows of memory.
    The index decides the remaining ties.
    """
    around = gaussian_filter(np.asarray(heatmap, dtype=np.float64), max(heatmap.shape) / 8)
    return np.lexsort((-around.ravel(), -np.asarray(heatmap, dtype=np.float64).ravel()))


def hottest_pixels(heatmap: np.ndarray, share: float = 0.2) -> np.ndarray:
    """Mask bool [H, W] of the hottest pixels of a map: exactly that share of them, rounded.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of pixels must lie between 0 and 1, not {share}")
    mask = np.zeros(heatmap.size, dtype=bool)
    mask[rank_pixels(heatmap)[: round(share * heatmap.size)]] = True
    return mask.reshape(heatmap.shape)


def road(
    predict: Predict,
    images: torch.Tensor,
    maps: np.ndarray,
    labels: Sequence[int],
    percentiles: Sequence[int] = PERCENTILES,
    seed: int = 0,
    noise: float = NOISE,
) -> np.ndarray:
    """ROAD combined (Rong et al. 2022; ROADCombined of pytorch-grad-cam), float [B].

    Higher is better, and 0 is a map without information. The score is half the difference between P(label) after the
    least relevant pixels are removed and P(label) after the most relevant ones are, averaged over the percentiles. At
    the p-th percentile all pixels from the p-th percentile of the map (or of its reverse) upwards are removed.
    P(label) of the whole picture cancels.

    `rank_pixels` orders equally hot pixels, so that each map loses the same number of pixels. The library removes all
    of them, which is the whole picture for a map that is zero in a fifth of it.

    Args:
        predict: P(fake) of normalised pictures.
        images: float [B, 3, S, S], normalised.
        maps: float [B, S, S].
        labels: [B], the verdicts that the maps explain.
        seed, noise: of the imputation, the same for all maps.
    """
    orders = [rank_pixels(heat) for heat in maps]
    totals = np.zeros((2, len(images)))
    for percentile in percentiles:
        removed = maps[0].size - int(np.ceil((maps[0].size - 1) * percentile / 100))
        for total, pick in zip(totals, (slice(-removed, None), slice(removed))):  # least, then most relevant
            masks = np.stack([_mask(order[pick], heat.shape) for order, heat in zip(orders, maps)])
            changed = occlude(images, torch.from_numpy(masks).to(images.device), "noisy_linear", seed, noise)
            total += probability(predict, changed, labels)
    least, most = totals / len(percentiles)
    return (least - most) / 2


def curve_ends(predict: Predict, images: torch.Tensor, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """P(label) float [B] of the whole pictures, and of the blurred ones.

    They are the ends of the insertion and the deletion curve, the same for all maps.
    """
    return probability(predict, images, labels), probability(predict, blurred(images), labels)


def insertion_deletion(
    predict: Predict,
    images: torch.Tensor,
    maps: np.ndarray,
    labels: Sequence[int],
    steps: int = 8,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the insertion and the deletion curve of P(label) (RISE, Petsiuk et al. 2018), float [B] each.

    Insertion starts from the blurred picture (`occlusion.blurred`) and reveals the hottest pixels first: higher is
    better. Deletion blurs the hottest pixels first: lower is better. Areas are computed by the trapezoidal rule.

    Args:
        steps: equal shares of the pixels.
        ends: the result of `curve_ends`, if it is already computed. The other arguments are as for `road`.
    """
    whole, removed = ends or curve_ends(predict, images, labels)
    insertion, deletion = np.empty((steps + 1, len(images))), np.empty((steps + 1, len(images)))
    insertion[0], insertion[-1], deletion[0], deletion[-1] = removed, whole, whole, removed
    orders, background = [rank_pixels(heat) for heat in maps], blurred(images)
    for step in range(1, steps):
        count = round(step / steps * maps[0].size)
        hottest = np.stack([_mask(order[:count], heat.shape) for order, heat in zip(orders, maps)])
        masks = torch.from_numpy(hottest)[:, None].to(images.device)
        insertion[step] = probability(predict, torch.where(masks, images, background), labels)
        deletion[step] = probability(predict, torch.where(masks, background, images), labels)
    return trapezoid(insertion, axis=0) / steps, trapezoid(deletion, axis=0) / steps


def _mask(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mask bool of this shape that is True at the flat indices `pixels`."""
    mask = np.zeros(shape[0] * shape[1], dtype=bool)
    mask[pixels] = True
    return mask.reshape(shape)
