"""The 8-bit classifier: close to the true one, used only where it is close enough for the picture, and never for another training."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from aireal.classifier import model
from aireal.classifier.quantized import QuantizedClassifier
from aireal.core.imagefile import open_rgb, square
from aireal.core.run import start
from aireal.dataset.manifest import load_items
from aireal.explain import prepare_quantized as int8
from aireal.explain.lime.perturb import superpixels
from aireal.explain.predictor import INT8, Predictor
from aireal.explain.prepare_quantized import prepare_quantized


@pytest.fixture
def run(small_root, tmp_path):
    """A run on a root whose classifier has learned nothing, but whose probabilities spread."""
    config = model.ClassifierConfig("resnet18", 64, model.HALF, model.HALF, "random", fingerprint="this one")
    network = model.build_classifier("resnet18", 64)
    torch.nn.init.normal_(network.fc.weight, std=0.5)
    model.save(network, config, small_root.model)
    return dataclasses.replace(start("int8", "smoke", small_root.root, out=tmp_path / "out"), data=small_root)


def asked(run, count: int = 24) -> tuple[Predictor, np.ndarray, np.ndarray]:
    """A predictor, superpixels of a test picture, and masks."""
    predictor = Predictor(run.data.model, torch.device("cpu"))
    pixels = np.asarray(square(open_rgb(run.data.root / load_items(run.data, "test")[0].path), predictor.size))
    return (
        predictor,
        pixels,
        np.random.default_rng(0).integers(0, 2, (count, superpixels(pixels).max() + 1)).astype(bool),
    )


def test_it_gives_nearly_the_same_probabilities(run):
    found = prepare_quantized(run)
    assert {"speedup", "floating", "largest_difference"} <= set(found) and found["mean_difference"] < 0.2 * found[
        "spread"
    ]
    eight, predictor = QuantizedClassifier(_kept(run)), Predictor(run.data.model, torch.device("cpu"))
    pictures = torch.cat([int8._versions(run, predictor, item) for item in load_items(run.data, "test")])
    exact, fast = predictor.predict_fake(pictures), predictor.calibrated(eight(pictures))
    assert np.corrcoef(exact, fast)[0, 1] > 0.98


def _kept(run):
    """The quantised file, also where this machine found it too slow to keep."""
    if not (run.data.model / INT8).exists():
        predictor = Predictor(run.data.model, torch.device("cpu"))
        pictures = [int8._versions(run, predictor, item) for item in load_items(run.data, "val")]
        int8.quantise(predictor.model, torch.cat(pictures), run.data.model / INT8)
    return run.data.model / INT8


def test_a_picture_for_which_it_is_not_close_is_asked_in_floating_point(run, monkeypatch):
    monkeypatch.setattr(int8, "WORTH", 0)
    prepare_quantized(run)
    predictor, pixels, masks = asked(run)
    segments = superpixels(pixels)
    exact = predictor.hiding(pixels, segments, predictor.predict_fake)
    assert predictor._int8 is not None
    monkeypatch.setattr(predictor, "int8_of", lambda batch: predictor.predict_fake(batch) + 0.01)
    assert predictor.versions_of([pixels]) is predictor.predict_fake_quantized
    assert np.allclose(predictor.hide(pixels)(segments)(masks), exact(masks) + 0.01), "a constant changes no weight"
    monkeypatch.setattr(predictor, "int8_of", lambda batch: torch.rand(len(batch)))
    assert predictor.versions_of([pixels]) == predictor.predict_fake
    assert (predictor.hide(pixels)(segments)(masks) == exact(masks)).all()


def test_a_flat_picture_and_several_pictures_together(run, monkeypatch):
    monkeypatch.setattr(int8, "WORTH", 0)
    prepare_quantized(run)
    predictor, pixels, _ = asked(run)
    monkeypatch.setattr(predictor, "int8_of", lambda batch: predictor.predict_fake(batch) + 0.01)
    assert predictor.versions_of([pixels, pixels[::-1]]) is predictor.predict_fake_quantized, (
        "a constant of each picture is no error"
    )
    assert predictor.versions_of([pixels, np.zeros_like(pixels)]) == predictor.predict_fake, (
        "a flat picture cannot be tried"
    )


def test_it_is_made_once_and_not_used_for_another_training(run, monkeypatch):
    monkeypatch.setattr(int8, "WORTH", 0)
    found, made = prepare_quantized(run), (run.data.model / INT8).stat().st_mtime_ns
    assert found["used"] and prepare_quantized(run) == found and (run.data.model / INT8).stat().st_mtime_ns == made
    assert asked(run)[0]._int8 is not None
    config = json.loads((run.data.model / "config.json").read_text())
    (run.data.model / "config.json").write_text(json.dumps(config | {"fingerprint": "another"}))
    assert asked(run)[0]._int8 is None
    prepare_quantized(run)
    assert (run.data.model / INT8).stat().st_mtime_ns > made


def test_it_is_not_used_by_another_runtime_or_processor(run, monkeypatch):
    monkeypatch.setattr(int8, "WORTH", 0)
    prepare_quantized(run)
    assert asked(run)[0]._int8 is not None
    record = (run.data.model / INT8).with_suffix(".json")
    stored = json.loads(record.read_text())
    for what in ("runtime", "processor"):
        record.write_text(json.dumps(stored | {what: "another"}))
        assert asked(run)[0]._int8 is None, what


def test_what_is_not_worth_it_is_not_kept(run, monkeypatch):
    monkeypatch.setattr(int8, "WORTH", 1e9)
    assert not prepare_quantized(run)["used"] and not (run.data.model / INT8).exists()
    predictor, pixels, masks = asked(run)
    assert predictor.versions_of([pixels]) == predictor.predict_fake and len(
        predictor.hide(pixels)(superpixels(pixels))(masks)
    ) == len(masks)


def test_without_validation_pictures_it_says_why(run, monkeypatch):
    monkeypatch.setattr(int8, "load_items", lambda *_: [])
    assert prepare_quantized(run) == {"used": False, "why": "there are too few validation pictures"}
