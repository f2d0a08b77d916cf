"""Deterministic sampling: take turns over groups, and draw by a seeded hash."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence


def round_robin(groups: Sequence[Hashable], count: int | None = None) -> list[int]:
    """Indices of the first `count` observations if the groups take turns: each gives one before any gives a second.

    Groups take turns in the order in which they first appear, and give their observations in the order of the sequence.

    Args:
        groups: the group of each observation.
        count: how many to take; None takes all.
    """
    place: dict[Hashable, int] = {}
    turns: dict[Hashable, int] = {}
    order = []
    for index, group in enumerate(groups):
        turns[group] = turns.get(group, -1) + 1
        order.append((turns[group], place.setdefault(group, len(place)), index))
    return [index for _, _, index in sorted(order)[:count]]


def draw_groups(groups: Sequence[Hashable], count: int, seed: int) -> list[int]:
    """Indices of at most `count` observations: whole groups, in the order of a seeded hash of their names.

    A sample of whole groups has the make-up of all, and a bootstrap over groups stays valid (one-stage cluster
    sampling: Cochran 1977, "Sampling Techniques", chapter 9). A group that no longer fits is passed over. Where none
    fits, the first `count` observations of the first group are taken.

    Args:
        groups: the group of each observation.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = sorted(members, key=lambda group: seeded_hash(seed, str(group)))
    drawn: list[int] = []
    for group in order:
        if len(drawn) + len(members[group]) <= count:
            drawn += members[group]
    return drawn or [index for group in order[:1] for index in members[group][:count]]


def seeded_hash(seed: int, name: str) -> int:
    """64 bits that depend on seed and name alone: a draw by them is the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()[:8], "big")
