"""The validator: the checks that every sentence must pass before it enters a table, whoever its author is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aireal.evidence.record import EvidenceRecord

from .grammar import differences
from .matching import foreign_characters, normalize
from .parsing import Parsed, parse
from .vocabulary import unknown_words

LONGEST = 400  # characters
FAR_TOO_LONG = 10 * LONGEST  # characters of a text that is not even parsed


@dataclass(frozen=True)
class ValidSentence:
    """A sentence that the validator accepted, and what the parser read in it."""

    text: str
    parsed: Parsed


def validate(sentence: str, record: EvidenceRecord, language: str) -> tuple[Parsed | None, list[str]]:
    """Parse a sentence ('ko' or 'en') once and check it against its record.

    Returns:
        What the parser read (None where it refuses the sentence), and the violations, a text each. A sentence is valid
        when there are none: it agrees with its record, is in the language, is a single line of at most `LONGEST`
        letters, digits and usual marks, and has no word outside the vocabulary.
    """
    if not isinstance(sentence, str) or not sentence.strip():
        return None, ["the sentence is empty"]
    if len(sentence) > FAR_TOO_LONG:  # parsing takes time that grows faster than the text
        return None, [f"the sentence is longer than {LONGEST} characters"]
    try:
        parsed = parse(sentence)
        problems = differences(parsed, record, language)
    except ValueError as error:
        parsed, problems = None, [str(error)]
    if not problems and f"{record.probability:.2f}" not in sentence:
        problems.append(f"the number is not written with two decimals, as {record.probability:.2f}%")
    if len(sentence) > LONGEST:
        problems.append(f"the sentence is longer than {LONGEST} characters")
    if foreign := foreign_characters(sentence):
        problems.append(foreign)
    if not problems and (words := unknown_words(sentence, language)):
        problems.append(f"words outside the vocabulary: {', '.join(words)}")
    return parsed, problems


def violations(sentence: str, record: EvidenceRecord, language: str) -> list[str]:
    """The violations that `validate` finds; none for a valid sentence."""
    return validate(sentence, record, language)[1]


def canonical(sentence: str) -> str:
    """A form that is equal for sentences that differ only in case, blanks, punctuation and invisible characters."""
    return re.sub(r"[\W_]+", " ", normalize(sentence)).strip().casefold()


def filter_valid(
    sentences: Iterable[str], record: EvidenceRecord, language: str, taken: Iterable[str]
) -> tuple[list[ValidSentence], list[tuple[str, list[str]]]]:
    """Split sentences of one language about one record into accepted ones and rejected ones with their reasons.

    Args:
        taken: sentences that none may repeat: the base caption, and those that have been accepted before.
    """
    taken_forms, accepted, rejected = {canonical(sentence) for sentence in taken}, [], []
    for sentence in sentences:
        parsed, reasons = validate(sentence, record, language)
        if not reasons and canonical(sentence) in taken_forms:
            reasons = ["the sentence repeats the base caption or one of its siblings"]
        if reasons:
            rejected.append((sentence if isinstance(sentence, str) else repr(sentence), reasons))
        else:
            taken_forms.add(canonical(sentence))
            accepted.append(ValidSentence(sentence.strip(), parsed))
    return accepted, rejected
