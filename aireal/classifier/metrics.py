"""Metrics of a classifier with 95% intervals, and the calibration of its probabilities."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score, confusion_matrix, roc_curve

from aireal.core.statistics import auroc, bootstrap


def calibrated(logits: torch.Tensor, temperature: float, bias: float) -> np.ndarray:
    """P(fake) [N] of logits [N, 2] (real, fake)."""
    return ((logits[:, 1] - logits[:, 0]).float() / temperature + bias).sigmoid().cpu().numpy()


def fit_calibration(logits: torch.Tensor, labels: torch.Tensor, with_bias: bool = True) -> tuple[float, float]:
    """Temperature (0.05..20) and bias (-5..5) that minimise the negative log-likelihood of validation labels.

    The method is that of Platt 1999, "Probabilistic Outputs for Support Vector Machines". His smoothed targets keep a
    perfectly separated validation set from leading to probabilities of 0 and 1. Without a bias (it is 0 then) this is
    the temperature scaling of Guo et al. 2017, which keeps the threshold of the uncalibrated network. The bias moves
    the threshold to the one chosen on validation.
    """
    margin = (logits[:, 1] - logits[:, 0]).double().numpy()
    truth = labels.numpy()
    fakes, reals = truth.sum(), (1 - truth).sum()
    target = np.where(truth == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))

    def loss(x: np.ndarray) -> float:
        z = margin / np.exp(x[0]) + x[1]
        return float(np.mean(np.logaddexp(0, z) - target * z))

    limit = 5 if with_bias else 0
    optimum = minimize(loss, x0=[0.0, 0.0], bounds=[(np.log(0.05), np.log(20)), (-limit, limit)])
    return round(float(np.exp(optimum.x[0])), 4), round(float(optimum.x[1]), 4)


def confidence_bins(
    probability_fake: np.ndarray, labels: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each verdict [N]: its probability, whether it is correct, and its bin among equal bins over 0.5..1."""
    confidence = np.maximum(probability_fake, 1 - probability_fake)
    correct = (probability_fake >= 0.5) == labels
    return confidence, correct, np.clip(((confidence - 0.5) * 2 * bins).astype(int), 0, bins - 1)


def calibration_error(probability_fake: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of the verdict's probability with equal-width bins over 0.5..1 (Naeini et al.
    2015)."""
    confidence, correct, bin_of = confidence_bins(probability_fake, labels, bins)
    return float(np.abs(np.bincount(bin_of, weights=confidence - correct)).sum() / len(labels))


def classification_metrics(probability_fake: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """AUROC, average precision, accuracy (all, real, fake) and ECE of P(fake) [N] against labels [N] (1 fake).

    What needs a class that no picture has is NaN.
    """
    predicted_fake, fake = probability_fake >= 0.5, labels == 1
    both = fake.any() and not fake.all()
    return {
        "auroc": float(auroc(probability_fake, labels)),
        "average_precision": float(average_precision_score(labels, probability_fake)) if both else np.nan,
        "accuracy": float((predicted_fake == labels).mean()),
        "accuracy_real": float((~predicted_fake[~fake]).mean()) if not fake.all() else np.nan,
        "accuracy_fake": float(predicted_fake[fake].mean()) if fake.any() else np.nan,
        "ece": calibration_error(probability_fake, labels),
    }


def with_intervals(
    probability_fake: np.ndarray, labels: np.ndarray, groups: list[str], seed: int, resamples: int = 1000
) -> dict:
    """`classification_metrics` with their 95% intervals from a bootstrap over source groups (`statistics.bootstrap`).

    Returns:
        {"n": images, "groups": sources, name: {"value": v, "low": l, "high": h}, ...}; None for what needs a class
        that no picture has (`one_class_note` says it in words).
    """
    metrics = bootstrap(
        lambda index: classification_metrics(probability_fake[index], labels[index]), labels, groups, seed, resamples
    )
    return {"n": len(labels), "groups": len(set(groups)), **metrics}


def paired_difference(
    one: np.ndarray, other: np.ndarray, labels: np.ndarray, groups: list[str], seed: int, resamples: int = 1000
) -> dict:
    """AUROC of `one` minus AUROC of `other`, two classifiers' P(fake) [N] of the same pictures, with its 95% interval.

    Each bootstrap draw takes the same groups for both, so that pictures that are hard for both cancel out (paired
    bootstrap, Efron & Tibshirani 1993). The interval of the difference is more informative than the overlap of two
    intervals.

    Returns:
        {"value", "low", "high"}; None where the pictures are of one class.

    Raises:
        ValueError: the numbers of probabilities and labels differ.
    """
    if not len(one) == len(other) == len(labels):
        raise ValueError(
            f"{len(one)} and {len(other)} probabilities for {len(labels)} images. "
            "Compare classifiers on the same test images."
        )
    both = np.stack([one, other])

    def difference(index: np.ndarray) -> dict[str, float]:
        first, second = auroc(both[:, index], labels[index])
        return {"auroc": first - second}

    return bootstrap(difference, labels, groups, seed, resamples)["auroc"]


def curves(probability_fake: np.ndarray, labels: np.ndarray) -> dict:
    """Data for figures: the confusion matrix [[real→real, real→fake], [fake→real, fake→fake]] and the ROC curve, which
    is None where one class is missing."""
    confusion = confusion_matrix(labels, probability_fake >= 0.5, labels=[0, 1]).tolist()
    if len(np.unique(labels)) < 2:
        return {"confusion": confusion, "roc": None}
    false_positive, true_positive, _ = roc_curve(labels, probability_fake)
    roc = {"fpr": false_positive.round(4).tolist(), "tpr": true_positive.round(4).tolist()}
    return {"confusion": confusion, "roc": roc}
