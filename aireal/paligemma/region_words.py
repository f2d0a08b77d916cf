"""The words for the region in a sentence, replaced by those for another region."""

from __future__ import annotations

import re

from aireal.captions.language.grammar import parse
from aireal.captions.language.korean import particles
from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.captions.language.parsing import Parsed
from aireal.evidence.record import REGIONS

MIRRORED = {"left": "right", "right": "left", "center": "center"}


def alternatives(text: str) -> list[str]:
    """The sentence with each of the other eight regions in place of its own.

    Empty where the sentence names no region, or not in the grammar's words.
    """
    return [version for region in REGIONS if (version := with_region(text, region)) and version != text]


def with_region(text: str, region: str) -> str | None:
    """The sentence with this region in place of its own, in the same words otherwise.

    None where the sentence names no region, or not in the grammar's words.
    """
    claim = parse_or_none(text)
    if claim is None or claim.region == region:
        return text if claim else None
    phrases, lower = REGION_WRITTEN[claim.language], text.lower()
    claimed = phrases[claim.region]
    found = [k for k, phrase in enumerate(claimed) if phrase in lower]
    if not found:
        return None
    index = max(found, key=lambda k: len(claimed[k]))
    version = _replace_phrase(text, claimed[index], phrases[region][index])
    return version if _differs_in_region_only(version, claim, region) else None


def _replace_phrase(text: str, phrase: str, replacement: str) -> str:
    """Replace a region's phrase, with the Korean particle that fits or the capital letter that the original had."""

    def substitute(match: re.Match) -> str:
        if match[2]:
            return particles(replacement + "을(를)")
        return replacement[0].upper() + replacement[1:] if match[1][0].isupper() else replacement

    return re.sub(f"({re.escape(phrase)})([을를]?)", substitute, text, flags=re.IGNORECASE)


def _differs_in_region_only(text: str, original: Parsed, region: str) -> bool:
    claim = parse_or_none(text)
    facts = ("label", "probability", "language")
    return (
        claim is not None
        and claim.region == region
        and all(getattr(claim, fact) == getattr(original, fact) for fact in facts)
    )


def parse_or_none(text: str) -> Parsed | None:
    """The claims of a sentence; None where it cannot be parsed."""
    try:
        return parse(text)
    except ValueError:
        return None


def mirrored_region(region: str) -> str:
    """The region at this one's place in the mirrored picture."""
    row, column = region.split("-")
    return f"{row}-{MIRRORED[column]}"
