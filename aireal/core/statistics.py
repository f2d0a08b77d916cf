"""Estimates with their 95% intervals, as {"value", "low", "high"}: a rate, and whatever a bootstrap over source groups can draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, rankdata

Estimate = dict[str, float]
Z = 1.959964  # the normal distribution's 97.5th percentile


def wilson(hits: int, n: int) -> Estimate:
    """A rate and its 95% interval (Wilson 1927), which takes the `n` observations as independent.

    Raises:
        ValueError: n is no positive number.
    """
    hits, n = int(hits), int(n)
    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return {"value": round(hits / n, 4), "low": round(interval.low, 4), "high": round(interval.high, 4)}


def grouped_rate(hits: Sequence[bool], groups: Sequence[str]) -> Estimate:
    """A rate and its 95% interval where observations of one group are not independent: Wilson's, with the number of observations that would
    be worth as much if they were (n / design effect, Kish 1965; the variance is that between groups).

    Where all hit or all miss there is no variance to see, and each group counts as one observation.

    Raises:
        ValueError: nothing to count, or not one group an observation.
    """
    values, (_, of) = np.asarray(hits, dtype=float), np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not len(values) or len(values) != len(of):
        raise ValueError(
            f"{len(values)} observations and {len(of)} groups: give one group an observation, and at least one"
        )
    rate, count = values.mean(), of.max() + 1
    residuals = np.bincount(of, values - rate)
    variance = count / max(count - 1, 1) * (residuals**2).sum() / len(values) ** 2
    worth = float(count) if variance == 0 else min(len(values), rate * (1 - rate) / variance)
    centre, spread = (rate + Z**2 / (2 * worth)), Z * np.sqrt(rate * (1 - rate) / worth + Z**2 / (4 * worth**2))
    low, high = ((centre + sign * spread) / (1 + Z**2 / worth) for sign in (-1, 1))
    return {"value": round(float(rate), 4), "low": round(float(max(low, 0)), 4), "high": round(float(min(high, 1)), 4)}


def auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve [...] of scores [..., N] against labels [N]: Mann & Whitney's rank sum (1947), many times faster in a
    bootstrap than drawing the curve."""
    fake = labels == 1
    return (rankdata(scores, axis=-1)[..., fake].mean(axis=-1) - (fake.sum() + 1) / 2) / (~fake).sum()


def bootstrap(
    statistic: Callable[[np.ndarray], dict[str, float]],
    labels: np.ndarray,
    groups: Sequence[str],
    seed: int,
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """What `statistic` gives for all pictures, with 95% percentile intervals of a bootstrap over source groups within each class.

    Pictures of one source are not independent, so groups are drawn, not pictures (cluster bootstrap, Davison & Hinkley 1997).

    Args:
        statistic: takes indices of pictures, int [M] with repetitions, and returns numbers by name; one that cannot be computed
            for a draw is NaN and left out of its interval.
        labels: 0/1 [N]; groups: N names.

    Returns:
        {name: {"value", "low", "high"}}, four decimals; None in place of a number that is NaN.
    """
    rng = np.random.default_rng(seed)
    names, labels = np.array(groups), np.asarray(labels)
    members = [_members(np.nonzero(labels == label)[0], names) for label in np.unique(labels)]
    value = statistic(np.arange(len(labels)))
    draws = np.empty((resamples, len(value)))
    for row in draws:
        index = np.concatenate([np.concatenate([m[k] for k in rng.integers(0, len(m), len(m))]) for m in members])
        row[:] = list(statistic(index).values())
    return {name: _estimate(v, column[~np.isnan(column)]) for (name, v), column in zip(value.items(), draws.T)}


def _members(index: np.ndarray, names: np.ndarray) -> list[np.ndarray]:
    """The indices of each group."""
    _, group = np.unique(names[index], return_inverse=True)
    return np.split(index[np.argsort(group, kind="stable")], np.cumsum(np.bincount(group))[:-1])


def _estimate(value: float, draws: np.ndarray) -> Estimate:
    low, high = np.percentile(draws, [2.5, 97.5]) if len(draws) else (np.nan, np.nan)
    return {
        name: None if np.isnan(v) else round(float(v), 4)
        for name, v in (("value", value), ("low", low), ("high", high))
    }


def interval(estimate: Estimate, times: float = 1, unit: str = "") -> str:
    """`0.912 [0.874, 0.943]`, or in hundredths (`times` 100) with one decimal: `91.2% [87.4, 94.3]`."""
    value, low, high = (times * estimate[name] for name in ("value", "low", "high"))
    digits = 1 if times == 100 else 3
    return f"{value:.{digits}f}{unit} [{low:.{digits}f}, {high:.{digits}f}]"
