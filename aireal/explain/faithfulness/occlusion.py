"""What hiding one area does to the verdict, against areas of the same size and shape elsewhere."""

from __future__ import annotations

import numpy as np
import torch

from aireal.evidence.cues import region_pixels
from aireal.evidence.record import Occlusion

from .fillings import WAYS, occlude
from .scores import Predict, probability


def region_mask(region: str, size: int) -> np.ndarray:
    """bool [size, size]: the pixels of a cell of the 3×3 grid (`evidence.REGIONS`)."""
    mask = np.zeros((size, size), dtype=bool)
    region_pixels(mask, region)[...] = True
    return mask


def random_like(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask bool [S, S] somewhere else: mirrored at random, then shifted around the edges by at least a quarter of the side in one
    direction. Its area and outline stay, apart from a cut where it leaves at one edge and comes in at the other."""
    for axis in (0, 1):
        mask = np.flip(mask, axis) if rng.integers(2) else mask
    side = len(mask)
    while True:
        shift = rng.integers(side, size=2)
        if np.minimum(shift, side - shift).max() >= side / 4:
            return np.roll(mask, tuple(shift), (0, 1))


def occlusion_test(
    predict: Predict, image: torch.Tensor, mask: np.ndarray, label: int, seed: int, controls: int = 16
) -> Occlusion:
    """The fall of P(label) when the mask is hidden, the mean over blur, mean colour and noisy linear imputation.

    Args:
        predict: P(fake) of normalised pictures; image: float [3, S, S]; mask: bool [S, S]; label: the verdict, 0 real or 1 fake.
        controls: random areas of the same size and shape (`random_like`), from `seed`.

    Raises:
        ValueError: the mask hides nothing, or everything: there is no other area to compare with.
    """
    if not mask.any() or mask.all():
        raise ValueError("the area to hide is empty or the whole picture: there is no other area to compare it with")
    rng = np.random.default_rng(seed)
    masks = torch.from_numpy(np.stack([mask, *(random_like(mask, rng) for _ in range(controls))])).to(image.device)
    whole = probability(predict, image[None], [label])
    drops = np.mean(
        [whole - probability(predict, occlude(image[None], masks, how, seed), [label] * len(masks)) for how in WAYS],
        axis=0,
    )
    low, high = np.percentile(drops[1:], [2.5, 97.5])
    return Occlusion(
        float(drops[0]), float(drops[1:].mean()), float(low), float(high), float((drops[1:] < drops[0]).mean())
    )
