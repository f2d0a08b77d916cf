"""Calibration of the probabilities, and the band of probabilities in which a verdict is uncertain."""

from __future__ import annotations

import numpy as np
import torch

from aireal.core.statistics import bootstrap, wilson

from .metrics import calibrated, calibration_error, confidence_bins

TARGET_ERROR, LEAST_COVERAGE = 0.10, 0.30  # of verdicts outside the uncertain band, on validation


def reliability(probability_fake: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[dict]:
    """The reliability diagram (DeGroot & Fienberg 1983) of the verdict's probability, in equal bins over 0.5..1.

    Returns:
        [{"n": images, "confidence": their mean probability, "accuracy": {"value", "low", "high"} with Wilson's
        interval}, ...], without empty bins.
    """
    confidence, correct, bin_of = confidence_bins(probability_fake, labels, bins)
    members = [bin_of == b for b in range(bins) if (bin_of == b).any()]
    return [
        {
            "n": int(m.sum()),
            "confidence": round(float(confidence[m].mean()), 4),
            "accuracy": wilson(correct[m].sum(), m.sum()),
        }
        for m in members
    ]


def error_if_calibrated(probability_fake: np.ndarray, seed: int, draws: int = 1000) -> dict[str, float]:
    """Mean and central 95% range of the ECE that a perfectly calibrated classifier has with these probabilities.

    By chance alone the ECE of a finite sample is above 0, and more so with fewer pictures. An ECE inside this range is
    no evidence of miscalibration (consistency resampling, Bröcker & Smith 2007; Vaicenavicius et al. 2019). Labels are
    drawn as if the pictures were independent.
    """
    rng = np.random.default_rng(seed)
    errors = [
        calibration_error(probability_fake, rng.random(len(probability_fake)) < probability_fake) for _ in range(draws)
    ]
    low, high = np.percentile(errors, [2.5, 97.5])
    return {"value": round(float(np.mean(errors)), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def calibration_metrics(
    logits: torch.Tensor, labels: np.ndarray, groups: list[str], fits: dict[str, tuple[float, float]], seed: int
) -> dict:
    """Metrics of each calibration on test logits [N, 2].

    Args:
        fits: (temperature, bias) by name, fitted on other pictures; (1, 0) is the uncalibrated network.

    Returns:
        {name: {"temperature", "bias", "ece_if_calibrated", "reliability", and with bootstrap intervals "ece", "nll"
        (mean negative log-likelihood, nats), "brier" (Brier 1950, two classes: 0..1) and "accuracy"}}
    """
    return {
        name: {
            "temperature": temperature,
            "bias": bias,
            **_metrics(calibrated(logits, temperature, bias), labels, groups, seed),
        }
        for name, (temperature, bias) in fits.items()
    }


def _metrics(fake: np.ndarray, labels: np.ndarray, groups: list[str], seed: int) -> dict:
    nll = -np.log(np.clip(np.where(labels == 1, fake, 1 - fake), 1e-7, 1))
    brier = (fake - labels) ** 2
    correct = (fake >= 0.5) == labels

    def statistic(index: np.ndarray) -> dict[str, float]:
        return {
            "ece": calibration_error(fake[index], labels[index]),
            "nll": nll[index].mean(),
            "brier": brier[index].mean(),
            "accuracy": correct[index].mean(),
        }

    metrics = bootstrap(statistic, labels, groups, seed)
    return {**metrics, "ece_if_calibrated": error_if_calibrated(fake, seed), "reliability": reliability(fake, labels)}


def uncertain(probability_fake: float | np.ndarray, uncertain_below: float):
    """Whether a verdict's probability lies in the uncertain band: bool, or bool [N]."""
    is_uncertain = np.maximum(probability_fake, 1 - probability_fake) < uncertain_below
    return is_uncertain if np.ndim(is_uncertain) else bool(is_uncertain)


def fit_uncertain_band(
    probability_fake: np.ndarray,
    labels: np.ndarray,
    target_error: float = TARGET_ERROR,
    least_coverage: float = LEAST_COVERAGE,
) -> float:
    """The probability below which a verdict is marked uncertain, chosen on validation.

    It is the smallest limit with an error of at most `target_error` among the other verdicts and at least
    `least_coverage` of all verdicts outside the band. If no limit reaches the target, it is the one with the smallest
    error (`selective_metrics` then shows that the target is missed). This is a rule of selective classification
    (Geifman & El-Yaniv 2017) without their guarantee, for which a few dozen validation pictures are too few. The band's
    benefit is measured on test.

    Args:
        probability_fake: calibrated P(fake) [N] of validation pictures; labels: 0/1 [N].

    Returns:
        0.5..1, half way between two observed probabilities; 0.5 if all verdicts together reach the target, so that
        none is uncertain.
    """
    confidence = np.maximum(probability_fake, 1 - probability_fake).astype(float)
    coverage, risk = risk_coverage(confidence, (probability_fake >= 0.5) != labels)
    ordered = np.sort(confidence)[::-1]
    # limits below the k most confident verdicts, for k = 1..N; below the last one none is uncertain
    limits = np.append((ordered[:-1] + ordered[1:]) / 2, 0.5)
    possible = np.append(ordered[:-1] > ordered[1:], True) & (coverage >= least_coverage)
    allowed = possible & (risk <= max(target_error, risk[possible].min()) + 1e-9)
    return round(float(limits[allowed].min()), 6)


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error among the k most confident verdicts against their share k / N, for k = 1..N (Geifman & El-Yaniv 2017).

    Verdicts of equal confidence have no order, so each counts with the mean error of all of them.

    Returns:
        coverage [N] and risk [N]. The mean risk is the AURC (Geifman et al. 2019). It equals the overall error if
        confidence is unrelated to correctness, and is smaller the more confidence predicts it.
    """
    _, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    expected = (np.bincount(inverse, weights=wrong) / counts)[inverse]
    size = np.arange(1, len(confidence) + 1)
    return size / len(confidence), np.cumsum(expected[np.argsort(-confidence, kind="stable")]) / size


def selective_metrics(
    probability_fake: np.ndarray, labels: np.ndarray, groups: list[str], uncertain_below: float, seed: int
) -> dict:
    """Metrics of the uncertain band: the share of verdicts outside it (`coverage`), and the errors outside and inside.

    Returns:
        {"uncertain_below", "n", "n_certain", with bootstrap intervals over groups "coverage", "error", "error_certain",
        "error_uncertain" (None if there are no such verdicts) and "aurc", "curve": {"coverage": [...], "risk": [...]}}
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
