"""The parser: reads the claims of a sentence (class, number, region, cues), whoever its author is.

It is strict on purpose. A sentence with two possible readings is refused, because a refusal costs one sentence, while a
false sentence that passes is taught to a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .lexicon import compile_table
from .lexicon_cues import cue_table, edges_pattern
from .matching import PhraseMatch, find_phrases, language_of, mask, normalize
from .parsing_class import CLASS, IDIOM, claimed_class
from .parsing_number import claimed_number, is_denied
from .parsing_region import claimed_region

CUES = ("colour", "brightness", "texture", "edges")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The claims of a sentence. `probability` is in percent; a cue that is not named is None."""

    label: str
    probability: float
    region: str
    colour: str | None
    brightness: str | None
    texture: str | None
    edges: str | None
    language: str


def parse(text: str) -> Parsed:
    """Read class, number, region and cues of a Korean or English sentence.

    Raises:
        ValueError: class, number or region is missing, named twice differently, hedged, or negated ambiguously; a cue
            is contradictory; or the language is unclear. The message says which.
    """
    plain = normalize(text)
    language = language_of(plain)
    label = claimed_class(plain)
    # ";" masks the class phrases and ends a clause there: "not real at the top left" negates no region
    rest = mask(plain, find_phrases(plain, CLASS), ";")
    number = claimed_number(rest)
    rest = IDIOM.sub("_", rest)
    if _DENIED_KO.search(rest):
        raise ValueError("a cue is negated")
    return Parsed(label, number, claimed_region(rest), *(_cue(rest, kind) for kind in CUES), language=language)


# --- cues ------------------------------------------------------------------------------------------------------------

_CUE = {kind: compile_table(cue_table(kind)) for kind in CUES if kind != "edges"}
_EDGES = edges_pattern()
_DENIED_KO = re.compile(
    "(?:밝|어둡|매끄럽|매끈하|거칠|부드럽|뚜렷하|선명하|또렷하|분명하|흐릿하|흐리|모호하|날카롭"
    "|희|하얗|검|까맣|붉|빨갛|노랗|푸르|파랗)지(?:는|도|가)? ?(?:않|못)"
)
_OTHER_COLOUR = re.compile(
    "(?<![가-힣])(?!(?:채|검|탐|특|무|본|배)?색)[가-힣]{1,4}색(?=[ .,]|[의이을은과도]|으로|입니다|인 )"
)


def cue_mentions(text: str, kind: str) -> list[PhraseMatch]:
    """Every phrase of a normalized text that names a `kind` of cue; those of value None claim nothing."""
    if kind == "edges":
        return [
            PhraseMatch(match.lastgroup, match.start(), match.end(), match.group()) for match in _EDGES.finditer(text)
        ]
    return find_phrases(text, _CUE[kind])


def _cue(text: str, kind: str) -> str | None:
    """The named value of one cue, None when none is named."""
    if kind == "texture":  # "soft, blurred edges" uses a word for texture about edges
        text = mask(text, cue_mentions(text, "edges"))
    mentions = [mention for mention in cue_mentions(text, kind) if mention.value]
    values = {mention.value for mention in mentions}
    if len(values) > 1:
        raise ValueError(f"two different words for {kind} are named: {' and '.join(sorted(values))}")
    if any(is_denied(text, mention) for mention in mentions):
        raise ValueError(f"the {kind} is negated")
    if kind == "colour" and _OTHER_COLOUR.search(mask(text, mentions)):
        raise ValueError("a colour is named that is none of the twelve")
    return values.pop() if values else None
