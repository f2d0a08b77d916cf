"""Figures that can be checked by hand, a checkpoint that is used again, and weights that fit or say why not."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from aireal.classifier import metrics as evaluate
from aireal.classifier import model
from aireal.classifier.cost import cost, gmacs
from aireal.classifier.evaluate import compare, evaluate_classifier
from aireal.classifier.train import ensure_classifier, fingerprint
from aireal.config import PROFILES, DatasetRoot
from aireal.dataset.manifest import load_items
from aireal.figures import classifier as plots
from helpers.images import SAMPLE


def overconfident(n: int = 20000, factor: float = 3.0):
    """Logits that are `factor` times too large for how often they are right."""
    true = torch.randn(n) * 1.5
    labels = (torch.rand(n) < true.sigmoid()).long()
    return torch.stack([-true, true], 1) / 2 * factor, labels


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.5])
def test_calibration_recovers_overconfidence_and_shift(shift):
    logits, labels = overconfident(factor=3.0)
    logits = logits + torch.tensor([0.0, 3.0 * shift])  # a classifier that leans to one class
    temperature, bias = evaluate.fit_calibration(logits, labels)
    assert temperature == pytest.approx(3.0, rel=0.12) and bias == pytest.approx(-shift, abs=0.15)
    before, after = (
        evaluate.classification_metrics(evaluate.calibrated(logits, *fit), labels.numpy())
        for fit in ((1.0, 0.0), (temperature, bias))
    )
    assert after["ece"] < 0.03 < before["ece"] and after["auroc"] == pytest.approx(before["auroc"], abs=1e-4)
    assert abs(after["accuracy_real"] - after["accuracy_fake"]) < 0.05, "one half is the threshold again"


def test_a_perfectly_separated_validation_set_does_not_ask_for_certainty():
    labels = torch.tensor([0] * 20 + [1] * 20)
    margin = torch.where(labels == 1, 2.0, -2.0)
    logits = torch.stack([torch.zeros(40), margin], 1)
    fake = evaluate.calibrated(logits, *evaluate.fit_calibration(logits, labels))
    assert 0.9 < fake[-1] < 0.99


def test_figures_by_hand():
    found = evaluate.classification_metrics(np.array([0.9, 0.8, 0.3, 0.6]), np.array([1, 1, 0, 0]))
    assert (
        found["auroc"] == 1
        and found["accuracy"] == 0.75
        and found["accuracy_real"] == 0.5
        and found["accuracy_fake"] == 1
    )
    assert found["ece"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)


def test_intervals_hold_the_value_and_are_wider_when_pictures_share_sources():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    scores = 1 / (1 + np.exp(-(labels * 1.0 + np.repeat(rng.normal(size=20), 10))))
    alone = evaluate.with_intervals(scores, labels, [str(i) for i in range(200)], seed=1)
    shared = evaluate.with_intervals(scores, labels, [str(i // 10) for i in range(200)], seed=1)
    assert shared["groups"] == 20 and shared["auroc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    for found in (alone, shared):
        assert found["auroc"]["low"] <= found["auroc"]["value"] <= found["auroc"]["high"]
    width = {
        name: found["auroc"]["high"] - found["auroc"]["low"] for name, found in (("alone", alone), ("shared", shared))
    }
    assert width["shared"] > 1.5 * width["alone"]


def test_the_checkpoint_is_used_again_until_something_changes(smoke_run, capsys):
    assert ensure_classifier(smoke_run).reused
    assert "is used; retrain=True trains anew" in capsys.readouterr().out
    items = load_items(DatasetRoot.at(SAMPLE), "train", 4)
    same = fingerprint("resnet34", items, smoke_run.profile, 7)
    assert same == fingerprint("resnet34", items, smoke_run.profile, 7)
    assert same != fingerprint("resnet34", items[1:], smoke_run.profile, 7)
    assert same != fingerprint("resnet34", items, smoke_run.profile, 8)
    assert same != fingerprint("resnet34", items, dataclasses.replace(smoke_run.profile, epochs=99), 7)


def test_a_saved_classifier_says_the_same_after_loading(tmp_path):
    net, config = model.create("vit_tiny_patch16_224", PROFILES["smoke"])
    config = dataclasses.replace(config, temperature=1.7, bias=0.4)
    model.save(net, config, tmp_path, history=[])
    again, stored = model.load(tmp_path)
    x = torch.randn(2, 3, 96, 96)
    assert stored == config
    with torch.inference_mode():
        torch.testing.assert_close(again(x), net.eval()(x))
    assert not list(tmp_path.glob("*.p*t*h*")), "weights are safetensors only"


def test_missing_classifier_and_unreachable_weights_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="make demo"):
        model.load(tmp_path)
    with pytest.raises(ValueError, match="profile='sample'"):
        model.create("resnet34", dataclasses.replace(PROFILES["full"]))


def test_a_backbone_of_another_architecture_is_refused(tmp_path):
    from safetensors.torch import save_file

    net, _ = model.create("rexnet_150", PROFILES["smoke"])
    save_file({"nonsense": torch.zeros(2)}, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="does not fit"):
        model.load_backbone(net, tmp_path / "b.safetensors")


def test_multiply_accumulates_are_those_of_the_papers():
    assert gmacs(model.build_classifier("resnet34", 224).eval(), 224) == pytest.approx(3.67, abs=0.02)
    vit = gmacs(model.build_classifier("vit_tiny_patch16_224", 224).eval(), 224)
    tokens, width, depth = 197, 192, 12
    assert vit == pytest.approx(
        (196 * 768 * width + depth * (12 * tokens * width**2 + 2 * tokens**2 * width)) / 1e9, abs=0.01
    ), "with attention"


@pytest.fixture(scope="module")
def report(smoke_run):
    return evaluate_classifier(
        smoke_run, ensure_classifier(smoke_run), load_items(smoke_run.data, "test", smoke_run.profile.limit)
    )


def test_the_cost_is_that_of_a_process_which_does_nothing_else(smoke_run, report):
    found = report["cost"]
    assert found == cost(ensure_classifier(smoke_run).config, smoke_run.profile, smoke_run.device), (
        "measured once a session"
    )
    weights = found["parameters"] * 4 / 2**30
    assert found["parameters"] == 21_285_698 and (found["image_size"], found["crop"], found["train_batch"]) == (
        96,
        64,
        8,
    )
    assert weights < found["predict_peak_memory_gib"] < 6 * weights, "weights, and activations of small pictures"
    assert 4 * weights < found["train_peak_memory_gib"] < 8 * weights, (
        "weights, gradients, two averages of AdamW, activations"
    )
    assert found["train_images_per_second"] > 0 < found["predict_images_per_second"]
    failing = dataclasses.replace(ensure_classifier(smoke_run).config, architecture="no_such_net")
    with pytest.raises(RuntimeError, match="no_such_net could not be measured"):
        cost(failing, smoke_run.profile, smoke_run.device)


def test_a_report_holds_what_notebooks_show_and_what_comparisons_need(smoke_run, report):
    trained, items = ensure_classifier(smoke_run), load_items(smoke_run.data, "test", smoke_run.profile.limit)
    assert json.loads(json.dumps(report)) == report
    assert (
        report["images_seen"] == 8
        and report["initial_weights"] == trained.config.initial_weights
        and len(report["probabilities"]) == len(items)
    )
    labels = np.array([i.label for i in items])
    assert report["test"]["auroc"]["value"] == pytest.approx(roc_auc_score(labels, report["probabilities"]), abs=1e-3)
    rows = report["calibration"]
    assert (rows["uncalibrated"]["temperature"], rows["uncalibrated"]["bias"], rows["temperature"]["bias"]) == (1, 0, 0)
    assert (rows["platt"]["temperature"], rows["platt"]["bias"]) == (trained.config.temperature, trained.config.bias)
    assert rows["platt"]["ece"]["value"] == report["test"]["ece"]["value"]
    band = report["selective"]
    assert band["uncertain_below"] == trained.config.uncertain_below
    assert band["validation"]["target_reached"] == (band["validation"]["error_certain"] <= band["target_error"])
    found = compare(items, {"resnet34": report, "again": report}, seed=7)
    assert [p["difference"] for p in found["pairs"]] == [{"value": 0.0, "low": 0.0, "high": 0.0}]
    for figure in (plots.plot_evaluation, plots.plot_reliability, plots.plot_risk_coverage):
        figure(report)
    shown = plots.plot_comparison({"resnet34": report, "again": report})
    shown.canvas.draw()
    assert [axes.get_xlabel() for axes in shown.axes] == ["GMACs a picture", "seconds of training"]
