"""ROAD's linear imputation (Rong et al. 2022): each hidden pixel becomes the weighted mean of its eight neighbours.

That is a linear system of one unknown a hidden pixel. pytorch-grad-cam's NoisyLinearImputer factorises it, which takes seconds a picture.
Here its symmetric, positive definite matrix is never built: conjugate gradients, preconditioned with one multigrid V-cycle a step (Tatebe
1993), whose coarse grids hide what is hidden in full on the finer one. Fewer than ten steps are the rule at any even size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

TOLERANCE = 2e-3  # of a normalised pixel, whose noise in ROAD is 1e-2 and whose step of 1/255 about 8e-3
STEPS = 500  # needed where the side is odd and there is no coarser grid
SWEEPS, DAMPING = (
    1,
    0.9,
)  # Jacobi's smoother: of this stencil's fine oscillations, whose eigenvalues are 2/3 to 4/3, a sweep leaves 0.4 at most


def impute(images: torch.Tensor, masks: torch.Tensor, tolerance: float = TOLERANCE) -> torch.Tensor:
    """Pictures float [B, 3, H, W] whose pixels under `masks` bool [B, H, W] are imputed from those around; a picture that is hidden in
    full becomes its mean colour, as nothing else is left of it. `tolerance`: about the largest error of a pixel.

    Solved in one batch on a GPU; a CPU is faster with one picture at a time, which its cache holds.
    """
    if images.device.type == "cpu":
        return torch.cat([_solve(i[None], m[None], tolerance) for i, m in zip(images, masks)])
    return _solve(images, masks, tolerance)


def neighbours(x: torch.Tensor) -> torch.Tensor:
    """The sum of the eight neighbours inside the picture, 1/6 each beside and 1/12 each across, of [..., H, W].

    Four slices, since a 3×3 convolution of single channels is an order of magnitude slower on a CPU.
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
    hidden = grids[0][0]
    count = (1 - hidden).sum((-2, -1), keepdim=True)
    known = images * (1 - hidden)
    mean = torch.where(
        count > 0, known.sum((-2, -1), keepdim=True) / count.clamp_min(1), images.mean((-2, -1), keepdim=True)
    )
    x = mean * hidden
    residual = hidden * neighbours(known) - _operator(grids[0], x)
    direction = ready = _cycle(grids, residual)
    fit = _dot(residual, ready)
    for _ in range(STEPS):
        unsolved = (
            ready.abs().amax((-2, -1), keepdim=True) >= tolerance / 2
        )  # the preconditioned residual is close to the error itself
        if not unsolved.any():
            break
        image = _operator(grids[0], direction)
        step = torch.where(unsolved, fit / _dot(direction, image), 0)
        x = x + step * direction
        residual = residual - step * image
        ready = _cycle(grids, residual)
        before, fit = fit, _dot(residual, ready)
        direction = ready + torch.where(unsolved, fit / before, 0) * direction
    return known + x


def _grids(hidden: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(hidden 0/1 [B, 1, h, w], sum of the weights inside the picture [1, 1, h, w]) from the finest grid to the coarsest."""
    grids = []
    while True:
        grids.append((hidden, neighbours(torch.ones_like(hidden[:1]))))
        if min(hidden.shape[-2:]) <= 4 or hidden.shape[-1] % 2 or hidden.shape[-2] % 2:
            return grids
        hidden = -F.max_pool2d(-hidden, 2)


def _operator(grid: tuple[torch.Tensor, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    hidden, weight = grid
    return hidden * (weight * x - neighbours(x))


def _cycle(grids: list[tuple[torch.Tensor, torch.Tensor]], residual: torch.Tensor, level: int = 0) -> torch.Tensor:
    """One V-cycle: about the solution for this right-hand side."""
    hidden, weight = grids[level]
    coarsest = level + 1 == len(grids)
    residual = hidden * residual  # of a finer grid it reaches beyond what is hidden here
    x = DAMPING * residual / weight
    for _ in range(8 if coarsest else SWEEPS - 1):
        x = x + DAMPING * (residual - _operator(grids[level], x)) / weight
    if not coarsest:
        left = residual - _operator(grids[level], x)
        coarse = _cycle(
            grids, 4 * F.avg_pool2d(_spread(left, weight), 2), level + 1
        )  # 4: the same stencil on pixels twice as wide
        x = x + hidden * _spread(F.interpolate(coarse, scale_factor=2, mode="nearest"), weight)
        for _ in range(SWEEPS):
            x = x + DAMPING * (residual - _operator(grids[level], x)) / weight
    return x


def _spread(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """[1, 2, 1] / 4 both ways: makes of nearest neighbours a bilinear enlargement, and of the mean of four pixels its transpose, without
    which the cycle would not be symmetric and conjugate gradients might stall."""
    return x - 0.75 * (weight * x - neighbours(x))


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum((-2, -1), keepdim=True)
