"""Superpixels that suit a picture's size, and the picture with each of them in its own mean colour."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import relabel_sequential, slic

LEAST_SIDE = 16  # px; below, sixteen superpixels would be a few pixels each
AREA = 32 * 32  # px of a superpixel
FEWEST, MOST = 16, 100  # asked for


def superpixels(image: np.ndarray) -> np.ndarray:
    """int [H, W], numbered from 0 without gaps: SLIC superpixels (Achanta et al. 2012) of uint8 [H, W, 3].

    One for every 32×32 px is asked for, but 16 to 100 of them; SLIC makes up to a third fewer. Where fine texture would make them crumble and merge
    into a few, they are made more compact, up to a near grid.

    Raises:
        ValueError: the picture is smaller than 16 px a side, or one flat colour.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"LIME was left out: a picture of {width}×{height} px is too small for superpixels, give one of at least {LEAST_SIDE} px a side"
        )
    if (image == image[0, 0]).all():
        raise ValueError("LIME was left out: this picture is one flat area, and hiding parts of it changes nothing")
    wanted = int(np.clip(height * width / AREA, FEWEST, MOST))
    for compactness in (10, 40, 160, 640):
        segments = slic(image, n_segments=wanted, compactness=compactness, sigma=1, start_label=1, channel_axis=-1)
        if len(np.unique(segments)) >= wanted / 2:
            break
    return relabel_sequential(segments)[0] - 1


def mean_filled(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: every superpixel in its mean colour, rounded down as the `lime` package does (`hide_color=None`)."""
    flat = segments.ravel()
    sizes = np.bincount(flat)
    means = np.stack([np.bincount(flat, channel.ravel()) / sizes for channel in np.moveaxis(image, -1, 0)], axis=-1)
    return means.astype(np.uint8)[segments]
