"""Superpixels of a picture, and its perturbed versions.

Some superpixels of a version are masked by their mean colour. Versions are classified in batches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage.segmentation import relabel_sequential, slic

LEAST_SIDE = 16  # px; in a smaller picture each of 16 superpixels would have only a few pixels
AREA = 32 * 32  # px of a superpixel
FEWEST, MOST = 16, 100  # superpixels that are requested of SLIC
BATCH, GPU_BATCH = 16, 128  # pictures at a time: the caches of a CPU are small, a GPU needs much work at once


def superpixels(image: np.ndarray) -> np.ndarray:
    """SLIC superpixels (Achanta et al. 2012) of a picture uint8 [H, W, 3]: int [H, W], numbered from 0 without gaps.

    One superpixel is requested for every 32×32 px, at least 16 and at most 100; SLIC makes up to a third fewer. Fine
    texture can make superpixels crumble and merge into a few. The compactness is then raised, up to nearly a grid.

    Raises:
        ValueError: a side of the picture is below 16 px, or the picture is one flat colour.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"LIME was left out: a picture of {width}×{height} px is too small for superpixels, "
            f"give one of at least {LEAST_SIDE} px a side"
        )
    if one_colour(image):
        raise ValueError("LIME was left out: this picture is one flat area, and masking parts of it changes nothing")
    count = int(np.clip(height * width / AREA, FEWEST, MOST))
    for compactness in (10, 40, 160, 640):
        segments = slic(image, n_segments=count, compactness=compactness, sigma=1, start_label=1, channel_axis=-1)
        if len(np.unique(segments)) >= count / 2:
            break
    return relabel_sequential(segments)[0] - 1


def one_colour(image: np.ndarray) -> bool:
    """Whether all pixels of a picture uint8 [H, W, 3] are alike, so that no place in it differs from another."""
    return bool((image == image[0, 0]).all())


def superpixels_or_none(image: np.ndarray) -> np.ndarray | None:
    """`superpixels`, or None for a picture that has none."""
    try:
        return superpixels(image)
    except ValueError:
        return None


def mean_filled(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """The picture with every superpixel in its mean colour, uint8 [H, W, 3].

    Means are rounded down, as the `lime` package does (`hide_color=None`).
    """
    flat = segments.ravel()
    sizes = np.bincount(flat)
    means = np.stack([np.bincount(flat, channel.ravel()) / sizes for channel in np.moveaxis(image, -1, 0)], axis=-1)
    return means.astype(np.uint8)[segments]


def perturb_on_device(
    model_fn: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    mean_filled: torch.Tensor,
    segments: np.ndarray,
    batch: int | None = None,
    layout: torch.memory_format = torch.channels_last,
) -> Callable[[np.ndarray], np.ndarray]:
    """P(fake) of a picture as a function of the superpixels that are kept: bool [N, K] → float64 [N].

    The other superpixels take their mean colour. Pixels are chosen from two pictures that are already normalised. The
    `lime` package composes first and normalises then; the results are the same bit by bit.

    Args:
        model_fn: float [B, 3, H, W] in the memory format `layout` → P(fake) [B] in any precision. The next batch
            overwrites this one.
        image: float [3, H, W], normalised, on the model's device.
        mean_filled: the same picture with every superpixel in its mean colour (`mean_filled`), normalised likewise.
        segments: int [H, W], numbered from 0 without gaps.
        batch: pictures at a time; memory does not depend on N. None: `BATCH`, on a GPU `GPU_BATCH`.
        layout: memory format of the batches.
    """
    batch = batch or (GPU_BATCH if image.device.type == "cuda" else BATCH)
    numbers = torch.as_tensor(segments, dtype=torch.int64, device=image.device).flatten()
    composed = torch.empty((batch, *image.shape), dtype=image.dtype, device=image.device).to(memory_format=layout)

    @torch.inference_mode()
    def predict_kept(masks: np.ndarray) -> np.ndarray:
        probabilities = []
        for rows in torch.from_numpy(np.ascontiguousarray(masks)).split(batch):
            kept = rows.to(image.device).gather(1, numbers.expand(len(rows), -1)).view(len(rows), 1, *image.shape[1:])
            pictures = torch.where(kept, image, mean_filled, out=composed[: len(rows)])
            probabilities.append(model_fn(pictures).to(torch.float64).cpu())
        return torch.cat(probabilities).numpy()

    return predict_kept
