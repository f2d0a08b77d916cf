"""How many pictures of each class say in their files where they come from (docs/provenance.md).

A classifier of pixels never sees this. One that is given the files, or a network that is trained on what a program
extracts from them, would be right without looking at the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aireal.config import LABELS
from aireal.provenance.credentials import has_credentials
from aireal.provenance.read_file import read_marks
from aireal.provenance.source_types import BY_AI

KINDS = {  # kind: its words in the report
    "credentials": "Content Credentials (C2PA)",
    "stated as AI": "a source type that states AI",
    "source_type": "another source type",
    "generator": "a generator's text",
    "camera": "a camera's name",
    "software": "a program's name",
    "any": "any of these",
}


def marks_of(data: bytes) -> frozenset[str]:
    """The kinds of marks (keys of `KINDS`) in a picture's bytes. Credentials count whether they are valid or not."""
    marks = read_marks(data)
    kinds = {"stated as AI" if mark.kind == "source_type" and mark.text in BY_AI else mark.kind for mark in marks}
    if has_credentials(data):
        kinds.add("credentials")
    return frozenset(kinds | {"any"} if kinds else ())


def count_marks(marks: Sequence[frozenset[str]], labels: np.ndarray) -> dict[str, dict[str, int]]:
    """Number of pictures of each class that carry each kind of mark: {kind: {"0_real": n, "1_fake": n}}.

    Args:
        marks: `marks_of` each picture.
        labels: int [N], 0 real or 1 fake.
    """
    return {
        kind: {
            name: sum(kind in own for own, own_label in zip(marks, labels) if own_label == label)
            for label, name in enumerate(LABELS)
        }
        for kind in KINDS
    }


def marks_in_words(counts: dict[str, dict[str, int]], images: dict[str, int]) -> list[str]:
    """A line for each kind that occurs: "a camera's name: 120 of 200 in 0_real, 0 of 200 in 1_fake"."""
    return [
        f"{words}: " + ", ".join(f"{counts[kind][name]} of {images[name]} in {name}" for name in LABELS)
        for kind, words in KINDS.items()
        if any(counts[kind].values())
    ]
