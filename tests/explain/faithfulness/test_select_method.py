"""Selection of the heatmap method against its controls, where the cause is planted and where nothing matters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch

from aireal.explain.faithfulness.select_method import blurred_random, numpy_seed, select_heatmap
from helpers.planted_models import RedNet, pictures, redness


def test_the_selection_beats_its_controls_where_the_cause_is_planted_and_is_plain_json():
    model, images, groups = RedNet().eval(), pictures(), [f"g{k}" for k in range(9)]
    state = np.random.get_state()[1].copy()
    selection, again = (
        select_heatmap(model, images, redness, [1] * 9, groups, seed=1, methods=["gradcam", "layercam"])
        for _ in range(2)
    )
    rows = selection["rows"]
    assert (np.random.get_state()[1] == state).all()
    assert json.loads(json.dumps(selection)) == selection
    assert selection["beats_controls"]
    assert "beats both controls" in selection["words"]["controls"]
    assert [row["method"] for row in rows if row["control"]] == ["randomcam", "blurred random"]
    assert len(rows) == 6
    assert abs(rows[-1]["road"]["value"]) < 0.15 < rows[0]["road"]["value"]
    assert again["rows"][0]["road"] == rows[0]["road"]


def test_plain_gradcam_stays_and_nothing_beats_the_controls_where_nothing_matters():
    candidates = {"methods": ["layercam"], "layers": ["layer3.1"]}
    model, groups = RedNet().eval(), list("abcd")
    selection = select_heatmap(
        model, pictures(4), lambda x: np.full(len(x), 0.6), [1] * 4, groups, seed=1, **candidates
    )
    assert selection["winner"] == {"method": "gradcam", "layer": "layer4.1"}
    assert not selection["beats_controls"]
    assert "stays" in selection["words"]["choice"]
    assert "4 pictures do not show" in selection["words"]["controls"]
    assert "hint only" in selection["words"]["controls"]
    assert all(row["road"]["value"] == pytest.approx(0) for row in selection["rows"])


def test_a_flat_map_gains_nothing_over_the_blurred_random_map():
    blind = RedNet().eval()
    torch.nn.init.zeros_(blind.fc.weight)
    candidates = {"methods": ["gradcam"], "layers": ["layer4.1"]}
    selection = select_heatmap(blind, pictures(4), redness, [1] * 4, list("abcd"), seed=1, **candidates)
    plain, blurred = selection["rows"][0], selection["rows"][-1]
    assert plain["flat"] == 4
    assert blurred["flat"] == 0
    assert plain["road"] == blurred["road"]
    assert not selection["beats_controls"]


def test_methods_that_are_the_same_by_mathematics_are_scored_once():
    model, images = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval(), torch.randn(2, 3, 64, 64)
    selection = select_heatmap(model, images, lambda x: x.mean((1, 2, 3)).sigmoid(), [1, 1], ["a", "b"], seed=1)
    same_as = {(row["method"], row["layer"]): row["same_as"] for row in selection["rows"]}
    plain = "gradcam at layer4.1"
    assert same_as["hirescam", "layer4.1"] == plain
    assert same_as["xgradcam", "layer4.1"] == plain
    assert same_as["hirescam", "layer3.1"] is None


def test_random_controls_are_smooth_and_seeded_and_leave_numpys_generator_alone():
    maps, again = blurred_random(2, 64, 5), blurred_random(2, 64, 5)
    assert (maps == again).all()
    assert maps.min() == 0
    assert maps.max() == 1
    assert np.abs(np.diff(maps, axis=1)).max() < 0.2
    np.random.seed(3)
    expected = np.random.uniform()
    np.random.seed(3)
    with numpy_seed(9):
        inside = np.random.uniform()
    assert np.random.uniform() == expected != inside
