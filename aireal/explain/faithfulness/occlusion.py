"""Occlusion tests: the drop of P(verdict) when an area is masked.

The drop is compared with that of random areas of the same size and shape.
"""

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
CONTROLS = 16  # random areas that a test compares with
FILLINGS = ("blur", "mean", "noisy_linear")  # a drop that all of them cause is not an effect of one filling
BLUR = (
    1 / 16
)  # sigma as a share of the side: it removes texture and objects, and leaves the light and shade of the scene
NOISE = 0.01  # standard deviation of ROAD's noise, as in pytorch-grad-cam


def blurred(images: torch.Tensor) -> torch.Tensor:
    """Pictures float [B, 3, S, S] after a Gaussian blur (sigma a sixteenth of the side), mirrored at the edges."""
    sigma = BLUR * images.shape[-1]
    return torch.from_numpy(gaussian_filter(images.cpu().numpy(), (0, 0, sigma, sigma))).to(images.device)


def occlude(
    images: torch.Tensor,
    masks: torch.Tensor,
    filling: str,
    seed: int = 0,
    noise: float = NOISE,
    tolerance: float = TOLERANCE,
) -> torch.Tensor:
    """Pictures float [B, 3, S, S] whose masked pixels are replaced by a filling.

    Args:
        images: [B, 3, S, S], or [1, 3, S, S] for all masks; normalised, as the classifier takes them.
        masks: bool [B, S, S], True where a pixel is masked.
        filling: one of FILLINGS. "blur" is the blurred picture and "mean" its mean colour. "noisy_linear" is the
            imputation of ROAD (Rong et al. 2022): each pixel is the weighted mean of its neighbours, so that the
                outline
            of the hole reveals little, plus Gaussian noise, so that a classifier cannot tell the hole by its
            smoothness.
        seed: of the noise.
        noise: standard deviation of the noise.
        tolerance: of the imputation, about the largest error of a pixel.

    Raises:
        ValueError: the filling is unknown.
    """
    if filling == "blur":
        filled = blurred(images)
    elif filling == "mean":
        filled = images.mean((-2, -1), keepdim=True)
    elif filling == "noisy_linear":
        images = images.expand(len(masks), -1, -1, -1)
        standard = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)).to(images.device)
        filled = impute(images, masks, tolerance) + noise * standard
    else:
        raise ValueError(f"filling {filling!r} is not known: choose one of {', '.join(FILLINGS)}")
    return torch.where(masks[:, None], filled, images)


def probability(predict: Predict, images: torch.Tensor, labels: Sequence[int]) -> np.ndarray:
    """P(label) float64 [N] of pictures [N, 3, S, S], computed in batches of 32.

    Args:
        labels: [N], 0 real or 1 fake.

    Raises:
        ValueError: a probability is not finite.
    """
    with torch.no_grad():
        parts = [torch.as_tensor(predict(batch)).cpu() for batch in images.split(BATCH)]
    fake = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
    if not np.isfinite(fake).all():
        raise ValueError(
            "the classifier's output for a changed picture is no number (NaN or infinite): check its weights"
        )
    return np.where(np.asarray(labels) == 1, fake, 1 - fake)


def region_mask(region: str, size: int) -> np.ndarray:
    """Mask bool [size, size] of a cell of the 3×3 grid (`evidence.record.REGIONS`)."""
    mask = np.zeros((size, size), dtype=bool)
    region_pixels(mask, region)[...] = True
    return mask


def random_like(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask bool [S, S] at a random other place.

    It is shifted around the edges by at least a quarter of the side in one direction. Its area and outline stay the
    same, apart from a cut where it leaves at one edge and enters at the opposite one.
    """
    side = len(mask)
    while True:
        shift = rng.integers(side, size=2)
        if np.minimum(shift, side - shift).max() >= side / 4:
            return np.roll(mask, tuple(shift), (0, 1))


def occlusion_test(
    predict: Predict, image: torch.Tensor, mask: np.ndarray, label: int, seed: int, controls: int = CONTROLS
) -> Occlusion:
    """The drop of P(label) when an area is masked: the mean over blur, mean colour and noisy linear imputation.

    Args:
        predict: P(fake) of normalised pictures.
        image: float [3, S, S], normalised.
        mask: bool [S, S], True in the area.
        label: the verdict, 0 real or 1 fake.
        seed: of the random areas and the noise.
        controls: number of random areas of the same size and shape (`random_like`).

    Raises:
        ValueError: the area is empty or the whole picture, so that there is no other area to compare it with.
    """
    if not mask.any() or mask.all():
        raise ValueError("the area to mask is empty or the whole picture: there is no other area to compare it with")
    rng = np.random.default_rng(seed)
    masks = torch.from_numpy(np.stack([mask, *(random_like(mask, rng) for _ in range(controls))])).to(image.device)
    whole = probability(predict, image[None], [label])
    labels = [label] * len(masks)
    occluded = (occlude(image[None], masks, filling, seed) for filling in FILLINGS)
    drop, *random_drops = np.mean([whole - probability(predict, pictures, labels) for pictures in occluded], axis=0)
    random_drops = np.array(random_drops)
    low, high = np.percentile(random_drops, [2.5, 97.5])
    beats = (random_drops < drop).mean()
    return Occlusion(float(drop), float(random_drops.mean()), float(low), float(high), float(beats))
