"""The metrics of a trained classifier, and comparisons that claim no more than their intervals."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from aireal.classifier.cost import cost
from aireal.classifier.evaluate import compare, evaluate_classifier, fingerprint_of
from aireal.classifier.train import ensure_classifier
from aireal.dataset.manifest import Item, load_items
from aireal.figures import classifier as plots
from aireal.reporting.tables.classifiers import support

ITEMS = [Item(f"test/{i}.jpg", "", i % 2, "test", f"g{i // 3}") for i in range(120)]


@pytest.fixture(scope="module")
def metrics(smoke_run):
    items = load_items(smoke_run.data, "test", smoke_run.profile.limit)
    return evaluate_classifier(smoke_run, ensure_classifier(smoke_run), items)


def test_a_stored_classifier_is_used_again(smoke_run, capsys):
    assert ensure_classifier(smoke_run).reused
    assert "is used. retrain=True trains a new one" in capsys.readouterr().out


def test_the_cost_is_that_of_a_process_without_other_work(smoke_run, metrics):
    measured, config = metrics["cost"], ensure_classifier(smoke_run).config
    assert measured == cost(config, smoke_run.profile, smoke_run.device), "cached for the session"
    weights = measured["parameters"] * 4 / 2**30
    assert measured["parameters"] == 21_285_698
    assert (measured["image_size"], measured["crop"], measured["train_batch"]) == (96, 64, 8)
    assert weights < measured["predict_peak_memory_gib"] < 6 * weights, "weights, and activations of small pictures"
    # weights, gradients, two averages of AdamW, activations
    assert 4 * weights < measured["train_peak_memory_gib"] < 8 * weights
    assert measured["train_images_per_second"] > 0
    assert measured["predict_images_per_second"] > 0


def test_a_cost_that_cannot_be_measured_names_the_architecture(smoke_run):
    config = dataclasses.replace(ensure_classifier(smoke_run).config, architecture="no_such_net")
    with pytest.raises(RuntimeError, match="no_such_net could not be measured"):
        cost(config, smoke_run.profile, smoke_run.device)


def test_metrics_hold_what_notebooks_show(smoke_run, metrics):
    trained, items = ensure_classifier(smoke_run), load_items(smoke_run.data, "test", smoke_run.profile.limit)
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["images_seen"] == 8
    assert metrics["initial_weights"] == trained.config.initial_weights
    assert len(metrics["probabilities"]) == len(items)
    labels = np.array([i.label for i in items])
    auroc = roc_auc_score(labels, metrics["probabilities"])
    assert metrics["test"]["auroc"]["value"] == pytest.approx(auroc, abs=1e-3)


def test_metrics_hold_three_calibrations_and_the_band(smoke_run, metrics):
    config, rows, band = ensure_classifier(smoke_run).config, metrics["calibration"], metrics["selective"]
    assert (rows["uncalibrated"]["temperature"], rows["uncalibrated"]["bias"]) == (1, 0)
    assert rows["temperature"]["bias"] == 0
    assert (rows["platt"]["temperature"], rows["platt"]["bias"]) == (config.temperature, config.bias)
    assert rows["platt"]["ece"]["value"] == metrics["test"]["ece"]["value"]
    assert band["uncertain_below"] == config.uncertain_below
    assert band["validation"]["target_reached"] == (band["validation"]["error_certain"] <= band["target_error"])


def test_metrics_can_be_compared_and_drawn(smoke_run, metrics):
    items = load_items(smoke_run.data, "test", smoke_run.profile.limit)
    comparison = compare(items, {"resnet34": metrics, "again": metrics}, seed=7)
    assert [p["difference"] for p in comparison["pairs"]] == [{"value": 0.0, "low": 0.0, "high": 0.0}]
    for plot in (plots.plot_evaluation, plots.plot_reliability, plots.plot_risk_coverage):
        plot(metrics)
    figure = plots.plot_comparison({"resnet34": metrics, "again": metrics})
    figure.canvas.draw()
    assert [axes.get_xlabel() for axes in figure.axes] == ["GMACs per picture", "seconds of training, probe included"]


def made_up_metrics(
    architecture: str, weights: str, strength: float, seed: int, items: list[Item] = ITEMS, images: int = 1000
) -> dict:
    """Metrics of a classifier whose scores separate the classes with this strength."""
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


CLASSIFIERS = {
    "rexnet150": made_up_metrics("rexnet_150", "random", 0.30, 1),
    "vit": made_up_metrics("vit_tiny", "random", 0.28, 2, images=700),
    "resnet34_random": made_up_metrics("resnet34", "random", 0.32, 3),
    "resnet34": made_up_metrics("resnet34", "backbone (this repository)", 2.0, 4),
}


def test_like_is_compared_with_like():
    pairs = {(p["one"], p["other"]): p for p in compare(ITEMS, CLASSIFIERS, seed=1)["pairs"]}
    assert set(pairs) == {
        ("resnet34", "rexnet150"),
        ("resnet34", "vit"),
        ("resnet34", "resnet34_random"),
        ("resnet34_random", "rexnet150"),
        ("resnet34_random", "vit"),
    }
    alike = [names for names, pair in pairs.items() if pair["alike"]]
    assert alike == [("resnet34_random", "rexnet150"), ("resnet34_random", "vit")]
    assert pairs["resnet34_random", "rexnet150"]["same_budget"]
    assert not pairs["resnet34_random", "vit"]["same_budget"]


def test_sentences_claim_no_more_than_the_intervals():
    comparison = compare(ITEMS, CLASSIFIERS, seed=1)
    english, korean = support(comparison, "en"), support(comparison, "ko")
    alike, used, weights, cost_sentence = english.split(". ")
    assert "(random, but not as many images seen)" in alike
    assert "do not decide it" in alike
    assert "support resnet34" in used
    assert "support backbone" in weights
    assert "resnet34 3.00" in cost_sentence
    assert "정할 수 없습니다" in korean
    assert "resnet34 쪽을 뒷받침합니다" in korean
    assert "무작위" in korean


def test_a_comparison_can_speak_against_the_chosen_classifier():
    classifiers = {
        "vit": made_up_metrics("vit_tiny", "random", 3.0, 2),
        "resnet34": made_up_metrics("resnet34", "random", 0.1, 4),
    }
    sentences = support(compare(ITEMS, classifiers, seed=1), "en")
    assert "speak against resnet34" in sentences
    assert "As it is used" not in sentences, "the pair is alike, so nothing is left to add"


def test_metrics_of_other_images_are_not_compared():
    classifiers = {
        "vit": made_up_metrics("vit_tiny", "random", 1, 1, ITEMS[:60]),
        "resnet34": made_up_metrics("resnet34", "random", 1, 2),
    }
    with pytest.raises(ValueError, match="vit are of other test images"):
        compare(ITEMS, classifiers, seed=1)
    with pytest.raises(ValueError, match="Run notebook 03"):
        compare(ITEMS, {"vit": classifiers["vit"]}, seed=1)
