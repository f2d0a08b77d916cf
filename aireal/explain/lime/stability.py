"""Whether LIME's list would come out alike if it were made again with other masks."""

from __future__ import annotations

import numpy as np

from .surrogate import Surrogate

TOP = 5  # superpixels that the list shows
DRAWS = 500  # the standard error of the expected Jaccard is below 0.01


def top_jaccard(one: np.ndarray, other: np.ndarray, top: int = TOP) -> tuple[np.ndarray, np.ndarray]:
    """How alike two lists are: Jaccard index [...] of their strongest superpixels, and the share [...] of the same sign among the superpixels
    that either of them names, of weights [..., K]."""
    named = [strongest(weights, top) for weights in (one, other)]
    both, either = named[0] & named[1], named[0] | named[1]
    same = either & (np.sign(one) == np.sign(other))
    return both.sum(axis=-1) / either.sum(axis=-1), same.sum(axis=-1) / either.sum(axis=-1)


def strongest(weights: np.ndarray, top: int = TOP) -> np.ndarray:
    """bool [..., K] of weights [..., K]: is it one of the `top` largest by absolute value?"""
    order = np.argsort(-np.abs(weights), axis=-1, kind="stable")[..., :top]
    named = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(named, order, True, axis=-1)
    return named


def expected_agreement(found: Surrogate, rng: np.random.Generator) -> tuple[float, float]:
    """Mean Jaccard index and sign agreement of two fresh lists, each made with as many samples as `found`.

    The strongest of many estimates are too strong (the winner's curse), so lists simulated around them would agree too well. Empirical Bayes
    (Efron & Morris 1973) takes that back: true weights have a normal prior around 0, whose variance is what the scatter leaves of the estimates' mean
    square; they are drawn from their posterior, and two lists are drawn around each of them.
    """
    scatter, axes = np.linalg.eigh(found.covariance)
    scatter = scatter.clip(0)
    prior = max(0.0, float(np.mean(found.coefficients**2) - scatter.mean()))
    share = np.divide(prior, prior + scatter, out=np.zeros_like(scatter), where=prior + scatter > 0)
    noise = rng.standard_normal((3, DRAWS, len(scatter)))
    truth = found.coefficients @ axes * share + noise[0] * np.sqrt(share * scatter)
    jaccard, signs = top_jaccard(*((truth + noise[k] * np.sqrt(scatter)) @ axes.T for k in (1, 2)))
    return float(jaccard.mean()), float(signs.mean())
