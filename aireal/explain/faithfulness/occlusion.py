"""Occlusion tests: how far does P(verdict) fall when an area is hidden, against areas of the same size and shape elsewhere?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from aireal.evidence.cues import region_pixels
from aireal.evidence.record import Occlusion

from .imputation import TOLERANCE, impute

Predict = Callable[[torch.Tensor], "np.ndarray | torch.Tensor"]  # float [N, 3, S, S] → P(fake) float [N]
BATCH = 32
WAYS = ("blur", "mean", "noisy_linear")  # a fall that all of them cause is not the doing of one filling
BLUR = 1 / 16  # of the side: the sigma that hides texture and objects, and leaves the lights and shades of the scene
NOISE = 0.01  # standard deviation of ROAD's noise, as pytorch-grad-cam has it


def blurred(images: torch.Tensor) -> torch.Tensor:
    """Pictures float [B, 3, S, S] under a Gaussian of a sixteenth of the side, mirrored at the edges."""
    sigma = BLUR * images.shape[-1]
    return torch.from_numpy(gaussian_filter(images.cpu().numpy(), (0, 0, sigma, sigma))).to(images.device)


def occlude(
    images: torch.Tensor,
    masks: torch.Tensor,
    how: str,
    seed: int = 0,
    noise: float = NOISE,
    tolerance: float = TOLERANCE,
) -> torch.Tensor:
    """Pictures float [B, 3, S, S] with the pixels under `masks` bool [B, S, S] hidden; one picture [1, 3, S, S] may stand for all masks.

    Args:
        images: normalised, as the classifier takes them.
        how: "blur": the blurred picture; "mean": the picture's mean colour; "noisy_linear": the imputation of ROAD (Rong et al. 2022),
            each pixel the weighted mean of its neighbours, so that the hole's outline tells little, and Gaussian noise of deviation `noise`
            from `seed`, which keeps a classifier from knowing the hole by its smoothness.
        tolerance: of the imputation, about the largest error of a pixel.

    Raises:
        ValueError: there is no such way.
    """
    if how == "blur":
        filling = blurred(images)
    elif how == "mean":
        filling = images.mean((-2, -1), keepdim=True)
    elif how == "noisy_linear":
        images = images.expand(len(masks), -1, -1, -1)
        generator = torch.Generator().manual_seed(seed)
        filling = impute(images, masks, tolerance) + noise * torch.randn(images.shape, generator=generator).to(
            images.device
        )
    else:
        raise ValueError(f"there is no way of hiding called {how!r}: choose one of {', '.join(WAYS)}")
    return torch.where(masks[:, None], filling, images)


def probability(predict: Predict, images: torch.Tensor, labels: Sequence[int]) -> np.ndarray:
    """P(label) float64 [N] of pictures [N, 3, S, S], at most 32 at a time. Labels: 0 real, 1 fake.

    Raises:
        ValueError: a probability is not a number.
    """
    with torch.no_grad():
        fake = np.concatenate(
            [np.asarray(torch.as_tensor(predict(part)).cpu(), dtype=np.float64) for part in images.split(BATCH)]
        )
    if not np.isfinite(fake).all():
        raise ValueError(
            "the classifier answers a changed picture with something that is no number: look at its weights"
        )
    return np.where(np.asarray(labels) == 1, fake, 1 - fake)


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
