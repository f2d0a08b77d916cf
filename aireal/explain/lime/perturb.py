"""Superpixels of a picture, and its perturbed versions: some superpixels masked by their mean colour, classified in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
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


def superpixels_or_none(image: np.ndarray) -> np.ndarray | None:
    """`superpixels`, or None for a picture that has none."""
    try:
        return superpixels(image)
    except ValueError:
        return None


def mean_filled(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: every superpixel in its mean colour, rounded down as the `lime` package does (`hide_color=None`)."""
    flat = segments.ravel()
    sizes = np.bincount(flat)
    means = np.stack([np.bincount(flat, channel.ravel()) / sizes for channel in np.moveaxis(image, -1, 0)], axis=-1)
    return means.astype(np.uint8)[segments]


BATCH = 16  # pictures at a time: a CPU's caches are small


def perturb_on_device(
    model_fn: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    mean_filled: torch.Tensor,
    segments: np.ndarray,
    batch: int = BATCH,
    layout: torch.memory_format = torch.channels_last,
) -> Callable[[np.ndarray], np.ndarray]:
    """P(fake) of a picture whose superpixels are hidden behind `mean_filled`, as a function of which are kept: bool [N, K] → float64 [N].

    Pictures are chosen from the two normalised ones, which differs from the `lime` package's order (compose, then normalise) in no bit.

    Args:
        model_fn: float [B, 3, H, W] in the memory format `layout` → P(fake) [B], in whatever precision it likes. The batch is overwritten by the next one.
        image: float [3, H, W], normalised, on the model's device.
        mean_filled: the same picture with every superpixel in its mean colour (`superpixels.mean_filled`), normalised likewise.
        segments: int [H, W], numbered from 0 without gaps.
        batch: pictures at a time; memory does not depend on N.
    """
    numbers = torch.as_tensor(segments, dtype=torch.int64, device=image.device).flatten()
    composed = torch.empty((batch, *image.shape), dtype=image.dtype, device=image.device).to(memory_format=layout)

    @torch.inference_mode()
    def fake(kept: np.ndarray) -> np.ndarray:
        found = []
        for rows in torch.from_numpy(np.ascontiguousarray(kept)).split(batch):
            shown = rows.to(image.device).gather(1, numbers.expand(len(rows), -1)).view(len(rows), 1, *image.shape[1:])
            pictures = torch.where(shown, image, mean_filled, out=composed[: len(rows)])
            found.append(model_fn(pictures).to(torch.float64).cpu())
        return torch.cat(found).numpy()

    return fake
