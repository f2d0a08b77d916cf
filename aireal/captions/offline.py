"""The author that needs no key: sentences of the grammar, checked by the same validator as Claude's."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from itertools import islice

from aireal.captions.language.grammar import render, shape_count, variant_count
from aireal.captions.language.validate import ValidSentence, filter_valid
from aireal.evidence.record import EvidenceRecord

AUTHOR = "offline"


def paraphrase(
    record: EvidenceRecord, language: str, n: int, seed: int = 7, base: str | None = None
) -> list[ValidSentence]:
    """`n` different sentences about a record that differ from its base caption; the same for the same image and seed.

    Shapes are sampled without repetition until all have been used, the shape of the base caption last; synonyms at
    random.

    Args:
        base: the base caption; rendered from the record when None.

    Raises:
        ValueError: the language is unknown, or the grammar has fewer than `n` sentences for this record.
    """
    base = base if base is not None else render(record, language)
    digest = hashlib.sha256(f"{seed}/{record.image}/{language}".encode()).digest()
    count = variant_count(record, language)
    samples = _sample(record, language, random.Random(digest))
    # a second sample and then all variants are needed only where the first one repeats itself
    candidates = (islice(samples, min(n, count)), islice(samples, min(n, count)), _all(record, language, count))
    accepted: list[ValidSentence] = []
    for sentences in candidates:
        taken = [base, *(sentence.text for sentence in accepted)]
        accepted += filter_valid(sentences, record, language, taken)[0]
        if len(accepted) >= n:
            return accepted[:n]
    raise ValueError(
        f"the grammar has only {len(accepted)} sentences in {language!r} for {record.image}: ask for fewer than {n}"
    )


def _sample(record: EvidenceRecord, language: str, generator: random.Random) -> Iterator[str]:
    """An endless stream of sentences that goes through all shapes again and again."""
    shapes, count = shape_count(language), variant_count(record, language)
    while True:
        for shape in [*generator.sample(range(1, shapes), shapes - 1), 0]:
            yield render(record, language, shape + shapes * generator.randrange(count // shapes))


def _all(record: EvidenceRecord, language: str, count: int) -> Iterator[str]:
    return (render(record, language, variant) for variant in range(1, count))
