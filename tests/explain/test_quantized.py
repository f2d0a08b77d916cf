"""The 8-bit classifier is close to the exact one.

It is used only where it is close enough for the picture, and never for another training.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from aireal.classifier import model, quantized
from aireal.classifier.quantized import QuantizedClassifier, quantize
from aireal.core.imagefile import open_rgb, square
from aireal.core.run import start
from aireal.dataset.manifest import load_items
from aireal.explain.complete_record import complete_record
from aireal.explain.fast_classifier import QUANTIZED_FILE, Classify, FastClassifier
from aireal.explain.lime.perturb import superpixels
from aireal.explain.predictor import Predictor
from aireal.explain.prepare_quantized import perturbed_versions, prepare_quantized
from aireal.explain.working_picture import WorkingPicture


@pytest.fixture
def run(small_root, tmp_path):
    """A run on a root whose classifier has learned nothing, but whose probabilities spread."""
    config = model.ClassifierConfig("resnet18", 64, model.HALF, model.HALF, "random", fingerprint="this one")
    network = model.build_classifier("resnet18", 64)
    torch.nn.init.normal_(network.fc.weight, std=0.5)
    model.save(network, config, small_root.model)
    return dataclasses.replace(start("int8", "smoke", small_root.root, out=tmp_path / "out"), data=small_root)


def fast_with_picture(run, count: int = 24) -> tuple[FastClassifier, np.ndarray, np.ndarray, np.ndarray]:
    """A fast classifier, a test picture, its superpixels, and masks."""
    fast = FastClassifier(Predictor(run.data.model, torch.device("cpu")))
    path = run.data.root / load_items(run.data, "test")[0].path
    pixels = np.asarray(square(open_rgb(path), fast.predictor.size))
    segments = superpixels(pixels)
    masks = np.random.default_rng(0).integers(0, 2, (count, segments.max() + 1)).astype(bool)
    return fast, pixels, segments, masks


def test_it_gives_nearly_the_same_probabilities(run):
    trial = prepare_quantized(run)
    assert {"speedup", "floating", "largest_difference"} <= set(trial)
    assert trial["mean_difference"] < 0.2 * trial["spread"]
    network, predictor = QuantizedClassifier(_quantized_file(run)), Predictor(run.data.model, torch.device("cpu"))
    pictures = torch.cat([perturbed_versions(run, predictor, item) for item in load_items(run.data, "test")])
    exact, fast = predictor.predict_fake(pictures), predictor.calibrate(network(pictures))
    assert np.corrcoef(exact, fast)[0, 1] > 0.98


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() < 2, reason="Linux tells a thread's cores")
def test_a_process_of_one_thread_is_not_tied_to_the_first_core(tmp_path, monkeypatch):
    monkeypatch.setattr(quantized.torch, "get_num_threads", lambda: 1)
    network, pictures, done = (
        QuantizedClassifier(_a_convolution(tmp_path)),
        torch.zeros(32, 3, 64, 64),
        threading.Event(),
    )
    own, free = threading.get_native_id(), os.sched_getaffinity(0)
    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(lambda: [os.sched_getaffinity(own) for _ in iter(done.is_set, True)])
        for _ in range(20):
            network(pictures)
        done.set()
    assert all(cores == free for cores in watching.result()), "all processes would share this core"


def _a_convolution(folder: Path) -> Path:
    """A network in OpenVINO's own format, made in no time."""
    openvino = pytest.importorskip("openvino")
    ops = openvino.opset13
    pictures, weights = ops.parameter([-1, 3, 64, 64], np.float32), ops.constant(np.ones((64, 3, 3, 3), np.float32))
    maps = ops.convolution(pictures, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    means = ops.reduce_mean(maps, ops.constant(np.array([2, 3])))
    openvino.save_model(openvino.Model([means], [pictures]), folder / "network.xml")
    return folder / "network.xml"


def _quantized_file(run):
    """The quantised file, also where this machine found it too slow to keep."""
    path = run.data.model / QUANTIZED_FILE
    if not path.exists():
        predictor = Predictor(run.data.model, torch.device("cpu"))
        pictures = [perturbed_versions(run, predictor, item) for item in load_items(run.data, "val")]
        quantize(predictor.model, torch.cat(pictures), path)
    return path


def test_a_picture_for_which_it_is_not_close_is_classified_in_floating_point(run):
    prepare_quantized(run, least_speedup=0)
    fast, pixels, segments, masks = fast_with_picture(run)
    exact = fast.predict_kept(pixels, segments, fast.floating)(masks)
    assert fast.quantized is not None
    fast.quantized = Classify(lambda batch: fast.predictor.predict_fake(batch) + 0.01, quantized=True)
    chosen = fast.choose([pixels], [segments])
    assert chosen is fast.quantized
    assert np.allclose(fast.predict_kept(pixels, segments, chosen)(masks), exact + 0.01), "a constant changes no weight"
    fast.quantized = Classify(lambda batch: torch.rand(len(batch)), quantized=True)
    chosen = fast.choose([pixels], [segments])
    assert chosen is fast.floating
    assert (fast.predict_kept(pixels, segments, chosen)(masks) == exact).all()


def test_a_flat_picture_and_several_pictures_together(run):
    prepare_quantized(run, least_speedup=0)
    fast, pixels, segments, _ = fast_with_picture(run)
    fast.quantized = Classify(lambda batch: fast.predictor.predict_fake(batch) + 0.01, quantized=True)
    turned = pixels[::-1]
    both = fast.choose([pixels, turned], [segments, superpixels(turned)])
    assert both is fast.quantized, "a constant of each picture is no error"
    flat = fast.choose([pixels, np.zeros_like(pixels)], [segments, None])
    assert flat is fast.floating, "a flat picture cannot be tried"


def test_a_working_picture_is_tried_once(run, photograph):
    """SLIC and the trial of the 8-bit classifier are needed by heatmap, occlusion and LIME, and computed once."""
    prepare_quantized(run, least_speedup=0)
    with Predictor(run.data.model, torch.device("cpu")) as predictor:
        fast, trials = FastClassifier(predictor), []
        choose = fast.choose
        fast.choose = lambda *pictures: trials.append(pictures) or choose(*pictures)
        picture = WorkingPicture(predictor.predict(["a"], [photograph])[0], "0" * 64, fast)
        complete_record(picture, samples=64)
    assert len(trials) == 1
    assert trials[0][1][0] is picture.segments


def test_it_is_made_once_and_not_used_for_another_training(run):
    path = run.data.model / QUANTIZED_FILE
    trial, made = prepare_quantized(run, least_speedup=0), path.stat().st_mtime_ns
    assert trial["used"]
    assert prepare_quantized(run) == trial
    assert path.stat().st_mtime_ns == made
    assert fast_with_picture(run)[0].quantized is not None
    config = json.loads((run.data.model / "config.json").read_text())
    (run.data.model / "config.json").write_text(json.dumps(config | {"fingerprint": "another"}))
    assert fast_with_picture(run)[0].quantized is None
    prepare_quantized(run, least_speedup=0)
    assert path.stat().st_mtime_ns > made


def test_it_is_not_used_by_another_runtime_or_processor(run):
    prepare_quantized(run, least_speedup=0)
    assert fast_with_picture(run)[0].quantized is not None
    record = (run.data.model / QUANTIZED_FILE).with_suffix(".json")
    stored = json.loads(record.read_text())
    for key in ("runtime", "processor"):
        record.write_text(json.dumps(stored | {key: "another"}))
        assert fast_with_picture(run)[0].quantized is None, key


def test_what_is_not_worth_it_is_not_kept(run):
    assert not prepare_quantized(run, least_speedup=1e9)["used"]
    assert not (run.data.model / QUANTIZED_FILE).exists()
    fast, pixels, segments, masks = fast_with_picture(run)
    chosen = fast.choose([pixels], [segments])
    assert chosen is fast.floating
    assert len(fast.predict_kept(pixels, segments, chosen)(masks)) == len(masks)


def test_without_validation_pictures_it_says_why(run, monkeypatch):
    monkeypatch.setattr("aireal.explain.prepare_quantized.load_items", lambda *_: [])
    assert prepare_quantized(run) == {"used": False, "why": "there are too few validation pictures"}


def test_without_its_packages_floating_point_is_used_and_it_says_so(run, monkeypatch):
    prepare_quantized(run, least_speedup=0)
    monkeypatch.setattr(quantized, "NEEDED", ("openvino", "a_package_that_is_not_there"))
    monkeypatch.setattr(quantized, "version", lambda name: pytest.fail("the package was asked for its version"))
    assert fast_with_picture(run)[0].quantized is None
    assert prepare_quantized(run)["why"].startswith("not installed: a_package_that_is_not_there (pip install")
