"""Scores of heatmaps: ranking of pixels, ROAD, insertion and deletion, compared with the library and with planted
causes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pytorch_grad_cam.metrics import road as library

from aireal.explain.faithfulness.scores import curve_ends, hottest_pixels, insertion_deletion, rank_pixels, road
from aireal.explain.faithfulness.select_method import blurred_random
from helpers.planted_models import as_batch, patch_maps, picture_with_patch, pictures, redness

# of the library's imputer, which passes tensors to numpy
ignore_library_warning = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@given(hnp.arrays(np.float32, (6, 7), elements=st.sampled_from([0.0, 0.25, 1.0])), st.floats(0, 1))
def test_the_hottest_share_has_exactly_that_many_pixels_and_no_hotter_ones_outside(heat, share):
    mask = hottest_pixels(heat, share)
    assert mask.sum() == round(share * 42)
    assert sorted(rank_pixels(heat)) == list(range(42))
    assert mask.all() or not mask.any() or heat[mask].min() >= heat[~mask].max()


def test_pixels_of_equal_heat_follow_from_the_hot_places_outwards():
    heat = np.zeros((32, 32))
    heat[20:24, 20:24] = 1
    rows, columns = np.nonzero(hottest_pixels(heat, 100 / 1024))
    assert rows.min() >= 14
    assert columns.min() >= 14


@ignore_library_warning
def test_road_equals_the_librarys(monkeypatch):
    class Quiet(library.NoisyLinearImputer):
        def __init__(self):
            super().__init__(noise=0)

    monkeypatch.setattr(library, "NoisyLinearImputer", Quiet)
    images, labels, rng = torch.rand(3, 3, 24, 24), [1, 0, 1], np.random.default_rng(0)
    permuted = rng.permutation(576).reshape(1, 24, 24).astype(np.float32) / 576
    maps = np.concatenate([blurred_random(2, 24, seed=1), permuted])

    def predict(x):
        contrast = x[:, 0, 4:12, 4:12].mean((1, 2)) - x[:, 1, 12:].mean((1, 2))
        return torch.sigmoid(5 * (contrast + 0.3 * x.std((1, 2, 3)) - 0.1))

    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.stack([1 - predict(x), predict(x)], 1)

    targets = [lambda out, label=label: out[label] for label in labels]
    expected = library.ROADCombined([20, 40, 60, 80])(images, maps, targets, Model())
    assert road(predict, images, maps, labels, noise=0) == pytest.approx(expected, abs=1e-3)
    assert np.abs(expected).min() > 0.01


@pytest.mark.parametrize("label", [0, 1])
def test_the_right_map_scores_high_and_its_reverse_as_low(label):
    images, right, labels = pictures(4), patch_maps(4), [label] * 4
    sign = 1 if label else -1  # the patch is evidence against the verdict real
    good, bad = (sign * road(redness, images, maps, labels) for maps in (right, 1 - right))
    assert (good > 0.2).all()
    assert good == pytest.approx(-bad, abs=1e-3)
    insertion, deletion = insertion_deletion(redness, images, right, labels)
    assert (sign * (insertion - deletion) > 0.5).all()


@given(st.integers(0, 99), st.sampled_from([np.sqrt, np.square, lambda x: 3 * x + 1]))
@settings(max_examples=4, deadline=None)
def test_scores_depend_on_the_order_of_heat_alone(seed, change):
    images = as_batch(picture_with_patch(0, 0, side=48))
    maps = np.random.default_rng(seed).permutation(48 * 48).reshape(1, 48, 48) / 2304
    ends = curve_ends(redness, images, [1])
    assert road(redness, images, change(maps), [1]) == pytest.approx(road(redness, images, maps, [1]))
    once, again = (insertion_deletion(redness, images, m, [1], ends=ends) for m in (maps, change(maps)))
    assert np.array(once) == pytest.approx(np.array(again))


def test_the_areas_of_a_constant_classifier_are_its_probability():
    insertion, deletion = insertion_deletion(lambda x: torch.full((len(x),), 0.7), pictures(2), patch_maps(2), [1, 0])
    assert insertion == pytest.approx([0.7, 0.3])
    assert deletion == pytest.approx([0.7, 0.3])
    with pytest.raises(ValueError, match="no number"):
        curve_ends(lambda x: torch.full((len(x),), float("nan")), pictures(1), [1])
