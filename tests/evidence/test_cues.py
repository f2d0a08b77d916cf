"""Where a heatmap peaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aireal.evidence.cues import peak_of


@given(st.integers(0, 10_000), st.sampled_from([(0, 0), (3, 0), (0, 5), (7, 7), (4, 4)]))
def test_a_mirrored_map_has_a_mirrored_peak(seed, place):
    """Also at the edges, where a map of 8×8 cells that is enlarged has the same value in many pixels."""
    cells = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    cells[(0, 0, *place)] = 2
    heat = torch.nn.functional.interpolate(cells, size=(256, 256), mode="bilinear")[0, 0].numpy()
    x, y = peak_of(heat)
    assert (x, y) == pytest.approx(((place[1] + 0.5) / 8, (place[0] + 0.5) / 8), abs=0.04)
    assert peak_of(np.flip(heat, 1)) == pytest.approx((1 - x, y), abs=0.003)
    assert peak_of(np.flip(heat, 0)) == pytest.approx((x, 1 - y), abs=0.003)
