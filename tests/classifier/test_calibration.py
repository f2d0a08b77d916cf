"""Probabilities that are calibrated, and a band of verdicts that are uncertain."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from aireal.classifier import calibration, model
from aireal.classifier.metrics import calibrated, calibration_error, fit_calibration
from aireal.explain.predictor import Predictor
from aireal.figures import classifier as plots
from aireal.figures import panel
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from helpers.images import encoded, write
from helpers.probabilities import calibrated_data, logits_of, own_groups


def test_the_ece_that_chance_alone_gives_to_few_pictures():
    inside = []
    for seed in range(20):
        fake, labels = calibrated_data(200, seed)
        chance = calibration.error_if_calibrated(fake, seed=1, draws=200)
        inside.append(chance["low"] <= calibration_error(fake, labels) <= chance["high"])
    assert sum(inside) >= 16, "a calibrated classifier is in the range nearly always"
    overconfident = 1 / (1 + np.exp(-4 * np.log(fake / (1 - fake))))
    chance = calibration.error_if_calibrated(overconfident, seed=1, draws=200)
    assert calibration_error(overconfident, labels) > chance["high"]


@pytest.fixture(scope="module")
def miscalibrated() -> tuple[np.ndarray, torch.Tensor, dict, dict]:
    """Labels, logits with a planted temperature of 3 and bias of 0.8, fits, and the metrics of the fits."""
    fake, labels = calibrated_data(1500)
    logits = logits_of(fake, temperature=3.0, bias=0.8)
    fits = {
        "uncalibrated": (1.0, 0.0),
        "temperature": fit_calibration(logits, torch.tensor(labels), with_bias=False),
        "platt": fit_calibration(logits, torch.tensor(labels)),
    }
    metrics = calibration.calibration_metrics(logits, labels, own_groups(1500), fits, seed=1)
    return labels, logits, fits, metrics


def test_each_calibration_is_better_than_the_one_before(miscalibrated):
    _, _, fits, metrics = miscalibrated
    assert fits["platt"] == (pytest.approx(3.0, rel=0.15), pytest.approx(0.8, abs=0.15))
    for name in ("nll", "brier"):  # proper scores; ECE averages over both classes and hardly depends on the bias
        values = [metrics[fit][name]["value"] for fit in ("platt", "temperature", "uncalibrated")]
        assert values[0] < values[1] < values[2], name
    for fit in ("platt", "temperature"):
        assert metrics[fit]["ece"]["value"] < metrics["uncalibrated"]["ece"]["low"]
    accuracy = {name: row["accuracy"]["value"] for name, row in metrics.items()}
    assert accuracy["temperature"] == accuracy["uncalibrated"] < accuracy["platt"]
    assert metrics["platt"]["ece"]["value"] < metrics["platt"]["ece_if_calibrated"]["high"]


def test_nll_and_brier_agree_with_scikit_learn(miscalibrated):
    labels, logits, fits, metrics = miscalibrated
    fake = calibrated(logits, *fits["platt"])
    assert metrics["platt"]["nll"]["value"] == pytest.approx(log_loss(labels, fake), abs=1e-4)
    assert metrics["platt"]["brier"]["value"] == pytest.approx(brier_score_loss(labels, fake), abs=1e-4)


def test_the_reliability_diagram_adds_up_to_the_ece(miscalibrated):
    metrics = miscalibrated[3]
    bins = metrics["platt"]["reliability"]
    assert sum(b["n"] for b in bins) == 1500
    gaps = sum(abs(b["confidence"] - b["accuracy"]["value"]) * b["n"] for b in bins) / 1500
    assert gaps == pytest.approx(metrics["platt"]["ece"]["value"], abs=2e-4)
    assert all(b["accuracy"]["low"] <= b["accuracy"]["value"] <= b["accuracy"]["high"] for b in bins)
    assert json.loads(json.dumps(metrics)) == metrics
    plots.plot_reliability({"calibration": metrics})


def test_the_uncertain_band_reaches_its_target_and_no_smaller_one_would():
    fake, labels = calibrated_data(20_000)
    band = calibration.fit_uncertain_band(fake, labels, target_error=0.10)
    new_fake, new_labels = calibrated_data(20_000, seed=9)
    certain = ~calibration.uncertain(new_fake, band)
    wrong = (new_fake >= 0.5) != new_labels
    assert 0.5 < band < 1
    assert wrong[certain].mean() == pytest.approx(0.10, abs=0.01)
    assert wrong[~certain].mean() > 0.25
    certain_with_less = ~calibration.uncertain(fake, band - 0.02)
    assert ((fake >= 0.5) != labels)[certain_with_less].mean() > 0.10


def test_there_is_no_band_where_all_verdicts_are_good_enough():
    fake, labels = calibrated_data(500, spread=9)
    assert calibration.fit_uncertain_band(fake, labels) == 0.5
    assert not calibration.uncertain(fake, 0.5).any()


def test_the_band_is_the_best_one_where_none_reaches_the_target():
    guesses, labels = np.random.default_rng(0).random(400), np.random.default_rng(1).integers(0, 2, 400)
    band = calibration.fit_uncertain_band(guesses, labels, target_error=0.05)
    certain = ~calibration.uncertain(guesses, band)
    assert certain.mean() >= 0.30
    assert ((guesses >= 0.5) != labels)[certain].mean() > 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10**6), st.sampled_from([0.05, 0.1, 0.3]))
def test_a_band_always_leaves_enough_verdicts_and_reaches_the_target_if_one_can(n, seed, target):
    fake, labels = calibrated_data(n, seed)
    band = calibration.fit_uncertain_band(fake, labels, target)
    confidence, wrong = np.maximum(fake, 1 - fake), (fake >= 0.5) != labels
    certain = confidence >= band
    assert 0.5 <= band <= 1
    assert certain.mean() >= 0.30
    reachable = [wrong[confidence >= c].mean() for c in confidence if (confidence >= c).mean() >= 0.30]
    assert wrong[certain].mean() <= max(target, min(reachable)) + 1e-9


def test_risk_and_coverage_of_cases_whose_answer_is_known():
    confidence = np.linspace(0.99, 0.51, 10)
    least_confident, most_confident = (np.arange(10) >= 8), (np.arange(10) < 2)
    coverage, risk = calibration.risk_coverage(confidence, least_confident)
    assert coverage.tolist() == [k / 10 for k in range(1, 11)]
    assert (np.diff(risk) >= 0).all()
    assert risk[7] == 0
    assert risk[-1] == pytest.approx(0.2)
    worse_risk = calibration.risk_coverage(confidence, most_confident)[1]
    assert (np.diff(worse_risk) <= 0).all()
    assert risk.mean() < worse_risk.mean()
    equal = calibration.risk_coverage(np.full(10, 0.8), most_confident)[1]
    assert equal == pytest.approx(np.full(10, 0.2)), "equal confidence carries no information, in any order of pictures"


def test_the_band_by_hand():
    fake, labels = np.array([0.95, 0.9, 0.55, 0.05, 0.1, 0.45]), np.array([1, 0, 0, 0, 0, 1])
    band = calibration.selective_metrics(fake, labels, own_groups(6), 0.7, seed=1)
    assert band["n_certain"] == 4
    assert band["coverage"]["value"] == pytest.approx(4 / 6, abs=1e-4)
    assert band["error_certain"]["value"] == 0.25
    assert band["error_uncertain"]["value"] == 1
    assert band["error"]["value"] == 0.5
    no_band = calibration.selective_metrics(fake, labels, own_groups(6), 0.5, seed=1)
    assert no_band["coverage"]["value"] == 1
    assert no_band["error_uncertain"] == {"value": None, "low": None, "high": None}
    for metrics in (band, no_band):
        stored = {"target_error": 0.1, "validation": {"target_reached": False}, **json.loads(json.dumps(metrics))}
        plots.plot_risk_coverage({"selective": stored})


def test_an_uncertain_verdict_is_marked_wherever_a_user_looks(smoke_run, tmp_path, photograph, capsys):
    image = write(tmp_path / "a.png", encoded(photograph, "PNG"))
    network, config = model.load(smoke_run.data.model)
    for below, expected in ((0.5, False), (1.0, True)):
        model.save(network, dataclasses.replace(config, uncertain_below=below), tmp_path / "model", history=[])
        with Explainer(Predictor(tmp_path / "model", smoke_run.device), lime_samples=0) as explainer:
            explain_files([image], tmp_path / "out", explainer, tmp_path / f"{expected}.jsonl")
            record = explainer.predictor.predict(["a.png"], [photograph])[0].record
        assert json.loads((tmp_path / f"{expected}.jsonl").read_text(encoding="utf-8"))["uncertain"] is expected
        assert ("% (uncertain)  " in capsys.readouterr().out) is expected
        assert record.uncertain is expected
        assert type(record).from_dict(json.loads(record.to_json())) == record
        assert panel.verdict_line(record, "ko").endswith(" · 불확실") is expected
        assert panel.verdict_line(record, "en").endswith(" · uncertain") is expected
