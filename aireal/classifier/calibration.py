"""Whether a verdict's probability means what it says, and from which probability on a verdict is worth having."""

from __future__ import annotations

import numpy as np
import torch

from aireal.core.statistics import bootstrap, wilson

from .metrics import calibrated, calibration_error, confidence_bins

TARGET_ERROR, LEAST_COVERAGE = 0.10, 0.30  # of verdicts outside the uncertain band, on validation


def reliability(probability_fake: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[dict]:
    """The reliability diagram (DeGroot & Fienberg 1983) of the verdict's probability, in equal bins over 0.5..1; empty ones are left out.

    Returns:
        [{"n": images, "confidence": their mean probability, "accuracy": {"value", "low", "high"} with Wilson's interval}, ...]
    """
    confidence, right, which = confidence_bins(probability_fake, labels, bins)
    members = [which == b for b in range(bins) if (which == b).any()]
    return [
        {
            "n": int(m.sum()),
            "confidence": round(float(confidence[m].mean()), 4),
            "accuracy": wilson(right[m].sum(), m.sum()),
        }
        for m in members
    ]


def error_if_calibrated(probability_fake: np.ndarray, seed: int, draws: int = 1000) -> dict[str, float]:
    """Mean ECE, with 95% of all cases, that a perfectly calibrated classifier with these probabilities shows on so many pictures.

    ECE is not 0 by chance alone, and the less so the fewer the pictures; an ECE inside this range is no evidence of miscalibration
    (consistency resampling, Bröcker & Smith 2007; Vaicenavicius et al. 2019). Pictures are drawn as if they were independent.
    """
    rng = np.random.default_rng(seed)
    found = [
        calibration_error(probability_fake, rng.random(len(probability_fake)) < probability_fake) for _ in range(draws)
    ]
    low, high = np.percentile(found, [2.5, 97.5])
    return {"value": round(float(np.mean(found)), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def calibration_report(
    logits: torch.Tensor, labels: np.ndarray, groups: list[str], fits: dict[str, tuple[float, float]], seed: int
) -> dict:
    """What each way to calibrate is worth on test logits [N, 2].

    Args:
        fits: (temperature, bias) by name, fitted elsewhere; (1, 0) is the network as it came out of training.

    Returns:
        {name: {"temperature", "bias", "ece_if_calibrated", "reliability", and with bootstrap intervals "ece", "nll" (mean negative
        log-likelihood, nats), "brier" (Brier 1950, two classes: 0..1) and "accuracy"}}
    """
    return {
        name: {
            "temperature": temperature,
            "bias": bias,
            **_calibration(calibrated(logits, temperature, bias), labels, groups, seed),
        }
        for name, (temperature, bias) in fits.items()
    }


def _calibration(fake: np.ndarray, labels: np.ndarray, groups: list[str], seed: int) -> dict:
    nll = -np.log(np.clip(np.where(labels == 1, fake, 1 - fake), 1e-7, 1))
    brier = (fake - labels) ** 2
    right = (fake >= 0.5) == labels

    def statistic(index: np.ndarray) -> dict[str, float]:
        return {
            "ece": calibration_error(fake[index], labels[index]),
            "nll": nll[index].mean(),
            "brier": brier[index].mean(),
            "accuracy": right[index].mean(),
        }

    found = bootstrap(statistic, labels, groups, seed)
    return {**found, "ece_if_calibrated": error_if_calibrated(fake, seed), "reliability": reliability(fake, labels)}


def uncertain(probability_fake: float | np.ndarray, uncertain_below: float):
    """Whether a verdict's probability lies in the uncertain band: bool, or bool [N]."""
    found = np.maximum(probability_fake, 1 - probability_fake) < uncertain_below
    return found if np.ndim(found) else bool(found)


def fit_uncertain_band(
    probability_fake: np.ndarray,
    labels: np.ndarray,
    target_error: float = TARGET_ERROR,
    least_coverage: float = LEAST_COVERAGE,
) -> float:
    """The probability below which a verdict is called uncertain, chosen on validation.

    It is the smallest one that leaves at most `target_error` of errors among the other verdicts, with at least `least_coverage` of
    all verdicts outside the band; where no probability does, the one with the fewest errors (`selective` shows that the target was
    missed). A rule of selective classification (Geifman & El-Yaniv 2017) without their guarantee, for which a few dozen validation
    pictures are too few: what the band is worth is measured on test.

    Args:
        probability_fake: calibrated P(fake) [N] of validation pictures; labels: 0/1 [N].

    Returns:
        0.5..1, half way between two observed probabilities; 0.5 when all verdicts together keep the target, so that none is uncertain.
    """
    confidence = np.maximum(probability_fake, 1 - probability_fake).astype(float)
    coverage, risk = risk_coverage(confidence, (probability_fake >= 0.5) != labels)
    ordered = np.sort(confidence)[::-1]
    cut = np.append(
        (ordered[:-1] + ordered[1:]) / 2, 0.5
    )  # behind the k-th most confident; behind the last one none is uncertain
    possible = np.append(ordered[:-1] > ordered[1:], True) & (coverage >= least_coverage)
    allowed = possible & (risk <= max(target_error, risk[possible].min()) + 1e-9)
    return round(float(cut[allowed].min()), 6)


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error among the k most confident verdicts against their share k / N, for k = 1..N (Geifman & El-Yaniv 2017).

    Verdicts of equal confidence are in no order, so each stands with the mean error of all of them.

    Returns:
        coverage [N] and risk [N]. The mean risk is the AURC (Geifman et al. 2019): as large as the overall error where confidence
        says nothing about being right, and smaller the more it says.
    """
    _, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    expected = (np.bincount(inverse, weights=wrong) / counts)[inverse]
    size = np.arange(1, len(confidence) + 1)
    return size / len(confidence), np.cumsum(expected[np.argsort(-confidence, kind="stable")]) / size


def selective(
    probability_fake: np.ndarray, labels: np.ndarray, groups: list[str], uncertain_below: float, seed: int
) -> dict:
    """What the uncertain band is worth: share of verdicts outside it (`coverage`), and their error against that of the uncertain ones.

    Returns:
        {"uncertain_below", "n", "n_certain", with bootstrap intervals over groups "coverage", "error", "error_certain",
        "error_uncertain" (None where there are no such verdicts) and "aurc", "curve": {"coverage": [...], "risk": [...]}}
    """
    confidence = np.maximum(probability_fake, 1 - probability_fake)
    certain, wrong = ~uncertain(probability_fake, uncertain_below), (probability_fake >= 0.5) != labels

    def statistic(index: np.ndarray) -> dict[str, float]:
        c, w = certain[index], wrong[index]
        return {
            "coverage": c.mean(),
            "error": w.mean(),
            "error_certain": w[c].mean() if c.any() else np.nan,
            "error_uncertain": w[~c].mean() if (~c).any() else np.nan,
            "aurc": risk_coverage(confidence[index], w)[1].mean(),
        }

    coverage, risk = risk_coverage(confidence, wrong)
    return {
        "uncertain_below": uncertain_below,
        "n": len(labels),
        "n_certain": int(certain.sum()),
        **bootstrap(statistic, labels, groups, seed),
        "curve": {"coverage": coverage.round(4).tolist(), "risk": risk.round(4).tolist()},
    }
