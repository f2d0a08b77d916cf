"""The rule by which the demonstration's pictures are chosen, so that nobody's taste chooses them.

The pictures are in order of name, AI images and photographs in turn. Shown are, in turn, the first of each kind that is
not shown yet: right and sure, right and uncertain, wrong. A kind that does not occur is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from aireal.evidence.record import EvidenceRecord

KINDS = ("sure", "uncertain", "wrong")  # in the order in which they are shown


def kind_of(label: str, truth: str, uncertain: bool) -> str:
    """Of a verdict: "sure" (right, and outside the classifier's uncertain band), "uncertain" (right), or "wrong".

    Args:
        label, truth: "real" or "fake"; a truth that is not known makes no verdict wrong.
    """
    if truth not in ("unknown", label):
        return "wrong"
    return "uncertain" if uncertain else "sure"


def kinds_of(records: Iterable[EvidenceRecord], truths: Iterable[str]) -> list[str]:
    """The kind of each verdict."""
    pairs = zip(records, truths, strict=True)
    return [kind_of(record.label, truth, record.uncertain) for record, truth in pairs]


def choose_in_turn(kinds: Sequence[str], count: int) -> list[int]:
    """Positions of at most `count` pictures, in the order in which they are shown; `kinds` are in order of name."""
    places = [[place for place, kind in enumerate(kinds) if kind == wanted] for wanted in KINDS]
    in_turn = [place for turn in zip_longest(*places) for place in turn if place is not None]
    return in_turn[:count]
