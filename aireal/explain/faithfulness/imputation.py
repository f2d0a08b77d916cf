"""ROAD's linear imputation (Rong et al. 2022): each masked pixel becomes the weighted mean of its eight neighbours.

This is a linear system with one unknown for each masked pixel, symmetric and positive definite. The NoisyLinearImputer
of pytorch-grad-cam factorises it in an order that takes seconds for a picture. Two ways are faster:

- A small area on a CPU is factorised by SuperLU (Li 2005, scipy) in minimum degree order, in tens of milliseconds.
- Otherwise the matrix is never built. The system is solved by conjugate gradients, preconditioned with one multigrid
  V-cycle a step (Tatebe 1993). A pixel of a coarse grid is masked where all its pixels on the finer grid are. Sides of
  any even size usually take fewer than ten steps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu

# masked pixels up to which a CPU factorises; a cell of the 3×3 grid and LIME's five superpixels have fewer at 256 px,
# where it takes a quarter of the time. The work grows faster than that of conjugate gradients.
FACTORISED = 12_000
TOLERANCE = 2e-3  # of a normalised pixel, whose noise in ROAD is 1e-2 and whose step of 1/255 about 8e-3
STEPS = 500  # at most; many are needed where the side is odd, so that there is no coarser grid
# Damped Jacobi smoother: a sweep leaves at most 0.4 of the fine oscillations of this stencil (eigenvalues 2/3 to 4/3).
SWEEPS, DAMPING = 1, 0.9


def impute(images: torch.Tensor, masks: torch.Tensor, tolerance: float = TOLERANCE) -> torch.Tensor:
    """Pictures whose masked pixels are imputed from the pixels around them.

    A picture that is masked in full becomes its mean colour. A GPU solves the whole batch at once. A CPU solves one
    picture at a time, which fits its cache and is faster.

    Args:
        images: float [B, 3, H, W].
        masks: bool [B, H, W], True where a pixel is masked.
        tolerance: about the largest error of a pixel; areas that are factorised have none.
    """
    if images.device.type != "cpu":
        return _solve(images, masks, tolerance)
    factorised = [0 < int(mask.sum()) <= FACTORISED and not bool(mask.all()) for mask in masks]
    return torch.cat(
        [
            _factorise(image, mask)[None] if small else _solve(image[None], mask[None], tolerance)
            for image, mask, small in zip(images, masks, factorised)
        ]
    )


@lru_cache(maxsize=2)
def _stencil(height: int, width: int) -> csr_array:
    """float64 [H * W, H * W]: the weights of `neighbours` as a sparse matrix."""
    rows, columns = (diags_array([1.0, 2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) for n in (height, width))
    return csr_array((kron(rows, columns) - 4 * eye_array(height * width)) / 12)


def _factorise(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The picture [3, H, W] whose masked pixels (bool [H, W], some but not all) solve the system exactly."""
    masked, flat = mask.flatten().numpy(), image.reshape(len(image), -1).clone()
    weights = _stencil(*mask.shape)[masked]
    matrix = diags_array(weights.sum(axis=1)) - weights[:, masked]
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    visible = np.where(masked, 0.0, flat.numpy()).T
    flat[:, mask.flatten()] = torch.from_numpy(factors.solve(weights @ visible).T).to(flat.dtype)
    return flat.reshape(image.shape)


def neighbours(x: torch.Tensor) -> torch.Tensor:
    """The weighted sum of the eight neighbours of each pixel of [..., H, W].

    Direct neighbours weigh 1/6 each and diagonal ones 1/12 each; neighbours outside the picture count as 0. Four slices
    are an order of magnitude faster on a CPU than a 3×3 convolution of single channels.
    """
    rows = x * 2
    rows[..., 1:] += x[..., :-1]
    rows[..., :-1] += x[..., 1:]
    out = rows * 2
    out[..., 1:, :] += rows[..., :-1, :]
    out[..., :-1, :] += rows[..., 1:, :]
    return out.sub_(x, alpha=4).div_(12)


def _solve(images: torch.Tensor, masks: torch.Tensor, tolerance: float) -> torch.Tensor:
    grids = _grids(masks[:, None].to(images.dtype))
    masked = grids[0][0]
    count = (1 - masked).sum((-2, -1), keepdim=True)
    visible = images * (1 - masked)
    visible_mean = visible.sum((-2, -1), keepdim=True) / count.clamp_min(1)
    x = masked * torch.where(count > 0, visible_mean, images.mean((-2, -1), keepdim=True))
    residual = masked * neighbours(visible) - _operator(grids[0], x)
    direction = preconditioned = _cycle(grids, residual)
    product = _dot(residual, preconditioned)
    for _ in range(STEPS):
        # the preconditioned residual is close to the error itself
        unsolved = preconditioned.abs().amax((-2, -1), keepdim=True) >= tolerance / 2
        if not unsolved.any():
            break
        image = _operator(grids[0], direction)
        step = torch.where(unsolved, product / _dot(direction, image), 0)
        x = x + step * direction
        residual = residual - step * image
        preconditioned = _cycle(grids, residual)
        previous, product = product, _dot(residual, preconditioned)
        direction = preconditioned + torch.where(unsolved, product / previous, 0) * direction
    return visible + x


def _grids(masked: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The grids from the finest to the coarsest.

    Returns:
        for each grid the mask 0/1 [B, 1, h, w], and the sum of a pixel's weights inside the picture [1, 1, h, w].
    """
    grids = []
    while True:
        grids.append((masked, neighbours(torch.ones_like(masked[:1]))))
        if min(masked.shape[-2:]) <= 4 or masked.shape[-1] % 2 or masked.shape[-2] % 2:
            return grids
        masked = -F.max_pool2d(-masked, 2)


def _operator(grid: tuple[torch.Tensor, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    masked, weight = grid
    return masked * (weight * x - neighbours(x))


def _cycle(grids: list[tuple[torch.Tensor, torch.Tensor]], residual: torch.Tensor, level: int = 0) -> torch.Tensor:
    """One V-cycle: an approximate solution for this right-hand side."""
    masked, weight = grids[level]
    coarsest = level + 1 == len(grids)
    residual = masked * residual  # that of a finer grid reaches beyond the mask of this one
    x = DAMPING * residual / weight
    for _ in range(8 if coarsest else SWEEPS - 1):
        x = x + DAMPING * (residual - _operator(grids[level], x)) / weight
    if not coarsest:
        left = residual - _operator(grids[level], x)
        # 4: the stencil is the same, but the pixels are twice as wide
        coarse = _cycle(grids, 4 * F.avg_pool2d(_spread(left, weight), 2), level + 1)
        x = x + masked * _spread(F.interpolate(coarse, scale_factor=2, mode="nearest"), weight)
        for _ in range(SWEEPS):
            x = x + DAMPING * (residual - _operator(grids[level], x)) / weight
    return x


def _spread(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Smooth with [1, 2, 1] / 4 in both directions.

    It turns nearest-neighbour enlargement into bilinear enlargement, and the mean of four pixels into its transpose.
    Otherwise the cycle would not be symmetric, and conjugate gradients might stall.
    """
    return x - 0.75 * (weight * x - neighbours(x))


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum((-2, -1), keepdim=True)
