"""What a classifier is worth: figures with 95% intervals, and its calibration."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve


def calibrated(logits: torch.Tensor, temperature: float, bias: float) -> np.ndarray:
    """P(fake) [N] of logits [N, 2] (real, fake)."""
    return ((logits[:, 1] - logits[:, 0]).float() / temperature + bias).sigmoid().cpu().numpy()


def fit_calibration(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Temperature (0.05..20) and bias (-5..5) that minimise the negative log-likelihood of validation labels.

    Platt 1999, "Probabilistic Outputs for Support Vector Machines", with his smoothed targets, which keep a perfectly separated
    validation set from asking for certainty.
    """
    margin = (logits[:, 1] - logits[:, 0]).double().numpy()
    truth = labels.numpy()
    fakes, reals = truth.sum(), (1 - truth).sum()
    target = np.where(truth == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))

    def loss(x: np.ndarray) -> float:
        z = margin / np.exp(x[0]) + x[1]
        return float(np.mean(np.logaddexp(0, z) - target * z))

    found = minimize(loss, x0=[0.0, 0.0], bounds=[(np.log(0.05), np.log(20)), (-5, 5)])
    return round(float(np.exp(found.x[0])), 4), round(float(found.x[1]), 4)


def calibration_error(probability_fake: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of the verdict's probability with equal-width bins over 0.5..1 (Naeini et al. 2015)."""
    confidence = np.maximum(probability_fake, 1 - probability_fake)
    right = (probability_fake >= 0.5) == labels
    which = np.clip(((confidence - 0.5) * 2 * bins).astype(int), 0, bins - 1)
    gaps = [abs(confidence[which == b].mean() - right[which == b].mean()) * (which == b).sum() for b in range(bins) if (which == b).any()]
    return float(sum(gaps) / len(labels))


def figures(probability_fake: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """AUROC, average precision, accuracy (all, real, fake) and ECE of P(fake) [N] against labels [N] (1 fake)."""
    guess = probability_fake >= 0.5
    return {
        "auroc": float(roc_auc_score(labels, probability_fake)),
        "average_precision": float(average_precision_score(labels, probability_fake)),
        "accuracy": float((guess == labels).mean()),
        "accuracy_real": float((~guess[labels == 0]).mean()),
        "accuracy_fake": float(guess[labels == 1].mean()),
        "ece": calibration_error(probability_fake, labels),
    }


def with_intervals(probability_fake: np.ndarray, labels: np.ndarray, groups: list[str], seed: int, resamples: int = 1000) -> dict:
    """`figures` and their 95% percentile intervals from a bootstrap over source groups, within each class.

    Pictures of one source are not independent, so groups are drawn, not pictures (cluster bootstrap, Davison & Hinkley 1997).

    Returns:
        {"n": images, "groups": sources, name: {"value": v, "low": l, "high": h}, ...}
    """
    rng = np.random.default_rng(seed)
    names = np.array(groups)
    members = {label: [np.nonzero((names == g) & (labels == label))[0] for g in np.unique(names[labels == label])] for label in (0, 1)}
    draws = []
    for _ in range(resamples):
        index = np.concatenate([np.concatenate([m[k] for k in rng.integers(0, len(m), len(m))]) for m in members.values()])
        draws.append(list(figures(probability_fake[index], labels[index]).values()))
    low, high = np.percentile(np.array(draws), [2.5, 97.5], axis=0)
    value = figures(probability_fake, labels)
    return {"n": len(labels), "groups": len(set(groups))} | {
        name: {"value": round(v, 4), "low": round(float(a), 4), "high": round(float(b), 4)}
        for (name, v), a, b in zip(value.items(), low, high)
    }


def curves(probability_fake: np.ndarray, labels: np.ndarray) -> dict:
    """What the figures of a notebook draw: the confusion matrix [[real→real, real→fake], [fake→real, fake→fake]] and the ROC."""
    false_positive, true_positive, _ = roc_curve(labels, probability_fake)
    return {
        "confusion": confusion_matrix(labels, probability_fake >= 0.5, labels=[0, 1]).tolist(),
        "roc": {"fpr": false_positive.round(4).tolist(), "tpr": true_positive.round(4).tolist()},
    }
