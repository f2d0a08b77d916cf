"""The demonstration's pictures are chosen by a rule: right and sure, right and uncertain, wrong, in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aireal.stages.demo_rule import KINDS, choose_in_turn, kind_of

kinds_in_order = st.lists(st.sampled_from(KINDS), max_size=40)


def test_the_first_of_each_kind_is_shown_then_the_second_of_each():
    kinds = ["uncertain", "sure", "sure", "uncertain", "wrong", "sure"]
    assert choose_in_turn(kinds, 4) == [1, 0, 4, 2]


def test_a_kind_that_does_not_occur_is_skipped():
    assert choose_in_turn(["uncertain", "sure", "sure"], 3) == [1, 0, 2]
    assert choose_in_turn([], 3) == []


def test_kinds_are_told_by_truth_and_uncertain_band():
    assert kind_of("fake", "fake", uncertain=False) == "sure"
    assert kind_of("real", "real", uncertain=True) == "uncertain"
    assert kind_of("real", "fake", uncertain=True) == "wrong"
    assert kind_of("real", "unknown", uncertain=False) == "sure"


@given(kinds_in_order, st.integers(0, 10))
def test_no_picture_is_shown_twice_and_none_is_left_out_without_need(kinds, count):
    chosen = choose_in_turn(kinds, count)
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) == min(count, len(kinds))


@given(kinds_in_order, st.integers(3, 10))
def test_every_kind_that_occurs_is_shown(kinds, count):
    assert {kinds[place] for place in choose_in_turn(kinds, count)} == set(kinds)


@given(kinds_in_order, st.integers(0, 10))
def test_of_one_kind_the_pictures_come_in_order_of_name(kinds, count):
    chosen = choose_in_turn(kinds, count)
    for kind in KINDS:
        places = [place for place in chosen if kinds[place] == kind]
        assert places == [place for place, of in enumerate(kinds) if of == kind][: len(places)]
