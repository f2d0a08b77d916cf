"""Masked pixels are filled as the library fills them, from their neighbours alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pytorch_grad_cam.metrics import road as library

from aireal.explain.faithfulness import imputation
from aireal.explain.faithfulness.imputation import impute
from aireal.explain.faithfulness.scores import hottest_pixels
from aireal.explain.faithfulness.select_method import blurred_random

# of the library's imputer, which passes tensors to numpy
ignore_library_warning = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@ignore_library_warning
@pytest.mark.parametrize("side", [16, 24, 33])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_imputation_equals_the_librarys(side, share):
    images = torch.randn(2, 3, side, side)
    masks = torch.rand(2, side, side) < share
    masks[:, side // 4 : side // 2, side // 4 :] = True
    stock = library.NoisyLinearImputer(noise=0)
    expected = torch.stack([stock(image, (~mask).float()) for image, mask in zip(images, masks)])
    assert impute(images, masks, tolerance=1e-4).numpy() == pytest.approx(expected.numpy(), abs=5e-4)


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(bool, (16, 16)), st.integers(0, 99))
def test_an_imputation_keeps_visible_pixels_and_lies_between_their_extremes(mask, seed):
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    imputed, visible = impute(image, torch.from_numpy(mask)[None])[0], ~torch.from_numpy(mask)
    assert torch.isfinite(imputed).all()
    assert (imputed[:, visible] == image[0][:, visible]).all()
    if visible.any():
        low, high = (pick(image[0][:, visible], 1, keepdim=True).values[..., None] for pick in (torch.min, torch.max))
        assert (imputed >= low - 0.01).all()
        assert (imputed <= high + 0.01).all()


@pytest.mark.parametrize("side", [96, 128, 256])
@pytest.mark.parametrize("share", [0.2, 0.8, 0.97])
def test_wide_holes_are_filled_with_the_mean_of_their_neighbours(side, share, photograph, monkeypatch):
    monkeypatch.setattr(imputation, "STEPS", 30)  # it takes fewer than ten
    pixels = torch.from_numpy(np.asarray(photograph.resize((side, side))).copy())
    picture = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
    for seed in range(3):
        mask = torch.from_numpy(hottest_pixels(blurred_random(1, side, seed)[0], share))[None]
        imputed = impute(picture, mask)
        weight = imputation.neighbours(torch.ones(1, 1, side, side))
        error = (imputed - imputation.neighbours(imputed) / weight).abs() * mask
        assert float(error.max()) < 0.01
        assert imputed.min() >= picture.min() - 0.01
        assert imputed.max() <= picture.max() + 0.01


@pytest.mark.parametrize("side", [96, 256])
def test_a_small_hole_is_filled_exactly_and_a_wide_one_nearly_so(side, photograph, monkeypatch):
    pixels = torch.from_numpy(np.asarray(photograph.resize((side, side))).copy())
    picture, mask = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1, torch.zeros(1, side, side, dtype=torch.bool)
    mask[:, : side // 3, side // 2 : side // 2 + side // 3] = True  # a cell at the edge
    exact, weight = impute(picture, mask), imputation.neighbours(torch.ones(1, 1, side, side))
    assert float(((exact - imputation.neighbours(exact) / weight).abs() * mask).max()) < 1e-5
    monkeypatch.setattr(imputation, "FACTORISED", 0)
    assert float((impute(picture, mask) - exact).abs().max()) < 2 * imputation.TOLERANCE


def test_all_pictures_of_a_batch_are_filled_as_if_alone():
    images, masks = torch.randn(3, 3, 32, 32), torch.rand(3, 32, 32) < 0.5
    masks[1] = True  # the whole picture
    together = impute(images, masks)
    assert all(torch.allclose(together[k], impute(images[k : k + 1], masks[k : k + 1])[0], atol=1e-4) for k in range(3))
    assert torch.allclose(together[1], images[1].mean((1, 2), keepdim=True).expand_as(images[1]), atol=1e-5)
