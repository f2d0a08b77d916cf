"""From evidence to language and back: `render` writes a sentence, `parse` reads one, `contradictions` compares."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate
from math import prod

from aireal.evidence.record import EvidenceRecord

from .korean import particles
from .lexicon import AREA, CLASS_ADJECTIVE, CLASS_NOUN, LANGUAGES, REGION_WRITTEN, WRITTEN
from .parsing import CUES, Parsed, parse
from .templates import SHAPES

__all__ = ["LANGUAGES", "Parsed", "contradictions", "parse", "prompt", "render", "shape_count", "variant_count"]


def shape_count(language: str) -> int:
    """How many sentence shapes `render` has in 'ko' or 'en'."""
    return len(SHAPES[_known(language)])


def variant_count(record: EvidenceRecord, language: str) -> int:
    """How many variants of a record there are before they repeat (some may read the same: not every shape uses every synonym)."""
    return shape_count(language) * prod(_radices(record, language))


def render(record: EvidenceRecord, language: str, variant: int = 0) -> str:
    """One sentence that states class, number, region and cues of a record, and nothing else.

    Args:
        record: the evidence; cues that are medium or moderate are not named, the colour always is.
        language: 'ko' or 'en'.
        variant: 0 is the base caption. Any integer: the last mixed-radix digit chooses the shape, the others the synonyms,
            so that `shape_count` consecutive variants have that many different shapes.

    Raises:
        ValueError: unknown language, or a record outside the vocabulary.
    """
    rest, shape = divmod(variant, shape_count(language))
    radices = _radices(record, language)
    places = list(accumulate(radices[:-1], lambda a, b: a * b, initial=1))
    # the shape is added to every digit: neighbouring variants then differ in words too, and 0 stays the base
    digits = [(rest // place + shape) % radix for place, radix in zip(places, radices, strict=True)]
    words = _korean(record, *digits) if language == "ko" else _english(record, *digits)
    sentence = SHAPES[language][shape].format(p=f"{record.probability:.2f}", **words)
    return particles(sentence) if language == "ko" else sentence[0].upper() + sentence[1:]


def prompt(record: EvidenceRecord, language: str) -> str:
    """What PaliGemma is asked, in one line (its processor adds the line break): language, and all that is measured but the region.

    The cues are measured on the picture, and an overlay hides them under its colours; where the heat is, is what there is to see.
    """
    cues = [
        word
        for kind in ("brightness", "texture", "edges")
        if (word := getattr(record.cues, kind)) in WRITTEN["en"][kind]
    ]
    look = " ".join([*cues, record.cues.colour])
    return f"answer {_known(language)} label={record.label} prob={record.probability:.2f} look={look}"


def contradictions(text: str, record: EvidenceRecord, language: str | None = None) -> list[str]:
    """What a sentence says otherwise than its record, one sentence each; empty when it may stand.

    Class, number (equal to two decimals) and region must be named and agree; a cue may be left out, but not be wrong;
    `language`, when given, must be the sentence's.
    """
    try:
        found = parse(text)
    except ValueError as error:
        return [str(error)]
    differences = []
    if found.label != record.label:
        differences.append(f"the class is {found.label}, the record says {record.label}")
    if Decimal(str(found.probability)) != Decimal(f"{record.probability:.2f}"):
        differences.append(f"the number is {found.probability}%, the record says {record.probability:.2f}%")
    if found.region != record.region:
        differences.append(f"the region is {found.region}, the record says {record.region}")
    for kind in CUES:
        named, measured = getattr(found, kind), getattr(record.cues, kind)
        if named is not None and named != measured:
            differences.append(f"the {kind} is {named}, the record says {measured}")
    if language is not None and found.language != language:
        differences.append(f"the language is {found.language}, {language} was asked for")
    return differences


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not known: choose {' or '.join(LANGUAGES)}")
    return language


def _radices(record: EvidenceRecord, language: str) -> list[int]:
    """How many synonyms there are for class, region and area."""
    nouns, regions = CLASS_NOUN[_known(language)], REGION_WRITTEN[language]
    try:
        return [len(words) for words in (nouns[record.label], regions[record.region], AREA[language])]
    except KeyError as error:
        raise ValueError(
            f"the record of {record.image} holds {error.args[0]!r}, which is neither a label nor a region"
        ) from None


def _cue_words(record: EvidenceRecord, language: str) -> list:
    """What is written for brightness, texture, edges and colour; None for the middling ones."""
    written = WRITTEN[language]
    if record.cues.colour not in written["colour"]:
        raise ValueError(
            f"the record of {record.image} holds the colour {record.cues.colour!r}, which is none of the twelve"
        )
    return [written[kind].get(getattr(record.cues, kind)) for kind in ("brightness", "texture", "edges", "colour")]


def _korean(record: EvidenceRecord, label: int, region: int, area: int) -> dict[str, str]:
    *adjectives, colour = _cue_words(record, "ko")
    adjectives = [adjective for adjective in adjectives if adjective]
    chain = [linked for _, linked in adjectives[:-1]] + [attributive for attributive, _ in adjectives[-1:]]
    place, thing = REGION_WRITTEN["ko"][record.region][region], " ".join([*chain, colour, AREA["ko"][area]])
    return {"c": CLASS_NOUN["ko"][record.label][label], "a": f"{place}의 {thing}", "r": place, "t": thing}


def _english(record: EvidenceRecord, label: int, region: int, area: int) -> dict[str, str]:
    brightness, texture, edges, colour = _cue_words(record, "en")
    adjectives = ", ".join(word for word in (brightness, texture) if word)
    thing = " ".join(word for word in (adjectives, colour, AREA["en"][area], edges and f"with {edges}") if word)
    place = REGION_WRITTEN["en"][record.region][region]
    noun = CLASS_NOUN["en"][record.label][label]
    return {
        "adj": CLASS_ADJECTIVE[record.label][label],
        "noun": with_article(noun),
        "the": f"the {thing} {place}",
        "a": with_article(f"{thing} {place}"),
        "place": place,
        "thing": with_article(thing),
    }


def with_article(phrase: str) -> str:
    """'a' or 'an' before a phrase, by its first letter (AI and orange take 'an'; no word here needs more)."""
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase
