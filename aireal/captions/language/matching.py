"""Phrase matching for the parser: normal form, language, phrases and their clauses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# names that are the same in both languages
TOOLS = r"(?<![a-z])(?:ai|grad-?cam|lime|(?:resnet|rexnet)[0-9]*|vit|paligemma)(?![a-z])"
# Whatever else a sentence holds may be invisible, turn the direction of writing, or look like one of these, so that
# what is read is not what was judged. Hangul is composed (NFC).
_FOREIGN = re.compile(r"[^A-Za-z0-9가-힣 .,%'‘’():;\-–—·!?]")
_PLAIN = str.maketrans("’‘‐‑−", "''---")
_BOUNDARY = re.compile(
    r"[;:!?()]|[.,](?!\d)|\b(?:(?<!thing )(?<!where )(?<!all )but|because|since|while|whereas|although|yet)\b"
    r"|(?:는데|은데|지만|면서|므로|니까|[어아여해]서)(?=[ ,])|며(?=[ ,])|(?<![라다])고(?=[ ,])(?! ?(?:있|싶))"
)


@dataclass(frozen=True)
class PhraseMatch:
    """A phrase in a text: its value, its start and end, and its words without blanks and hyphens."""

    value: object
    start: int
    end: int
    words: str


def foreign_characters(text: str) -> str:
    """What is wrong with the characters of a sentence, which `normalize` would hide; "" if nothing is."""
    foreign = sorted(set(_FOREIGN.findall(text.strip(" \t\r\n"))))
    named = ", ".join(f"U+{ord(character):04X}" for character in foreign[:5])
    return f"the sentence holds a character that no caption needs, such as a line break ({named})" if foreign else ""


def normalize(text: str) -> str:
    """NFKC, lower case, plain apostrophes and hyphens, no invisible characters, single blanks."""
    text = unicodedata.normalize("NFKC", str(text)).translate(_PLAIN)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return re.sub(r"\s+", " ", text).strip().lower()


def language_of(text: str) -> str:
    """'ko' or 'en' by the script of the letters.

    A Korean sentence holds no Latin word but the names in `TOOLS`, and an English one no Hangul.

    Raises:
        ValueError: no letters, another script, digits of another script, or both languages.
    """
    text = re.sub(TOOLS, " ", text.lower())
    hangul, latin = len(re.findall("[가-힣]", text)), len(re.findall("[a-z]", text))
    if hangul + latin == 0 or any(character.isalpha() for character in re.sub("[a-z가-힣]", "", text)):
        raise ValueError("the text is neither Korean nor English")
    if hangul and latin:
        raise ValueError("the text mixes Korean and English: write it in one language")
    if any(character.isdigit() and not character.isascii() for character in text):
        raise ValueError("the number is not written in the digits 0 to 9")
    return "ko" if hangul else "en"


def find_phrases(text: str, compiled: tuple[re.Pattern, dict[str, object]]) -> list[PhraseMatch]:
    """Every phrase of a table (`lexicon.compile_table`) in a normal text, in order."""
    pattern, values = compiled
    matches = []
    for match in pattern.finditer(text):
        words = re.sub(r"[\s\-]", "", match.group())
        matches.append(PhraseMatch(values[words], match.start(), match.end(), words))
    return matches


def mask(text: str, mentions: list[PhraseMatch], first: str = "_") -> str:
    """Mask mentions in a text with underscores, each at its length; `first` is the first character of each mask."""
    for mention in mentions:
        text = text[: mention.start] + first.ljust(mention.end - mention.start, "_") + text[mention.end :]
    return text


def clause(text: str, start: int, end: int) -> tuple[str, str]:
    """The texts before and after a span within its clause."""
    before = [match.end() for match in _BOUNDARY.finditer(text, 0, start)]
    after = _BOUNDARY.search(text, end)
    return text[before[-1] if before else 0 : start], text[end : after.start() if after else len(text)]
