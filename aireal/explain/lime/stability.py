"""Stability of LIME's list: the agreement of two lists of the same picture that are made with different masks."""

from __future__ import annotations

import numpy as np

from .surrogate import Surrogate

TOP = 5  # superpixels that the list shows
DRAWS = 500  # with so many draws the standard error of the expected Jaccard index is below 0.01


def top_jaccard(a: np.ndarray, b: np.ndarray, top: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """Agreement of two lists of weights [..., K].

    Returns:
        the Jaccard index [...] of their `top` strongest superpixels, and among the superpixels that are in either top
        the share [...] whose weights have the same sign.
    """
    top_a, top_b = (strongest(weights, top) for weights in (a, b))
    both, either = top_a & top_b, top_a | top_b
    same_sign = either & (np.sign(a) == np.sign(b))
    return both.sum(axis=-1) / either.sum(axis=-1), same_sign.sum(axis=-1) / either.sum(axis=-1)


def strongest(weights: np.ndarray, top: int = TOP) -> np.ndarray:
    """Mask bool [..., K] of the `top` weights of [..., K] that are largest by absolute value."""
    order = np.argsort(-np.abs(weights), axis=-1, kind="stable")[..., :top]
    mask = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=-1)
    return mask


def expected_agreement(surrogate: Surrogate, rng: np.random.Generator) -> tuple[float, float]:
    """Mean Jaccard index and sign agreement of two new lists, each made with as many samples as `surrogate`.

    The strongest of many estimates are too strong (the winner's curse), so lists that are simulated around them would
    agree too well. Empirical Bayes (Efron & Morris 1973) corrects this. True weights have a normal prior around 0; its
    variance is the mean square of the estimates less their scatter. They are drawn from their posterior, and two lists
    are drawn around each draw.
    """
    scatter, axes = np.linalg.eigh(surrogate.covariance)
    scatter = scatter.clip(0)
    prior = max(0.0, float(np.mean(surrogate.coefficients**2) - scatter.mean()))
    share = np.divide(prior, prior + scatter, out=np.zeros_like(scatter), where=prior + scatter > 0)
    noise = rng.standard_normal((3, DRAWS, len(scatter)))
    truth = surrogate.coefficients @ axes * share + noise[0] * np.sqrt(share * scatter)
    jaccard, signs = top_jaccard(*((truth + noise[k] * np.sqrt(scatter)) @ axes.T for k in (1, 2)))
    return float(jaccard.mean()), float(signs.mean())
