"""Occlusion of areas, and the occlusion test of one picture, on a toy classifier whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aireal.evidence.cues import region_pixels
from aireal.evidence.record import REGIONS
from aireal.explain.faithfulness.agreement import iou
from aireal.explain.faithfulness.occlusion import FILLINGS, occlude, occlusion_test, random_like, region_mask
from helpers.planted_models import pictures, redness


@pytest.mark.parametrize("filling", FILLINGS)
def test_occlusion_changes_masked_pixels_alone_and_is_reproducible(filling):
    image, masks = torch.randn(1, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 4:12, 4:12], masks[1, 20:, 20:] = True, True
    changed, again = occlude(image, masks, filling, seed=3), occlude(image, masks, filling, seed=3)
    different = (changed != image).any(1)
    assert (different == masks).all()
    assert torch.equal(changed, again)
    assert filling != "noisy_linear" or not torch.equal(changed, occlude(image, masks, filling, seed=4))


def test_the_error_for_an_unknown_filling_names_the_known_ones():
    with pytest.raises(ValueError, match="choose one of blur, mean, noisy_linear"):
        occlude(torch.randn(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool), "magic")


@pytest.mark.parametrize("region", REGIONS)
def test_the_region_mask_is_the_region(region):
    image = np.arange(100 * 100).reshape(100, 100)
    assert (image[region_mask(region, 100)] == region_pixels(image, region).ravel()).all()


@given(hnp.arrays(bool, (12, 12)), st.integers(0, 999))
def test_a_random_area_has_the_same_size_and_profile(mask, seed):
    moved = random_like(mask, np.random.default_rng(seed))
    assert moved.sum() == mask.sum()
    for axis in (0, 1):
        assert sorted(moved.sum(axis)) == sorted(mask.sum(axis))


@pytest.mark.parametrize("region", REGIONS)
def test_a_random_area_lies_elsewhere(region):
    mask = region_mask(region, 96)
    assert all(iou(mask, random_like(mask, np.random.default_rng(seed))) < 0.2 for seed in range(50))


def test_masking_the_patch_matters_more_than_masking_anything_else():
    image = pictures()[4]
    patch, again = (occlusion_test(redness, image, region_mask("middle-center", 96), 1, seed=2) for _ in range(2))
    assert patch == again
    assert patch.drop > 0.3
    assert patch.beats == 1
    assert patch.random_low <= patch.random <= patch.random_high < patch.drop
    elsewhere = occlusion_test(redness, image, region_mask("top-left", 96), 1, seed=2)
    assert abs(elsewhere.drop) < 0.01
    assert elsewhere.beats < 0.9
    against = occlusion_test(redness, image, region_mask("middle-center", 96), 0, seed=2)
    assert against.drop == pytest.approx(-patch.drop)
    with pytest.raises(ValueError, match="empty or the whole picture"):
        occlusion_test(redness, image, np.zeros((96, 96), bool), 1, seed=2)
