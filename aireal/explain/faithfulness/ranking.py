"""Pixels in the order of their heat: what every score of a map is made of."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def rank_pixels(heatmap: np.ndarray) -> np.ndarray:
    """Indices int [H * W] of the flattened map [H, W], the hottest first.

    Maps that pass through a ReLU are zero in wide areas. Pixels of equal heat follow by the heat around them (Gaussian, sigma an eighth
    of the side), so that an area grows from its hot places and does not run along the rows of memory; the index decides what is left.
    """
    around = gaussian_filter(np.asarray(heatmap, dtype=np.float64), max(heatmap.shape) / 8)
    return np.lexsort((-around.ravel(), -np.asarray(heatmap, dtype=np.float64).ravel()))


def hottest_pixels(heatmap: np.ndarray, share: float = 0.2) -> np.ndarray:
    """bool [H, W]: exactly that share of the map's pixels (rounded), the hottest ones.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of pixels must lie between 0 and 1, not {share}")
    mask = np.zeros(heatmap.size, dtype=bool)
    mask[rank_pixels(heatmap)[: round(share * heatmap.size)]] = True
    return mask.reshape(heatmap.shape)
