"""The author that needs no key: sentences from the grammar of `language.render`, through the same gate as Claude's."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from itertools import islice

from aireal.captions.language.grammar import render, shape_count, variant_count
from aireal.captions.language.validate import filter_valid
from aireal.evidence.record import EvidenceRecord

AUTHOR = "offline"


def paraphrase(record: EvidenceRecord, language: str, n: int, seed: int = 7, base: str | None = None) -> list[str]:
    """`n` different sentences about a record that differ from its base caption; the same for the same image and seed.

    Shapes are drawn without repetition until all have been used, the base caption's shape last; synonyms at random.

    Raises:
        ValueError: the language is unknown, or the grammar has fewer than `n` sentences for this record.
    """
    base = base if base is not None else render(record, language)
    digest = hashlib.sha256(f"{seed}/{record.image}/{language}".encode()).digest()
    drawn, count = _drawn(record, language, random.Random(digest)), variant_count(record, language)
    everything = (render(record, language, variant) for variant in range(1, count))
    accepted: list[str] = []
    for more in (
        islice(drawn, min(n, count)),
        islice(drawn, min(n, count)),
        everything,
    ):  # later ones only when draws have repeated themselves
        accepted, _ = filter_valid([*accepted, *more], record, language, base)
        if len(accepted) >= n:
            return accepted[:n]
    raise ValueError(
        f"the grammar has only {len(accepted)} sentences in {language!r} for {record.image}, {n} were asked for"
    )


def _drawn(record: EvidenceRecord, language: str, generator: random.Random) -> Iterator[str]:
    """Sentences without end, round by round through all shapes."""
    shapes, count = shape_count(language), variant_count(record, language)
    while True:
        for shape in [*generator.sample(range(1, shapes), shapes - 1), 0]:
            yield render(record, language, shape + shapes * generator.randrange(count // shapes))
