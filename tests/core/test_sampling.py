"""Groups take turns, and draws by hash depend on seed and name alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aireal.core.sampling import draw_groups, round_robin, seeded_hash


def test_groups_take_turns():
    groups = ["a", "a", "a", "b", "c", "c"]
    assert round_robin(groups, 3) == [0, 3, 4]
    assert round_robin(groups, 4) == [0, 3, 4, 1]
    assert round_robin(groups) == [0, 3, 4, 1, 5, 2]


def test_more_than_there_are_gives_all():
    assert round_robin(["a", "a"], 5) == [0, 1]
    assert round_robin([], 5) == []


@given(st.lists(st.integers(0, 4)), st.integers(0, 20))
def test_no_group_gives_two_more_than_another_that_has_any_left(groups, count):
    chosen = round_robin(groups, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(groups))
    taken = {group: sum(groups[k] == group for k in chosen) for group in set(groups)}
    unfinished = [taken[group] for group in taken if taken[group] < groups.count(group)]
    assert all(max(taken.values()) - n <= 1 for n in unfinished)


def test_a_seeded_hash_has_64_bits_and_follows_seed_and_name():
    hashes = {seeded_hash(seed, name) for seed in (1, 2) for name in ("a", "b", "\udcff")}
    assert len(hashes) == 6
    assert max(hashes) < 2**64
    assert seeded_hash(1, "a") == seeded_hash(1, "a")


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 20), st.integers(0, 3))
def test_a_draw_keeps_groups_whole_and_within_the_count(groups, count, seed):
    drawn = draw_groups(groups, count, seed)
    assert 1 <= len(set(drawn)) == len(drawn) <= count
    whole = all(groups.count(group) == sum(groups[k] == group for k in drawn) for group in {groups[k] for k in drawn})
    assert whole or len({groups[k] for k in drawn}) == 1 and min(map(groups.count, groups)) > count
    left = [groups.count(group) for group in set(groups) - {groups[k] for k in drawn}]
    assert all(len(drawn) + size > count for size in left), "what would still fit is not left out"


def test_a_smaller_draw_lies_within_a_larger_one():
    groups = list(range(100))
    assert draw_groups(groups, 10, 7) == draw_groups(groups, 40, 7)[:10]
    assert set(draw_groups(groups, 10, 7)) != set(draw_groups(groups, 10, 8))
    assert draw_groups([], 5, 7) == []
