"""Rates with intervals over groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.core.statistics import bootstrap, grouped_rate, wilson


@settings(max_examples=80, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_groups_of_one_give_wilsons_interval_and_copies_of_a_group_change_nothing(hits):
    single = grouped_rate(hits, [str(i) for i in range(len(hits))])
    assert single["low"] <= single["value"] <= single["high"]
    independent = wilson(sum(hits), len(hits))
    assert single["value"] == independent["value"]
    assert single["high"] - single["low"] >= independent["high"] - independent["low"] - 1e-3
    tripled = grouped_rate(hits * 3, [str(i) for i in range(len(hits))] * 3)
    assert tripled == pytest.approx(single, abs=1e-3)


def test_a_rate_requires_one_group_per_observation():
    with pytest.raises(ValueError, match="one group an observation"):
        grouped_rate([True], [])


@pytest.mark.parametrize("groups", [6, 30])
def test_an_interval_of_few_groups_holds_the_truth_as_often_as_one_of_many(groups):
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        values = rng.normal(size=groups)
        names = [str(k) for k in range(groups)]
        found = bootstrap(lambda index, of=values: {"mean": of[index].mean()}, np.zeros(groups), names, seed, 300)[
            "mean"
        ]
        held += found["low"] <= 0 <= found["high"]
    assert 0.90 <= held / 200 <= 0.99
