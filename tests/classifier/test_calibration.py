"""Probabilities that mean what they say, a band of verdicts that are not worth having, and comparisons that do not overclaim."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from aireal.classifier import calibration, model
from aireal.classifier import metrics as evaluate
from aireal.classifier.evaluate import compare, fingerprint_of
from aireal.dataset.manifest import Item
from aireal.explain.predictor import Predictor
from aireal.figures import classifier as plots
from aireal.figures import panel
from aireal.reporting.tables.classifiers import support
from aireal.stages.explain import explain_paths
from helpers.images import encoded, write


def calibrated_data(n: int, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels that occur just as often as the probabilities say."""
    rng = np.random.default_rng(seed)
    fake = 1 / (1 + np.exp(-spread * rng.normal(size=n)))
    return fake, (rng.random(n) < fake).astype(int)


def logits_of(fake: np.ndarray, temperature: float = 1.0, bias: float = 0.0) -> torch.Tensor:
    """Logits that this temperature and bias turn into the probabilities."""
    margin = torch.tensor((np.log(fake / (1 - fake)) - bias) * temperature)
    return torch.stack([torch.zeros_like(margin), margin], 1)


def alone(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_ece_is_zero_when_the_probabilities_are_true_and_the_gap_when_they_are_not():
    fake, labels = calibrated_data(200_000)
    assert evaluate.calibration_error(fake, labels) < 0.005
    sure = np.full(1000, 0.9)
    assert evaluate.calibration_error(sure, (np.arange(1000) % 10 < 6).astype(int)) == pytest.approx(0.3)


def test_what_chance_alone_does_to_the_ece_of_few_pictures():
    inside = []
    for seed in range(20):
        fake, labels = calibrated_data(200, seed)
        floor = calibration.error_if_calibrated(fake, seed=1, draws=200)
        inside.append(floor["low"] <= evaluate.calibration_error(fake, labels) <= floor["high"])
    assert sum(inside) >= 16, "an honest classifier lies in the range nearly always"
    bold = 1 / (1 + np.exp(-4 * np.log(fake / (1 - fake))))
    assert evaluate.calibration_error(bold, labels) > calibration.error_if_calibrated(bold, seed=1, draws=200)["high"]


def test_temperature_alone_recovers_the_temperature_and_leaves_every_verdict():
    fake, labels = calibrated_data(20_000)
    logits = logits_of(fake, temperature=2.5)
    found = evaluate.fit_calibration(logits, torch.tensor(labels), with_bias=False)
    assert found == (pytest.approx(2.5, rel=0.05), 0.0)
    assert ((evaluate.calibrated(logits, *found) >= 0.5) == (evaluate.calibrated(logits, 1, 0) >= 0.5)).all()


def test_the_report_before_and_after():
    fake, labels = calibrated_data(1500)
    logits = logits_of(fake, temperature=3.0, bias=0.8)
    fits = {
        "uncalibrated": (1.0, 0.0),
        "temperature": evaluate.fit_calibration(logits, torch.tensor(labels), with_bias=False),
        "platt": evaluate.fit_calibration(logits, torch.tensor(labels)),
    }
    assert fits["platt"] == (pytest.approx(3.0, rel=0.15), pytest.approx(0.8, abs=0.15))
    found = calibration.calibration_report(logits, labels, alone(1500), fits, seed=1)
    for name in ("nll", "brier"):  # proper scores; ECE, which averages over both classes, hardly sees the bias
        assert (
            found["platt"][name]["value"] < found["temperature"][name]["value"] < found["uncalibrated"][name]["value"]
        ), name
    assert max(found[name]["ece"]["value"] for name in ("platt", "temperature")) < found["uncalibrated"]["ece"]["low"]
    accuracy = {name: row["accuracy"]["value"] for name, row in found.items()}
    assert accuracy["temperature"] == accuracy["uncalibrated"] < accuracy["platt"]
    assert found["platt"]["ece"]["value"] < found["platt"]["ece_if_calibrated"]["high"]
    after = evaluate.calibrated(logits, *fits["platt"])
    assert found["platt"]["nll"]["value"] == pytest.approx(log_loss(labels, after), abs=1e-4)
    assert found["platt"]["brier"]["value"] == pytest.approx(brier_score_loss(labels, after), abs=1e-4)
    bins = found["platt"]["reliability"]
    assert sum(b["n"] for b in bins) == 1500
    assert sum(abs(b["confidence"] - b["accuracy"]["value"]) * b["n"] for b in bins) / 1500 == pytest.approx(
        found["platt"]["ece"]["value"], abs=2e-4
    )
    assert all(b["accuracy"]["low"] <= b["accuracy"]["value"] <= b["accuracy"]["high"] for b in bins)
    assert json.loads(json.dumps(found)) == found
    plots.plot_reliability({"calibration": found})


def test_the_uncertain_band_keeps_its_target_and_no_wider_one_would():
    fake, labels = calibrated_data(20_000)
    band = calibration.fit_uncertain_band(fake, labels, target_error=0.10)
    fresh, truth = calibrated_data(20_000, seed=9)
    certain = ~calibration.uncertain(fresh, band)
    wrong = (fresh >= 0.5) != truth
    assert 0.5 < band < 1 and wrong[certain].mean() == pytest.approx(0.10, abs=0.01) and wrong[~certain].mean() > 0.25
    wider = ~calibration.uncertain(fake, band - 0.02)
    assert ((fake >= 0.5) != labels)[wider].mean() > 0.10


def test_no_band_where_all_verdicts_are_good_enough_and_the_best_one_where_none_are():
    fake, labels = calibrated_data(500, spread=9)
    assert calibration.fit_uncertain_band(fake, labels) == 0.5 and not calibration.uncertain(fake, 0.5).any()
    guessed, truth = np.random.default_rng(0).random(400), np.random.default_rng(1).integers(0, 2, 400)
    band = calibration.fit_uncertain_band(guessed, truth, target_error=0.05)
    kept = ~calibration.uncertain(guessed, band)
    assert kept.mean() >= 0.30 and ((guessed >= 0.5) != truth)[kept].mean() > 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10**6), st.sampled_from([0.05, 0.1, 0.3]))
def test_a_band_always_leaves_enough_verdicts_and_meets_the_target_if_one_can(n, seed, target):
    fake, labels = calibrated_data(n, seed)
    band = calibration.fit_uncertain_band(fake, labels, target)
    confidence, wrong = np.maximum(fake, 1 - fake), (fake >= 0.5) != labels
    kept = confidence >= band
    assert 0.5 <= band <= 1 and kept.mean() >= 0.30
    reachable = [wrong[confidence >= c].mean() for c in confidence if (confidence >= c).mean() >= 0.30]
    assert wrong[kept].mean() <= max(target, min(reachable)) + 1e-9


def test_risk_and_coverage_of_cases_whose_answer_is_known():
    confidence = np.linspace(0.99, 0.51, 10)
    late, early = (np.arange(10) >= 8), (np.arange(10) < 2)
    coverage, risk = calibration.risk_coverage(confidence, late)
    assert (
        coverage.tolist() == [k / 10 for k in range(1, 11)]
        and (np.diff(risk) >= 0).all()
        and risk[7] == 0
        and risk[-1] == pytest.approx(0.2)
    )
    assert (np.diff(calibration.risk_coverage(confidence, early)[1]) <= 0).all()
    assert risk.mean() < calibration.risk_coverage(confidence, early)[1].mean()
    same = calibration.risk_coverage(np.full(10, 0.8), early)[1]
    assert same == pytest.approx(np.full(10, 0.2)), "equal confidence says nothing, whatever the order of the pictures"


def test_the_band_by_hand():
    fake, labels = np.array([0.95, 0.9, 0.55, 0.05, 0.1, 0.45]), np.array([1, 0, 0, 0, 0, 1])
    found = calibration.selective(fake, labels, alone(6), 0.7, seed=1)
    assert found["n_certain"] == 4 and found["coverage"]["value"] == pytest.approx(4 / 6, abs=1e-4)
    assert (
        found["error_certain"]["value"] == 0.25
        and found["error_uncertain"]["value"] == 1
        and found["error"]["value"] == 0.5
    )
    none = calibration.selective(fake, labels, alone(6), 0.5, seed=1)
    assert none["coverage"]["value"] == 1 and none["error_uncertain"] == {"value": None, "low": None, "high": None}
    for shown in (found, none):
        plots.plot_risk_coverage(
            {
                "selective": {
                    "target_error": 0.1,
                    "validation": {"target_reached": False},
                    **json.loads(json.dumps(shown)),
                }
            }
        )


def test_a_classifier_differs_from_itself_by_exactly_nothing():
    fake, labels = calibrated_data(100)
    assert evaluate.paired_difference(fake, fake.copy(), labels, [str(i // 4) for i in range(100)], seed=1) == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
    }


def test_a_paired_difference_sees_what_two_intervals_hide():
    fake, labels = calibrated_data(200, spread=1.0)
    better = np.clip(fake + 0.04 * (2 * labels - 1), 0, 1)
    groups = [str(i // 2) for i in range(200)]
    one, other = (evaluate.with_intervals(f, labels, groups, seed=1)["auroc"] for f in (better, fake))
    found = evaluate.paired_difference(better, fake, labels, groups, seed=1)
    assert one["low"] < other["high"], "the intervals overlap"
    assert 0 < found["low"] <= found["value"] <= found["high"]
    assert found["value"] == pytest.approx(roc_auc_score(labels, better) - roc_auc_score(labels, fake), abs=1e-4)
    with pytest.raises(ValueError, match="same test images"):
        evaluate.paired_difference(better[:-1], fake, labels, groups, seed=1)


ITEMS = [Item(f"test/{i}.jpg", "", i % 2, "test", f"g{i // 3}") for i in range(120)]


def report(
    architecture: str, weights: str, strength: float, seed: int, items: list[Item] = ITEMS, images: int = 1000
) -> dict:
    noise = np.random.default_rng(seed).normal(size=len(items))
    fake = 1 / (1 + np.exp(-(noise + strength * np.array([2 * i.label - 1 for i in items]))))
    return {
        "architecture": architecture,
        "initial_weights": weights,
        "images_seen": images,
        "training_seconds": 10,
        "cost": {"gmacs": 3.0},
        "test_images": fingerprint_of(items),
        "probabilities": fake.round(4).tolist(),
    }


def test_like_is_compared_with_like_and_sentences_say_no_more_than_the_intervals():
    reports = {
        "rexnet150": report("rexnet_150", "random", 0.30, 1),
        "vit": report("vit_tiny", "random", 0.28, 2, images=700),
        "resnet34_random": report("resnet34", "random", 0.32, 3),
        "resnet34": report("resnet34", "backbone (this repository)", 2.0, 4),
    }
    found = compare(ITEMS, reports, seed=1)
    pairs = {(p["one"], p["other"]): p for p in found["pairs"]}
    assert set(pairs) == {
        ("resnet34", "rexnet150"),
        ("resnet34", "vit"),
        ("resnet34", "resnet34_random"),
        ("resnet34_random", "rexnet150"),
        ("resnet34_random", "vit"),
    }
    assert [names for names, p in pairs.items() if p["alike"]] == [
        ("resnet34_random", "rexnet150"),
        ("resnet34_random", "vit"),
    ]
    assert pairs["resnet34_random", "rexnet150"]["same_budget"] and not pairs["resnet34_random", "vit"]["same_budget"]
    english, korean = support(found, "en"), support(found, "ko")
    alike, used, weights, cost = english.split(". ")
    assert "random weights, but not as many images seen" in alike and "do not decide it" in alike
    assert "support resnet34" in used and "support backbone" in weights and "resnet34 3.00" in cost
    assert "정할 수 없습니다" in korean and "resnet34 쪽을 뒷받침합니다" in korean and "무작위" in korean
    strong = {"vit": report("vit_tiny", "random", 3.0, 2), "resnet34": report("resnet34", "random", 0.1, 4)}
    said = support(compare(ITEMS, strong, seed=1), "en")
    assert "speak against resnet34" in said and "With the initial weights in use" not in said, (
        "alike already, so nothing is left to add"
    )


def test_reports_of_other_images_are_not_compared():
    reports = {"vit": report("vit_tiny", "random", 1, 1, ITEMS[:60]), "resnet34": report("resnet34", "random", 1, 2)}
    with pytest.raises(ValueError, match="vit is of other test images"):
        compare(ITEMS, reports, seed=1)
    with pytest.raises(ValueError, match="run notebook 03"):
        compare(ITEMS, {"vit": reports["vit"]}, seed=1)


def test_an_uncertain_verdict_is_called_so_wherever_a_user_looks(smoke_run, tmp_path, photograph, capsys):
    image = write(tmp_path / "a.png", encoded(photograph, "PNG"))
    net, config = model.load(smoke_run.data.model)
    for below, expected in ((0.5, False), (1.0, True)):
        model.save(net, dataclasses.replace(config, uncertain_below=below), tmp_path / "model", history=[])
        with Predictor(tmp_path / "model", smoke_run.device) as predictor:
            explain_paths([image], tmp_path / "out", predictor, None, 0, tmp_path / f"{expected}.jsonl")
            record = predictor.look(["a.png"], [photograph])[0].record
        assert json.loads((tmp_path / f"{expected}.jsonl").read_text(encoding="utf-8"))["uncertain"] is expected
        assert ("% (uncertain)  " in capsys.readouterr().out) is expected
        assert record.uncertain is expected and type(record).from_dict(json.loads(record.to_json())) == record
        assert (
            panel.verdict_line(record, "ko").endswith(" · 불확실") is expected
            and panel.verdict_line(record, "en").endswith(" · uncertain") is expected
        )
