"""LIME's surrogate: a weighted ridge regression of P(fake) on the kept superpixels, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import t

KERNEL_WIDTH, RIDGE = 0.25, 1.0  # the `lime` package's defaults for images


@dataclass(frozen=True)
class Surrogate:
    """A fitted surrogate of K superpixels.

    Attributes:
        coefficients: float64 [K], differences of P(fake).
        covariance: [K, K], of the scatter of the coefficients over draws of masks.
        low, high: [K], ends of the 95% intervals of the coefficients that endless samples would give.
        r2: weighted R² on samples that were left out of the fit.
        r2_fitted: weighted R² on the fitted samples, as the `lime` package gives it.
    """

    coefficients: np.ndarray
    intercept: float
    covariance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    r2: float
    r2_fitted: float


def proximity(masks: np.ndarray) -> np.ndarray:
    """The weights float64 [N] of samples bool [N, K]: sqrt(exp(-d² / 0.25²)).

    d is the cosine distance to the whole picture.
    """
    # the cosine between a 0/1 row with m ones of K and the row of ones is sqrt(m / K)
    distance = 1 - np.sqrt(masks.mean(axis=1))
    return np.sqrt(np.exp(-((distance / KERNEL_WIDTH) ** 2)))


def fit(masks: np.ndarray, fake: np.ndarray, pairs: bool) -> Surrogate:
    """The ridge regression of the `lime` package (Ribeiro et al. 2016; alpha 1, free intercept) in closed form.

    The covariance is the sandwich estimator. It does not assume equal variances, and it counts every nonlinear part of
    P(fake) as scatter. Each pair of samples is a cluster. Leverage is corrected as by Bell & McCaffrey (2002), or as in
    HC2 of MacKinnon & White (1985) where samples are no pairs, because the residuals of few samples are too small, and
    K is not small beside their number.

    Args:
        masks: bool [N, K], True where a superpixel is kept.
        fake: P(fake) [N].
        pairs: whether rows 2i and 2i + 1 are a pair, as in `sampling.antithetic_masks`; otherwise all rows are
            independent.
    """
    weights, values = proximity(masks), np.asarray(fake, dtype=np.float64)
    total = weights.sum()
    centre, mean = weights @ masks / total, weights @ values / total
    rows, deviations = masks - centre, values - mean
    factor = cho_factor(rows.T @ (weights[:, None] * rows) + RIDGE * np.eye(masks.shape[1]))
    coefficients = cho_solve(factor, rows.T @ (weights * deviations))
    residuals = deviations - rows @ coefficients
    root, size = np.sqrt(weights), 2 if pairs else 1
    hats = _hats(root, rows, cho_solve(factor, rows.T), total, size)
    left_out = _power(
        hats, -1, root * residuals
    )  # residuals without the cluster in the fit, times the root of the weight
    scores = (root * _power(hats, -0.5, root * residuals))[:, None] * rows
    scores = cho_solve(factor, scores.reshape(-1, size, rows.shape[1]).sum(axis=1).T)
    degrees = max(1.0, len(hats) - np.trace(hats, axis1=1, axis2=2).sum())
    low, high = _intervals(coefficients, scores, factor, degrees)
    spread = weights @ deviations**2
    return Surrogate(
        coefficients,
        float(mean - centre @ coefficients),
        scores @ scores.T,
        low,
        high,
        r2=_r2(left_out @ left_out, spread),
        r2_fitted=_r2(weights @ residuals**2, spread),
    )


def _intervals(
    coefficients: np.ndarray, scores: np.ndarray, factor: tuple, degrees: float
) -> tuple[np.ndarray, np.ndarray]:
    """95% intervals by Student's t around the weights without the pull of the penalty towards 0.

    The centre is the almost unbiased ridge estimator (Singh et al. 1986). The pull vanishes with many samples, but is
    as large as the scatter with four samples for each superpixel. Where there is hardly any scatter, the interval is
    widened to hold the weight itself.
    """
    centre = coefficients + RIDGE * cho_solve(factor, coefficients)
    reach = t.ppf(0.975, degrees) * np.linalg.norm(scores + RIDGE * cho_solve(factor, scores), axis=1)
    return np.minimum(centre - reach, coefficients), np.maximum(centre + reach, coefficients)


def _hats(root: np.ndarray, rows: np.ndarray, solved: np.ndarray, total: float, size: int) -> np.ndarray:
    """The diagonal blocks [N / size, size, size] of the hat matrix.

    The rows of the regression are multiplied by the root of their weight.
    """
    groups = rows.reshape(-1, size, rows.shape[1])
    roots = root.reshape(-1, size)
    slopes = groups @ solved.T.reshape(-1, size, rows.shape[1]).transpose(0, 2, 1)
    return roots[:, :, None] * (slopes + 1 / total) * roots[:, None, :]


def _power(hats: np.ndarray, exponent: float, residuals: np.ndarray) -> np.ndarray:
    """(1 - hat)^exponent times the residuals [N], block by block."""
    values, vectors = np.linalg.eigh(np.eye(hats.shape[1]) - hats)
    powers = (vectors * values[:, None, :] ** exponent) @ vectors.transpose(0, 2, 1)
    return (powers @ residuals.reshape(len(hats), -1, 1)).ravel()


def _r2(missed: float, spread: float) -> float:
    """1 less the unexplained share; 0 where P(fake) never changed, so that there is nothing to explain."""
    return float(1 - missed / spread) if spread > 0 else 0.0
