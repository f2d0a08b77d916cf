"""The benchmark of LIME runs, in miniature, and fails when weights are not the package's. No test looks at a clock."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from aireal.classifier import model
from aireal.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import lime_benchmark
import lime_stability
import report


@pytest.fixture
def options(small_root, tmp_path):
    """Options of a small comparison on a root with an untrained classifier."""
    model.save(
        model.build_classifier("resnet18", 64),
        model.ClassifierConfig("resnet18", 64, model.HALF, model.HALF, "random"),
        small_root.model,
    )
    return lime_benchmark.Options(
        root=small_root.root, out=tmp_path, images=2, stable_images=2, own_images=3, seeds=2, samples=66, sizes=[40, 66]
    )


def saved(options) -> dict:
    return json.loads((options.out / "metrics" / "benchmark_lime.json").read_text(encoding="utf-8"))


def test_lists_are_compared_at_equal_weights(options, capsys):
    assert lime_benchmark.main(options) == 0
    metrics = saved(options)
    same, stable = metrics["same_samples"], metrics["stability"]
    assert metrics["equal_results"]
    assert metrics["images"] == 2
    assert {"seed", "versions", "device", "cpu", "precision", "goals"} <= set(metrics)
    assert same["weight_difference"]["ours, float32"] < 1e-5
    assert same["largest_weight"] > 0
    # without a faster precision this arm would be "ours, float32" again
    floating = {"ours without 8-bit integers"} if metrics["precision"] != "no" else set()
    assert all(same["probability_difference"][name] < 0.01 for name in floating)
    assert set(same["speedup"]) == {"ours", "ours, float32", "forward alone"} | floating
    assert set(stable["ways"]) == {"lime package", "ours, 40 samples", "ours, 66 samples", "ours, adaptive"}
    for way in stable["ways"].values():
        assert all(0 <= way[name] <= 1 for name in ("jaccard", "signs", "same_top", "carried"))
    assert stable["reference_samples"] == 132
    assert stable["adaptive_samples"] <= 66
    assert metrics["own_images"] == 3 == len(stable["adaptive"]["jaccards"])
    assert len(stable["ways"]["ours, adaptive"]["jaccards"]) == 2
    text = report.blocks(options.out / "metrics")["benchmark_lime"]
    assert "| ours, adaptive |" in text
    assert "Goal: 2.3×" in text


def test_other_weights_fail(options, monkeypatch, capsys):
    real = lime_benchmark.composed
    monkeypatch.setattr(lime_benchmark, "composed", lambda *arguments: shifted(real(*arguments)))
    assert lime_benchmark.main(options) == 1
    assert "NOT EQUAL: a weight differs by" in capsys.readouterr().err
    assert not saved(options)["equal_results"]


def shifted(outcome):
    outcome.weights = outcome.weights + 0.01
    return outcome


def test_what_cannot_be_compared_is_one_sentence(options):
    options.seeds = 1
    with pytest.raises(ValueError, match="give at least 2 images and 2 seeds"):
        lime_benchmark.main(options)


def test_stability_finds_the_smallest_list_that_is_as_stable():
    """P(fake) of the picture is a sum over its superpixels, so ours and the reference are exact with enough samples."""
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    segments = lime_stability.lime.superpixels(image)
    known = np.linspace(0.001, 0.04, segments.max() + 1) * np.where(np.arange(segments.max() + 1) % 2, 1, -1)
    options = lime_benchmark.Options(stable_images=2, seeds=3, samples=400, sizes=[100, 400])
    picture = (image, segments, lambda kept: 0.5 + (kept - 0.5) @ known)
    stable = lime_stability.stability([picture] * 3, options)
    own = lime_stability.own_lists([picture] * 2, options, [10.0, 12.0])
    assert own["speedup"]["ours, 100 samples"]["value"] > 1
    assert stable["as_stable_samples"] == 100
    assert stable["settled"] == 1
    assert stable["adaptive_samples"] < 200
    assert stable["ways"]["ours, adaptive"]["same_top"] == 1
    assert stable["same_end"] == stable["same_halves"] == 2
    assert stable["adaptive"]["jaccard"] == 1
    assert len(stable["adaptive"]["jaccards"]) == 3


def test_known_probabilities_come_first_and_then_new_ones():
    masks = np.random.default_rng(0).integers(0, 2, (10, 3)).astype(bool)
    fake_of = lime_stability.continuing(np.arange(4.0), lambda kept: kept.sum(axis=1) + 100.0)
    assert fake_of(masks[:3]).tolist() == [0, 1, 2]
    assert fake_of(masks[3:]).tolist() == [3, *(masks[4:].sum(axis=1) + 100)]


def test_summary_by_hand():
    one = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    other = np.array([6.0, -5.0, 4.0, 3.0, 1.0, 2.0])
    summary = lime_stability.summary([np.stack([one, other])], [one])
    assert summary == {"jaccard": 0.6667, "signs": 0.8333, "same_top": 0.5, "carried": 0.975, "jaccards": [0.667]}
