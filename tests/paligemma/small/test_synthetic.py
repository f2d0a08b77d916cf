"""Synthetic overlays: peaks, mirrored examples, and the targets of the vision pretraining."""

from __future__ import annotations

import types

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.evidence.cues import peak_of, region_of
from aireal.evidence.record import REGIONS
from aireal.paligemma.small import synthetic
from aireal.paligemma.small.model import build_small_paligemma
from aireal.paligemma.small.pretrain_vision import VisionPretraining, vision_item


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(REGIONS))
def test_a_heatmap_peaks_in_the_given_region(seed, region):
    rng = np.random.default_rng(seed)
    heat = synthetic.heatmap(rng, region)
    assert heat.shape == (256, 256)
    assert heat.min() == 0
    assert heat.max() == 1
    assert region_of(*peak_of(heat)) == region


def draw_fn():
    photographs = synthetic.read_photographs(None)
    return lambda rng, region: synthetic.draw_example(rng, photographs, region)


def test_mirroring_changes_picture_and_region_together():
    pool = synthetic.make_pool(9, 112, 5, draw_fn())
    rng = np.random.default_rng(0)
    for index in range(9):
        record = pool.record(index, rng)
        mirrored = pool.record(index, rng, (True, False))
        swapped = {"left": "right", "right": "left", "center": "center"}
        row, column = record.region.split("-")
        assert mirrored.region == f"{row}-{swapped[column]}"
        assert np.array_equal(np.asarray(pool.image(index, (True, False))), np.asarray(pool.image(index))[:, ::-1])
        assert np.array_equal(np.asarray(pool.image(index, (False, True))), np.asarray(pool.image(index))[::-1])


def test_targets_of_the_vision_tower_match_the_picture():
    pool = synthetic.make_pool(18, 112, 6, draw_fn())
    side = synthetic.COARSE
    for index in range(18):
        for flip in ((False, False), (True, False), (False, True), (True, True)):
            item = vision_item(pool, index, flip)
            row, column = divmod(int(item["peak"]), side)
            neighbourhood = item["heat"][max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            assert neighbourhood.max() > 0.9 * item["heat"].max()
            # the coarse peak may lie in another region only where the peak is within a cell of a border
            to_border = min(abs(p * 3 - line) for p in pool.peak(index, flip) for line in (1, 2))
            if to_border >= 3 / side:
                assert REGIONS[item["words"][0]] == region_of((column + 0.5) / side, (row + 0.5) / side)
            assert item["pixel_values"].min() >= -1
            assert 0 <= item["pixel_values"].max() <= 1


def test_patches_of_the_vision_towers_maps_are_in_row_order():
    """Each token predicts its own index; the map must then be the 8x8 grid of patches, row by row."""
    tower = build_small_paligemma()[0].model.vision_tower
    task = VisionPretraining(tower)
    indices = torch.zeros(1, 64, tower.config.hidden_size)
    indices[0, :, 0] = torch.arange(64)
    tower.forward = lambda pixel_values: types.SimpleNamespace(last_hidden_state=indices)
    with torch.no_grad():
        task.local.weight.zero_()
        task.local.bias.copy_(torch.arange(5 * 16) / 1000)  # within a patch: rows of points, five channels each
        task.local.weight[:, 0] = 1
        maps, _ = task.predict(torch.zeros(1))
    assert maps.shape == (1, 5, 32, 32)
    grid = maps[0, 1].round().view(8, 4, 8, 4)
    assert torch.equal(grid, torch.arange(64.0).view(8, 1, 8, 1).expand(8, 4, 8, 4))
    within = (maps[0, 1, :4, :4] * 1000).round()
    assert torch.equal(within, (torch.arange(16.0) * 5 + 1).view(4, 4))
