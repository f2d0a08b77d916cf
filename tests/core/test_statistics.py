"""Rates with intervals over groups."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.core.statistics import grouped_rate, wilson


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
