"""From evidence to language and back: `render` writes a sentence, `parse` reads one, `contradictions` compares it."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate
from math import prod

from aireal.evidence.record import EvidenceRecord

from .korean import particles
from .lexicon import AREA, CLASS_ADJECTIVE, CLASS_NOUN, LANGUAGES, REGION_WRITTEN, WRITTEN
from .matching import foreign_characters
from .parsing import CUES, Parsed, parse
from .templates import SHAPES, WITHOUT_REGION

__all__ = [
    "LANGUAGES",
    "Parsed",
    "contradictions",
    "differences",
    "parse",
    "prompt",
    "render",
    "shape_count",
    "variant_count",
]


def shape_count(language: str) -> int:
    """How many sentence shapes `render` has in 'ko' or 'en'."""
    return len(SHAPES[_known(language)])


def variant_count(record: EvidenceRecord, language: str) -> int:
    """How many variants a record has before they repeat.

    Some variants read the same, since not every shape uses every synonym.
    """
    return shape_count(language) * prod(_radices(record, language))


def render(record: EvidenceRecord, language: str, variant: int = 0) -> str:
    """Render one sentence that states class, number, region and cues of a record, and nothing else.

    Args:
        record: the evidence; cues that are medium or moderate are not named, the colour always is.
        language: 'ko' or 'en'.
        variant: any integer; 0 is the base caption. The last mixed-radix digit chooses the shape and the others the
            synonyms, so that `shape_count` consecutive variants have that many different shapes. A record without a
            region has a single sentence, which says that there is no heatmap.

    Raises:
        ValueError: unknown language, or a record outside the vocabulary.
    """
    if record.region is None:
        return _without_region(record, language)
    rest, shape = divmod(variant, shape_count(language))
    radices = _radices(record, language)
    places = list(accumulate(radices[:-1], lambda a, b: a * b, initial=1))
    # adding the shape to every digit makes neighbouring variants differ in words too, and leaves variant 0 as it is
    digits = [(rest // place + shape) % radix for place, radix in zip(places, radices, strict=True)]
    words = _korean(record, *digits) if language == "ko" else _english(record, *digits)
    sentence = SHAPES[language][shape].format(p=f"{record.probability:.2f}", **words)
    return particles(sentence) if language == "ko" else sentence[0].upper() + sentence[1:]


def _without_region(record: EvidenceRecord, language: str) -> str:
    words = {"c": CLASS_NOUN["ko"][record.label][0], "adj": CLASS_ADJECTIVE[record.label][0]}
    sentence = WITHOUT_REGION[_known(language)].format(p=f"{record.probability:.2f}", **words)
    return particles(sentence) if language == "ko" else sentence


def prompt(record: EvidenceRecord, language: str) -> str:
    """The prompt for PaliGemma, in one line (its processor adds the line break): language, class, number and cues.

    The cues are measured on the picture and are hidden under the overlay's colours, so the prompt holds them. It does
    not hold the region: the model must read it from the heatmap.
    """
    cues = [
        word
        for kind in ("brightness", "texture", "edges")
        if (word := getattr(record.cues, kind)) in WRITTEN["en"][kind]
    ]
    look = " ".join([*cues, record.cues.colour])
    return f"answer {_known(language)} label={record.label} prob={record.probability:.2f} look={look}"


def contradictions(text: str, record: EvidenceRecord, language: str | None = None) -> list[str]:
    """Parse a sentence and list where it contradicts its record; empty when it agrees.

    A sentence that cannot be parsed has one contradiction, the parser's reason; so has one with characters that nobody
    would see. See `differences` for the others.
    """
    try:
        problems = differences(parse(text), record, language)
    except ValueError as error:
        return [str(error)]
    foreign = foreign_characters(text)
    return [*problems, foreign] if foreign else problems


def differences(parsed: Parsed, record: EvidenceRecord, language: str | None = None) -> list[str]:
    """List where the claims of a parsed sentence differ from its record, a text each.

    Class, number (to two decimals) and region must be equal. A cue may be left out, but must not be wrong.

    Args:
        language: the language that the sentence must have; any when None.
    """
    problems = []
    if parsed.label != record.label:
        problems.append(f"the class is {parsed.label}, the record says {record.label}")
    if Decimal(str(parsed.probability)) != Decimal(f"{record.probability:.2f}"):
        problems.append(f"the number is {parsed.probability}%, the record says {record.probability:.2f}%")
    if parsed.region != record.region:
        problems.append(f"the region is {parsed.region}, the record says {record.region}")
    for kind in CUES:
        named, measured = getattr(parsed, kind), getattr(record.cues, kind)
        if named is not None and named != measured:
            problems.append(f"the {kind} is {named}, the record says {measured}")
    if language is not None and parsed.language != language:
        problems.append(f"the language is {parsed.language}, {language} was asked for")
    return problems


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is unknown: choose {' or '.join(LANGUAGES)}")
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
    """The words for brightness, texture, edges and colour; None for medium and moderate ones."""
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
