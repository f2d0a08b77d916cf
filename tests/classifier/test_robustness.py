"""Planted causes: a classifier that uses fine detail fails under blur, and one that uses JPEG's blocks is revealed by a
format swap."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn

from aireal.classifier.data import normalise, to_tensor
from aireal.classifier.metrics import calibrated
from aireal.classifier.model import ClassifierConfig
from aireal.classifier.robustness import CONDITIONS, FORMATS, format_swap, robustness
from aireal.config import LABELS
from aireal.core.run import start
from aireal.dataset.manifest import Item, load_items, write_manifest
from aireal.figures import robustness as plots
from helpers.images import encoded, noise, write

SIDE = 64
CONFIG = ClassifierConfig("planted", SIDE, (0.5,) * 3, (0.5,) * 3, "none")


class FineDetail(nn.Module):
    """Calls a picture fake whose neighbouring pixels differ by more than `limit` on average (pixels in -1..1)."""

    def __init__(self, limit: float = 0.1):
        super().__init__()
        self.limit = nn.Parameter(torch.tensor(limit))

    def forward(self, x):
        return self.decide(x.diff(dim=3).abs().float().mean((1, 2, 3)))

    def decide(self, detail):
        margin = 60 * (detail - self.limit)
        return torch.stack([torch.zeros_like(margin), margin], 1)


class Blocks(FineDetail):
    """Calls a picture fake whose columns differ more at the borders of JPEG's 8×8 blocks than elsewhere."""

    def forward(self, x):
        steps = x.diff(dim=3).abs().float().mean((1, 2))
        borders = torch.arange(steps.shape[-1]) % 8 == 7
        return self.decide(steps[:, borders].mean(1) - steps[:, ~borders].mean(1))


def smooth(seed: int) -> Image.Image:
    """Soft patches of colour: what enlarging 4×4 random pixels gives."""
    return noise(seed, 4).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def run(tmp_path):
    """A root with smooth photographs, and AI images of noise from two families, one of which is in training."""
    items = []
    for k in range(14):
        for label, image in ((0, smooth(k)), (1, noise(k, 96))):
            split, folder = ("train", "data/train") if k < 2 else ("test", "test")
            generator = "FLUX 2" if split == "train" else "Flux.1" if k % 3 else "Kling O3"
            name = f"{folder}/{LABELS[label]}/{label}_{k}.png"
            write(tmp_path / "root" / name, encoded(image, "PNG"))
            items.append(Item(name, "", label, split, f"{label}/{k // 2}", generator if label else "camera"))
    write_manifest(tmp_path / "root" / "manifest.csv", items)
    return start("tests", "smoke", tmp_path / "root", out=tmp_path / "out")


def test_blur_removes_the_detail_and_png_changes_nothing(run):
    metrics = robustness(run, FineDetail(), CONFIG, load_items(run.data, "test"))
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["n"] == 24
    assert metrics["failed"] == []
    conditions = metrics["conditions"]
    assert list(conditions) == ["none", *CONDITIONS]
    for name in ("none", "PNG"):
        assert conditions[name]["flipped"]["count"] == 0
        for accuracy in ("accuracy_real", "accuracy_fake"):
            assert conditions[name][accuracy] == {"value": 1.0, "low": 1.0, "high": 1.0}
    blurred = conditions["blur 2"]
    assert blurred["flipped"]["to_real"] == blurred["flipped"]["count"] == 12
    assert blurred["flipped"]["to_fake"] == 0
    assert blurred["accuracy_fake"]["value"] == 0
    assert blurred["accuracy_real"]["value"] == 1
    assert blurred["flipped"]["low"] < blurred["flipped"]["value"] == 0.5 < blurred["flipped"]["high"]


def test_rows_name_families_and_those_outside_training(run):
    rows = {row["name"]: row for row in robustness(run, FineDetail(), CONFIG, load_items(run.data, "test"))["rows"]}
    assert list(rows) == ["photographs", "all AI images", "flux", "kling"]
    assert [rows[name]["n"] for name in rows] == [12, 12, 8, 4]
    assert rows["photographs"]["groups"] == 6
    assert [name for name in rows if rows[name]["unseen"]] == ["kling"]
    accuracy = rows["kling"]["accuracy"]
    assert accuracy["none"]["value"] == 1
    assert accuracy["blur 2"]["value"] == 0
    assert accuracy["none"]["low"] < 0.6, "four pictures do not prove much"


def test_a_format_swap_reveals_a_classifier_that_uses_jpegs_blocks(run):
    items = [i for i in load_items(run.data, "test") if i.label == 0]
    metrics = format_swap(run, Blocks(0.01), CONFIG, items)
    flipped = metrics["flipped"]
    assert metrics["n"] == 12
    assert list(flipped) == list(FORMATS)
    assert flipped["PNG"]["count"] == 0
    assert flipped["half size"]["count"] == 0
    assert flipped["JPEG 50"]["to_fake"] == flipped["JPEG 50"]["count"] >= 8


def test_metrics_agree_with_scikit_learn_and_calibration_stays_frozen(run):
    items = load_items(run.data, "test")
    network, config = FineDetail(0.6), replace(CONFIG, temperature=3.0, bias=-0.4)
    metrics = robustness(run, network, config, items, {"blur 1": CONDITIONS["blur 1"]})
    pictures = [Image.open(run.data.root / i.path).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for i in items]
    labels = np.array([i.label for i in items])
    for name, change in (("none", lambda image: image), ("blur 1", CONDITIONS["blur 1"])):
        batch = normalise(config)(torch.stack([to_tensor(change(p)) for p in pictures]))
        fake = calibrated(network(batch).detach(), 3.0, -0.4)
        row = metrics["conditions"][name]
        assert row["auroc"]["value"] == pytest.approx(roc_auc_score(labels, fake), abs=1e-4)
        assert row["accuracy_fake"]["value"] == pytest.approx((fake[labels == 1] >= 0.5).mean(), abs=1e-4)
    assert set(metrics["conditions"]) == {"none", "blur 1"}


def test_a_damaged_file_is_listed_and_skipped(run):
    items = load_items(run.data, "test")
    write(run.data.root / items[0].path, b"no picture")
    metrics = robustness(run, FineDetail(), CONFIG, items, {"PNG": CONDITIONS["PNG"]})
    assert metrics["n"] == len(items) - 1
    assert metrics["failed"][0]["path"] == items[0].path
    assert "no image" in metrics["failed"][0]["error"]


def test_conditions_keep_the_size_and_do_what_their_names_say(photograph):
    image = photograph.resize((SIDE, SIDE))
    changed = {name: np.asarray(change(image), dtype=int) for name, change in CONDITIONS.items()}
    original = np.asarray(image, dtype=int)
    assert all(pixels.shape == original.shape for pixels in changed.values())
    assert [name for name, pixels in changed.items() if (pixels == original).all()] == ["PNG"]
    detail = {name: np.abs(np.diff(pixels, axis=1)).mean() for name, pixels in changed.items()}
    assert detail["blur 2"] < detail["blur 1"] < detail["PNG"]
    assert detail["half size"] < detail["PNG"]
    assert np.abs(changed["JPEG 50"] - original).mean() > np.abs(changed["JPEG 75"] - original).mean() > 0
    framed = np.full((SIDE, SIDE, 3), 255, np.uint8)
    framed[8:-8, 8:-8] = 0
    cropped = np.asarray(CONDITIONS["crop 75%"](Image.fromarray(framed)))
    assert cropped.max() == 0, "the outer eighth on each side is removed"


def test_the_heat_table_shows_every_number_and_fits_a_page(run):
    metrics = robustness(run, FineDetail(), CONFIG, load_items(run.data, "test"))
    figure = plots.plot_robustness(json.loads(json.dumps(metrics)))
    figure.canvas.draw()
    head, heat = figure.axes
    assert figure.get_figwidth() * 100 == 900
    zeros = sum(estimate["value"] == 0 for row in metrics["rows"] for estimate in row["accuracy"].values())
    assert [t.get_text() for t in heat.texts].count("0%") == zeros
    rows = ["photographs  n=12", "all AI images  n=12", "flux  n=8", "kling*  n=4"]
    assert [t.get_text() for t in heat.get_yticklabels()] == rows
    assert [t.get_style() for t in heat.get_yticklabels()] == ["normal", "normal", "italic", "italic"]
    assert "12 (50%)" in [t.get_text() for t in head.texts]
