"""Summary of what was measured on many pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aireal.core.statistics import bootstrap
from aireal.explain.faithfulness.summary import summarise
from helpers.measured import measured_records, record


def test_a_summary_counts_what_was_measured_and_leaves_out_what_was_not():
    records, groups = measured_records(), [f"g{k}" for k in range(8)]
    metrics = summarise(records, groups, seed=1)
    assert json.loads(json.dumps(metrics)) == metrics
    region = metrics["all"]["region"]
    assert region["beats"]["value"] == pytest.approx((6 + 2 * 0.25) / 8, abs=1e-4)
    assert region["excess"]["value"] == pytest.approx(region["drop"]["value"] - region["random"]["value"], abs=1e-3)
    assert metrics["all"]["lime"]["n"] == 7
    assert metrics["all"]["agreement"]["chance"] == 0.13
    assert metrics["all"]["contradicted"]["value"] == 0.25
    assert metrics["real"]["n"] == 4
    assert metrics["fake"]["n"] == 4
    assert metrics["fake"]["lime"]["n"] == 3


def test_a_source_with_both_verdicts_is_drawn_as_a_whole():
    records, groups = measured_records(), [f"g{k // 2}" for k in range(8)]
    assert {record.label for record in records[:2]} == {"real", "fake"}
    drops = np.array([record.region_removal.drop for record in records])
    of_groups = bootstrap(lambda index: {"drop": drops[index].mean()}, np.zeros(8), groups, seed=1)
    assert summarise(records, groups, seed=1)["all"]["region"]["drop"] == of_groups["drop"]


def test_a_summary_of_nothing_measured_is_empty_and_not_an_error():
    metrics = summarise([record(0, 0.9), record(1, 0.8)], ["a", "b"], seed=1)
    assert metrics["all"] == {"n": 2, "agreement": None, "contradicted": None, "region": None, "lime": None}
    assert metrics["real"]["n"] == 0
