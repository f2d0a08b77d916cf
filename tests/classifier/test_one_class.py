"""A test, or a validation, of one class: what can be computed is, the rest is None and a sentence says so."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from aireal.classifier import evaluate as evaluate_module
from aireal.classifier.evaluate import compare, evaluate_classifier
from aireal.classifier.metrics import classification_metrics, curves, paired_difference, with_intervals
from aireal.classifier.one_class import missing_class, one_class_note
from aireal.classifier.robustness import robustness
from aireal.core.statistics import auroc, interval
from aireal.dataset.manifest import load_items
from aireal.figures import classifier as plots
from aireal.figures.robustness import plot_robustness
from aireal.reporting.tables.classifiers import support
from helpers.one_class import planted_classifier, root_of

CLASSES = {"fake": (0, 6), "real": (6, 0)}
MISSING = {"fake": "photographs", "real": "AI images"}


@pytest.fixture(autouse=True)
def _no_warnings_and_no_cost(monkeypatch):
    cost = {"gmacs": 1.0, "parameters": 10, "image_size": 32}
    monkeypatch.setattr(evaluate_module, "cost", lambda *_: cost)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.mark.parametrize("label", [0, 1])
def test_metrics_of_one_class_are_none_where_they_need_the_other(label):
    fake, labels = np.array([0.9, 0.8, 0.3]), np.full(3, label)
    metrics = with_intervals(fake, labels, ["a", "b", "c"], seed=1, resamples=50)
    other = ("accuracy_real", "accuracy_fake")[1 - label]
    own = ("accuracy_real", "accuracy_fake")[label]
    for name in ("auroc", "average_precision", other):
        assert metrics[name] == {"value": None, "low": None, "high": None}, name
    assert metrics[own]["value"] == metrics["accuracy"]["value"] == round(abs(1 - label - 2 / 3), 4)
    assert metrics["ece"]["value"] is not None
    assert missing_class(metrics) == ("fake", "real")[label]
    assert curves(fake, labels)["roc"] is None
    assert paired_difference(fake, fake, labels, ["a", "b", "c"], 1, 50)["value"] is None
    assert np.isnan(auroc(np.stack([fake, fake]), labels)).all()
    json.dumps({**metrics, **curves(fake, labels)}, allow_nan=False)


def test_both_classes_bring_no_note_and_the_same_figures_as_before():
    fake, labels = np.array([0.9, 0.8, 0.3, 0.6]), np.array([1, 1, 0, 0])
    metrics = with_intervals(fake, labels, list("abcd"), seed=1, resamples=50)
    assert one_class_note(metrics) == ""
    assert classification_metrics(fake, labels)["auroc"] == 1


@pytest.mark.people_have(
    "a test folder with pictures of one class",
    "read",
    "verdicts and all that can be computed; The ... test pictures hold no photographs, so there is no AUROC",
)
@pytest.mark.parametrize("own", CLASSES)
def test_notebook_03_goes_through_on_a_test_of_one_class(tmp_path, own, capsys):
    run = root_of(tmp_path, {"train": (3, 3), "val": (4, 4), "test": CLASSES[own]})
    items, trained = load_items(run.data, "test"), planted_classifier()
    report = evaluate_classifier(run, trained, items)
    json.dumps(report, allow_nan=False)
    assert f"hold no {MISSING[own]}, so there is no AUROC" in capsys.readouterr().out
    assert interval(report["test"]["auroc"]) == "–"
    assert report["test"][f"accuracy_{own}"]["value"] is not None
    assert report["unseen_generators"] is None or own == "fake"
    for plot in (plots.plot_evaluation, plots.plot_reliability, plots.plot_risk_coverage):
        plot(report).canvas.draw()
    texts = [text.get_text().replace("\n", " ") for axes in plots.plot_evaluation(report).axes for text in axes.texts]
    assert one_class_note(report["test"]) in texts
    plots.plot_comparison({"resnet34": report, "again": report}).canvas.draw()
    sentences = {
        language: support(compare(items, {"resnet34": report, "again": report}, 7), language)
        for language in ("en", "ko")
    }
    assert "no AUROC to compare" in sentences["en"]
    assert "AUROC가 없습니다" in sentences["ko"]


@pytest.mark.parametrize("own", CLASSES)
def test_robustness_of_one_class_counts_flips_and_has_no_auroc(tmp_path, own):
    run = root_of(tmp_path, {"train": (3, 3), "test": CLASSES[own]})
    trained = planted_classifier()
    report = robustness(run, trained.model, trained.config, load_items(run.data, "test"))
    json.dumps(report, allow_nan=False)
    condition = report["conditions"]["blur 2"]
    assert condition["auroc"]["value"] is None
    assert condition[f"accuracy_{own}"]["value"] is not None
    assert condition["flipped"]["count"] == report["conditions"]["blur 2"]["flipped"]["to_real"] > 0
    expected = {"real": ["photographs"], "fake": ["all AI images", "flux"]}[own]
    assert [row["name"] for row in report["rows"]] == expected
    plot_robustness(report).canvas.draw()


def test_a_test_whose_files_are_all_bad_has_no_robustness(tmp_path):
    run = root_of(tmp_path, {"test": (1, 1)})
    items, trained = load_items(run.data, "test"), planted_classifier()
    for item in items:
        (run.data.root / item.path).write_bytes(b"x")
    with pytest.raises(ValueError, match="none of the 2 test images can be opened"):
        robustness(run, trained.model, trained.config, items)


@pytest.mark.parametrize("own", CLASSES)
def test_a_validation_of_one_class_does_not_stop_the_evaluation_of_a_stored_classifier(tmp_path, own):
    run = root_of(tmp_path, {"val": CLASSES[own], "test": (4, 4)})
    report = evaluate_classifier(run, planted_classifier(), load_items(run.data, "test"))
    json.dumps(report, allow_nan=False)
    assert report["test"]["auroc"]["value"] is not None
    assert report["selective"]["validation"]["n"] == run.profile.limit
