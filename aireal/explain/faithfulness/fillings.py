"""Ways of hiding a part of a picture from a classifier."""

from __future__ import annotations

import torch
from scipy.ndimage import gaussian_filter

from .imputation import TOLERANCE, impute

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
