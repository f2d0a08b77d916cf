"""Planted causes: a classifier that lives on fine detail loses it to blur, one that lives on JPEG's blocks is found by a format swap."""

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

    def decide(self, measured):
        margin = 60 * (measured - self.limit)
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
    """A root whose photographs are smooth and whose AI images are noise, of two families; only one of them was trained on."""
    items = []
    for k in range(14):
        for label, image in ((0, smooth(k)), (1, noise(k, 96))):
            split = "train" if k < 2 else "test"
            family = ("camera", ("Flux.1" if k % 3 else "Kling O3") if split == "test" else "FLUX 2")[label]
            name = f"{'data/train' if split == 'train' else 'test'}/{('0_real', '1_fake')[label]}/{label}_{k}.png"
            write(tmp_path / "root" / name, encoded(image, "PNG"))
            items.append(Item(name, "", label, split, f"{label}/{k // 2}", family))
    write_manifest(tmp_path / "root" / "manifest.csv", items)
    return start("tests", "smoke", tmp_path / "root", out=tmp_path / "out")


def test_blur_takes_the_detail_and_png_takes_nothing(run):
    items = load_items(run.data, "test")
    found = robustness(run, FineDetail(), CONFIG, items)
    assert json.loads(json.dumps(found)) == found and found["n"] == 24 and found["failed"] == []
    conditions = found["conditions"]
    assert list(conditions) == ["none", *CONDITIONS]
    for name in ("none", "PNG"):
        assert conditions[name]["flipped"]["count"] == 0
        assert (
            conditions[name]["accuracy_real"]
            == conditions[name]["accuracy_fake"]
            == {"value": 1.0, "low": 1.0, "high": 1.0}
        )
    blurred = conditions["blur 2"]
    assert blurred["flipped"]["to_real"] == blurred["flipped"]["count"] == 12 and blurred["flipped"]["to_fake"] == 0
    assert blurred["accuracy_fake"]["value"] == 0 and blurred["accuracy_real"]["value"] == 1
    assert blurred["flipped"]["low"] < blurred["flipped"]["value"] == 0.5 < blurred["flipped"]["high"]


def test_rows_tell_families_and_which_of_them_nothing_was_trained_on(run):
    rows = {row["name"]: row for row in robustness(run, FineDetail(), CONFIG, load_items(run.data, "test"))["rows"]}
    assert list(rows) == ["photographs", "all AI images", "flux", "kling"]
    assert [rows[name]["n"] for name in rows] == [12, 12, 8, 4] and rows["photographs"]["groups"] == 6
    assert rows["kling"]["unseen"] and not rows["flux"]["unseen"] and not rows["photographs"]["unseen"]
    assert rows["kling"]["accuracy"]["none"]["value"] == 1 and rows["kling"]["accuracy"]["blur 2"]["value"] == 0
    assert rows["kling"]["accuracy"]["none"]["low"] < 0.6, "four pictures do not prove much"


def test_a_classifier_that_looks_at_jpegs_blocks_is_found_by_the_format_swap(run):
    items = [i for i in load_items(run.data, "test") if i.label == 0]
    found = format_swap(run, Blocks(0.01), CONFIG, items)
    assert list(found["flipped"]) == list(FORMATS) and found["n"] == 12
    assert found["flipped"]["PNG"]["count"] == 0 and found["flipped"]["half size"]["count"] == 0
    assert found["flipped"]["JPEG 50"]["to_fake"] == found["flipped"]["JPEG 50"]["count"] >= 8


def test_figures_agree_with_scikit_learn_and_calibration_stays_frozen(run):
    items = load_items(run.data, "test")
    net, config = FineDetail(0.6), replace(CONFIG, temperature=3.0, bias=-0.4)
    found = robustness(run, net, config, items, {"blur 1": CONDITIONS["blur 1"]})
    pictures = [Image.open(run.data.root / i.path).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for i in items]
    labels = np.array([i.label for i in items])
    for name, change in (("none", lambda image: image), ("blur 1", CONDITIONS["blur 1"])):
        fake = calibrated(
            net(normalise(config)(torch.stack([to_tensor(change(p)) for p in pictures]))).detach(), 3.0, -0.4
        )
        row = found["conditions"][name]
        assert row["auroc"]["value"] == pytest.approx(roc_auc_score(labels, fake), abs=1e-4)
        assert row["accuracy_fake"]["value"] == pytest.approx((fake[labels == 1] >= 0.5).mean(), abs=1e-4)
    assert set(found["conditions"]) == {"none", "blur 1"}


def test_a_damaged_file_is_listed_and_the_others_go_on(run):
    items = load_items(run.data, "test")
    write(run.data.root / items[0].path, b"no picture")
    found = robustness(run, FineDetail(), CONFIG, items, {"PNG": CONDITIONS["PNG"]})
    assert (
        found["n"] == len(items) - 1
        and found["failed"][0]["path"] == items[0].path
        and "no image" in found["failed"][0]["error"]
    )
    with pytest.raises(ValueError, match="both classes"):
        robustness(run, FineDetail(), CONFIG, [i for i in items if i.label], {"PNG": CONDITIONS["PNG"]})


def test_conditions_keep_the_size_and_do_what_they_are_called(photograph):
    image = photograph.resize((SIDE, SIDE))
    changed = {name: np.asarray(change(image), dtype=int) for name, change in CONDITIONS.items()}
    original = np.asarray(image, dtype=int)
    assert all(pixels.shape == original.shape for pixels in changed.values())
    assert (changed["PNG"] == original).all() and not any(
        (pixels == original).all() for name, pixels in changed.items() if name != "PNG"
    )
    detail = {name: np.abs(np.diff(pixels, axis=1)).mean() for name, pixels in changed.items()}
    assert (
        detail["blur 2"] < detail["blur 1"] < np.abs(np.diff(original, axis=1)).mean()
        and detail["half size"] < detail["PNG"]
    )
    assert np.abs(changed["JPEG 50"] - original).mean() > np.abs(changed["JPEG 75"] - original).mean() > 0
    framed = np.full((SIDE, SIDE, 3), 255, np.uint8)
    framed[8:-8, 8:-8] = 0
    assert np.asarray(CONDITIONS["crop 75%"](Image.fromarray(framed))).max() == 0, (
        "the outer eighth on each side is gone"
    )


def test_the_heat_table_shows_every_number_and_fits_a_page(run):
    found = robustness(run, FineDetail(), CONFIG, load_items(run.data, "test"))
    figure = plots.plot_robustness(json.loads(json.dumps(found)))
    figure.canvas.draw()
    head, heat = figure.axes
    assert figure.get_figwidth() * 100 == 900
    assert [t.get_text() for t in heat.texts].count("0%") == sum(
        row["accuracy"][c]["value"] == 0 for row in found["rows"] for c in found["conditions"]
    )
    assert [t.get_text() for t in heat.get_yticklabels()] == [
        "photographs  n=12",
        "all AI images  n=12",
        "flux  n=8",
        "kling*  n=4",
    ]
    assert [t.get_style() for t in heat.get_yticklabels()] == ["normal", "normal", "italic", "italic"]
    assert "12 (50%)" in [t.get_text() for t in head.texts]
