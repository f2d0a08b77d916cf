"""Estimates with 95% intervals, as {"value", "low", "high"}: rates, and statistics bootstrapped over source groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, norm, rankdata, t

Estimate = dict[str, float]
Z = 1.959964  # the normal distribution's 97.5th percentile


def wilson(hits: int, n: int) -> Estimate:
    """A rate and its 95% interval (Wilson 1927) from `n` independent observations.

    Raises:
        ValueError: n is not positive.
    """
    hits, n = int(hits), int(n)
    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return {"value": round(hits / n, 4), "low": round(interval.low, 4), "high": round(interval.high, 4)}


def grouped_rate(hits: Sequence[bool], groups: Sequence[str]) -> Estimate:
    """A rate and its 95% interval if observations of one group are not independent.

    The interval is Wilson's with the effective number of observations (n / design effect, Kish 1965; the variance is
    that between groups). If all observations hit or all miss, there is no variance, and each group counts as one
    observation.

    Args:
        hits: an observation each; groups: the group of each.

    Raises:
        ValueError: there are no observations, or not as many groups as observations.
    """
    values = np.asarray(hits, dtype=float)
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not len(values) or len(values) != len(group):
        raise ValueError(
            f"{len(values)} observations and {len(group)} groups: give one group an observation, and at least one"
        )
    rate, n_groups = values.mean(), group.max() + 1
    residuals = np.bincount(group, values - rate)
    variance = n_groups / max(n_groups - 1, 1) * (residuals**2).sum() / len(values) ** 2
    n = float(n_groups) if variance == 0 else min(len(values), rate * (1 - rate) / variance)
    centre, spread = (rate + Z**2 / (2 * n)), Z * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    low, high = ((centre + sign * spread) / (1 + Z**2 / n) for sign in (-1, 1))
    return {"value": round(float(rate), 4), "low": round(float(max(low, 0)), 4), "high": round(float(min(high, 1)), 4)}


def auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve [...] of scores [..., N] against labels [N].

    It is computed by Mann & Whitney's rank sum (1947), which in a bootstrap is many times faster than drawing the
    curve. Where one class is missing it is NaN.
    """
    fake = labels == 1
    if fake.all() or not fake.any():
        return np.full(np.shape(scores)[:-1], np.nan)
    return (rankdata(scores, axis=-1)[..., fake].mean(axis=-1) - (fake.sum() + 1) / 2) / (~fake).sum()


def bootstrap(
    statistic: Callable[[np.ndarray], dict[str, float]],
    labels: np.ndarray,
    groups: Sequence[str],
    seed: int,
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """Statistics of all pictures with 95% percentile intervals, from a bootstrap over source groups within each class.

    Pictures of one source are not independent, so groups are drawn and not pictures (cluster bootstrap, Davison &
    Hinkley 1997). With few groups the intervals are expanded, because a bootstrap makes them too narrow (Hesterberg
    2015, "What Teachers Should Know About the Bootstrap").

    Args:
        statistic: takes indices of pictures, int [M] with repetitions, and returns numbers by name. A number that
            cannot be computed for a draw is NaN, and is left out of its interval.
        labels: 0/1 [N]; groups: N names.

    Returns:
        {name: {"value", "low", "high"}}, four decimals; None instead of NaN.
    """
    rng = np.random.default_rng(seed)
    names, labels = np.array(groups), np.asarray(labels)
    members = [_members(np.nonzero(labels == label)[0], names) for label in np.unique(labels)]
    value = statistic(np.arange(len(labels)))
    draws = np.empty((resamples, len(value)))
    for row in draws:
        index = np.concatenate([np.concatenate([m[k] for k in rng.integers(0, len(m), len(m))]) for m in members])
        row[:] = list(statistic(index).values())
    tail = _tail(sum(map(len, members)) - len(members))
    return {name: _estimate(v, column[~np.isnan(column)], tail) for (name, v), column in zip(value.items(), draws.T)}


def _tail(freedom: int) -> float:
    """The percentile at which a 95% interval begins: 2.5 with many groups, less with few.

    Args:
        freedom: groups less classes.
    """
    return 100 * norm.cdf(-np.sqrt((freedom + 1) / freedom) * t.ppf(0.975, freedom)) if freedom > 0 else 0.0


def _members(index: np.ndarray, names: np.ndarray) -> list[np.ndarray]:
    """The indices of each group."""
    _, group = np.unique(names[index], return_inverse=True)
    return np.split(index[np.argsort(group, kind="stable")], np.cumsum(np.bincount(group))[:-1])


def _estimate(value: float, draws: np.ndarray, tail: float) -> Estimate:
    low, high = np.percentile(draws, [tail, 100 - tail]) if len(draws) else (np.nan, np.nan)
    return {
        name: None if np.isnan(v) else round(float(v), 4)
        for name, v in (("value", value), ("low", low), ("high", high))
    }


def interval(estimate: Estimate, times: float = 1, unit: str = "") -> str:
    """The estimate as text: `0.912 [0.874, 0.943]`, or in percent (`times` 100) `91.2% [87.4, 94.3]`; – for None."""
    if estimate["value"] is None:
        return "–"
    value, low, high = (times * estimate[name] for name in ("value", "low", "high"))
    digits = 1 if times == 100 else 3
    return f"{value:.{digits}f}{unit} [{low:.{digits}f}, {high:.{digits}f}]"
