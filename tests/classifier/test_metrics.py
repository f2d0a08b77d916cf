"""Metrics checked by hand, calibration that recovers a planted error, and intervals that cover the value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from aireal.classifier.metrics import (
    calibrated,
    calibration_error,
    classification_metrics,
    fit_calibration,
    paired_difference,
    with_intervals,
)
from helpers.probabilities import calibrated_data, logits_of


def overconfident_logits(n: int = 20000, factor: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `factor` times too large for the frequency with which they are correct, and labels."""
    true = torch.randn(n) * 1.5
    labels = (torch.rand(n) < true.sigmoid()).long()
    return torch.stack([-true, true], 1) / 2 * factor, labels


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.5])
def test_calibration_recovers_overconfidence_and_shift(shift):
    logits, labels = overconfident_logits(factor=3.0)
    logits = logits + torch.tensor([0.0, 3.0 * shift])  # a classifier biased to one class
    temperature, bias = fit_calibration(logits, labels)
    assert temperature == pytest.approx(3.0, rel=0.12)
    assert bias == pytest.approx(-shift, abs=0.15)
    before, after = (
        classification_metrics(calibrated(logits, *fit), labels.numpy()) for fit in ((1.0, 0.0), (temperature, bias))
    )
    assert after["ece"] < 0.03 < before["ece"]
    assert after["auroc"] == pytest.approx(before["auroc"], abs=1e-4)
    assert abs(after["accuracy_real"] - after["accuracy_fake"]) < 0.05, "one half is the threshold again"


def test_a_perfectly_separated_validation_set_does_not_lead_to_certainty():
    labels = torch.tensor([0] * 20 + [1] * 20)
    margin = torch.where(labels == 1, 2.0, -2.0)
    logits = torch.stack([torch.zeros(40), margin], 1)
    fake = calibrated(logits, *fit_calibration(logits, labels))
    assert 0.9 < fake[-1] < 0.99


def test_temperature_alone_recovers_the_temperature_and_changes_no_verdict():
    fake, labels = calibrated_data(20_000)
    logits = logits_of(fake, temperature=2.5)
    fit = fit_calibration(logits, torch.tensor(labels), with_bias=False)
    assert fit == (pytest.approx(2.5, rel=0.05), 0.0)
    assert ((calibrated(logits, *fit) >= 0.5) == (calibrated(logits, 1, 0) >= 0.5)).all()


def test_metrics_by_hand():
    metrics = classification_metrics(np.array([0.9, 0.8, 0.3, 0.6]), np.array([1, 1, 0, 0]))
    assert metrics["auroc"] == 1
    assert metrics["accuracy"] == 0.75
    assert metrics["accuracy_real"] == 0.5
    assert metrics["accuracy_fake"] == 1
    assert metrics["ece"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)


def test_ece_is_zero_for_true_probabilities_and_the_gap_otherwise():
    fake, labels = calibrated_data(200_000)
    assert calibration_error(fake, labels) < 0.005
    sure = np.full(1000, 0.9)
    assert calibration_error(sure, (np.arange(1000) % 10 < 6).astype(int)) == pytest.approx(0.3)


def test_intervals_cover_the_value_and_are_wider_when_pictures_share_sources():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    scores = 1 / (1 + np.exp(-(labels * 1.0 + np.repeat(rng.normal(size=20), 10))))
    alone = with_intervals(scores, labels, [str(i) for i in range(200)], seed=1)
    shared = with_intervals(scores, labels, [str(i // 10) for i in range(200)], seed=1)
    assert shared["groups"] == 20
    assert shared["auroc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    for auroc in (alone["auroc"], shared["auroc"]):
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
    width_alone, width_shared = (m["auroc"]["high"] - m["auroc"]["low"] for m in (alone, shared))
    assert width_shared > 1.5 * width_alone


def test_a_classifier_differs_from_itself_by_exactly_nothing():
    fake, labels = calibrated_data(100)
    difference = paired_difference(fake, fake.copy(), labels, [str(i // 4) for i in range(100)], seed=1)
    assert difference == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_paired_difference_decides_where_two_intervals_overlap():
    fake, labels = calibrated_data(200, spread=1.0)
    better = np.clip(fake + 0.04 * (2 * labels - 1), 0, 1)
    groups = [str(i // 2) for i in range(200)]
    one, other = (with_intervals(f, labels, groups, seed=1)["auroc"] for f in (better, fake))
    difference = paired_difference(better, fake, labels, groups, seed=1)
    assert one["low"] < other["high"], "the intervals overlap"
    assert 0 < difference["low"] <= difference["value"] <= difference["high"]
    expected = roc_auc_score(labels, better) - roc_auc_score(labels, fake)
    assert difference["value"] == pytest.approx(expected, abs=1e-4)


def test_a_paired_difference_needs_the_same_pictures():
    fake, labels = calibrated_data(200)
    with pytest.raises(ValueError, match="same test images"):
        paired_difference(fake[:-1], fake, labels, [str(i) for i in range(200)], seed=1)
