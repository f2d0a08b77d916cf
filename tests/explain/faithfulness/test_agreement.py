"""Agreement of heatmap and LIME."""

from __future__ import annotations

import numpy as np
import pytest

from aireal.evidence.record import LimeFeature
from aireal.explain.faithfulness.agreement import chance_iou, contradicts_peak, heatmap_lime_iou, iou, lime_map


def test_agreement_is_one_for_the_same_places_and_zero_for_others():
    segments = np.arange(25).reshape(5, 5).repeat(4, 0).repeat(4, 1)
    features = [LimeFeature(k, 1.0 if k < 5 else -0.5 if k >= 20 else 0.0) for k in range(25)]
    top = np.linspace(1, 0, 20)[:, None].repeat(20, 1)
    assert heatmap_lime_iou(top, segments, features, 1) == 1
    assert heatmap_lime_iou(1 - top, segments, features, 1) == 0
    assert heatmap_lime_iou(top, segments, features, 0) == 0
    assert heatmap_lime_iou(1 - top, segments, features, 0) == 1
    assert lime_map(segments, features[:3], 1)[0, 12:].tolist() == [0] * 8
    moves = [np.roll(top, (down, right), (0, 1)) for down in range(20) for right in range(20)]
    by_chance = np.mean([heatmap_lime_iou(moved, segments, features, 1) for moved in moves])
    assert chance_iou(top, segments, features, 1) == pytest.approx(by_chance)
    assert by_chance > 1 / 9
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0


def test_the_peak_is_contradicted_where_lime_is_sure_that_its_superpixel_speaks_against_the_verdict():
    segments = np.array([[0, 0, 1, 1], [2, 2, 3, 3]])
    features = [
        LimeFeature(1, -0.2, -0.3, -0.1),
        LimeFeature(2, 0.2, 0.1, 0.3),
        LimeFeature(3, -0.1, -0.2, 0.05),
        LimeFeature(0, 0.1),
    ]
    peaks = {0: (0.1, 0.1), 1: (0.9, 0.2), 2: (0.0, 1.0), 3: (1.0, 1.0)}
    assert {k for k, peak in peaks.items() if contradicts_peak(peak, segments, features, 1)} == {1}
    assert {k for k, peak in peaks.items() if contradicts_peak(peak, segments, features, 0)} == {2}
