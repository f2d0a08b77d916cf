"""What every sentence must pass before it is kept, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..evidence import EvidenceRecord
from .language import contradictions

LONGEST = 400  # characters


def objections(sentence: str, record: EvidenceRecord, language: str) -> list[str]:
    """Why a sentence may not stand: it contradicts its record, is in another language, or is no single line of text."""
    if not isinstance(sentence, str) or not sentence.strip():
        return ["the sentence is empty"]
    found = contradictions(sentence, record, language)
    if not found and f"{record.probability:.2f}" not in sentence:
        found.append(f"the number is not written with two decimals, as {record.probability:.2f}%")
    if len(sentence) > LONGEST:
        found.append(f"the sentence is longer than {LONGEST} characters")
    if re.search(r"[\x00-\x1f\x7f\u2028\u2029]", sentence.strip()):
        found.append("the sentence holds a line break or a control character")
    return found


def same(sentence: str) -> str:
    """A form in which two sentences are equal that differ only in case, blanks and punctuation at the end."""
    return re.sub(r"\s+", " ", sentence).strip(" .!").casefold()


def sift(sentences: Iterable[str], record: EvidenceRecord, language: str, base: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Split sentences of one language about one record into accepted ones and (sentence, reasons) that are rejected."""
    seen, accepted, rejected = {same(base)}, [], []
    for sentence in sentences:
        reasons = objections(sentence, record, language)
        if not reasons and same(sentence) in seen:
            reasons = ["the sentence repeats the base caption or one of its siblings"]
        if reasons:
            rejected.append((sentence if isinstance(sentence, str) else repr(sentence), reasons))
        else:
            seen.add(same(sentence))
            accepted.append(sentence.strip())
    return accepted, rejected
