"""The author that needs no key: sentences from the grammar of `language.render`, through the same gate as Claude's."""

from __future__ import annotations

import hashlib
import random

from ..evidence import EvidenceRecord
from .gate import sift
from .language import render, shape_count, variant_count

AUTHOR = "offline"


def paraphrase(record: EvidenceRecord, language: str, n: int, seed: int = 7, base: str | None = None) -> list[str]:
    """`n` different sentences about a record that differ from its base caption; the same for the same image and seed.

    Shapes are drawn without repetition until all have been used, synonyms at random.

    Raises:
        ValueError: the language is unknown, or the grammar has fewer than `n` sentences for this record.
    """
    base = base if base is not None else render(record, language)
    digest = hashlib.sha256(f"{seed}/{record.image}/{language}".encode()).digest()
    drawn = _sentences(record, language, random.Random(digest), n)
    accepted, _ = sift(drawn, record, language, base)
    if len(accepted) < n:  # the draws repeated themselves: go through the grammar
        everything = (render(record, language, variant) for variant in range(1, variant_count(record, language)))
        accepted, _ = sift([*accepted, *everything], record, language, base)
    if len(accepted) < n:
        raise ValueError(f"the grammar has only {len(accepted)} sentences in {language!r} for {record.image}, {n} were asked for")
    return accepted[:n]


def _sentences(record: EvidenceRecord, language: str, generator: random.Random, n: int) -> list[str]:
    shapes, count = shape_count(language), variant_count(record, language)
    draws, order = 2 * min(n, count), []  # twice as many, because some will repeat
    while len(order) < draws:
        order += generator.sample(range(shapes), shapes)
    return [render(record, language, shape + shapes * generator.randrange(count // shapes)) for shape in order[:draws]]
