"""What every sentence must pass before it is kept, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aireal.evidence.record import EvidenceRecord

from .grammar import contradictions
from .vocabulary import unknown_words

LONGEST = 400  # characters


def enriched(sentence: str, language: str) -> list[str]:
    """The words of a sentence ('ko' or 'en') outside the vocabulary of class, region, number, cues, grammar and judging; each once, in order.

    A sentence with such words says more than its record. The gate rejects it, or, where the caller allows it, keeps it: then it is to be
    marked (`Answer.of(..., enriched=True)`).
    """
    return unknown_words(sentence, language)


def violations(sentence: str, record: EvidenceRecord, language: str, allow_enriched: bool = False) -> list[str]:
    """Why a sentence may not stand: it contradicts its record, is in another language, is no single line, or says more than the record.

    Args:
        allow_enriched: let words outside the vocabulary pass (`enriched` names them). What contradicts the record never passes.
    """
    if not isinstance(sentence, str) or not sentence.strip():
        return ["the sentence is empty"]
    found = contradictions(sentence, record, language)
    if not found and f"{record.probability:.2f}" not in sentence:
        found.append(f"the number is not written with two decimals, as {record.probability:.2f}%")
    if len(sentence) > LONGEST:
        found.append(f"the sentence is longer than {LONGEST} characters")
    if re.search(r"[\x00-\x1f\x7f\u2028\u2029]", sentence.strip()):
        found.append("the sentence holds a line break or a control character")
    if not found and not allow_enriched and (words := enriched(sentence, language)):
        found.append(f"words outside the vocabulary: {', '.join(words)}")
    return found


def same(sentence: str) -> str:
    """A form in which two sentences are equal that differ only in case, blanks and punctuation."""
    return re.sub(r"[\W_]+", " ", sentence).strip().casefold()


def filter_valid(
    sentences: Iterable[str], record: EvidenceRecord, language: str, base: str, allow_enriched: bool = False
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Split sentences of one language about one record into accepted ones and (sentence, reasons) that are rejected.

    Args:
        base: the base caption, which no sentence may repeat.
        allow_enriched: as in `violations`; which of the accepted ones are enriched, `enriched` says.
    """
    seen, accepted, rejected = {same(base)}, [], []
    for sentence in sentences:
        reasons = violations(sentence, record, language, allow_enriched)
        if not reasons and same(sentence) in seen:
            reasons = ["the sentence repeats the base caption or one of its siblings"]
        if reasons:
            rejected.append((sentence if isinstance(sentence, str) else repr(sentence), reasons))
        else:
            seen.add(same(sentence))
            accepted.append(sentence.strip())
    return accepted, rejected
