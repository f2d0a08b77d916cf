"""The package's Hangul font for a self-contained page: the syllables that it uses, inside its style sheet."""

from __future__ import annotations

import io
from functools import lru_cache

from fontTools import subset
from fontTools.ttLib import TTFont

from aireal.figures.style import FONT

from .data_uris import data_uri

FAMILY = "aireal Hangul"  # first in the style sheet's list of fonts
RANGE = "U+1100-11FF, U+3130-318F, U+AC00-D7A3"  # Latin letters stay those of the reader's system


def hangul_of(text: str) -> str:
    """The Hangul letters and syllables of a text, each once, in order."""
    return "".join(
        sorted({c for c in text if "\u1100" <= c <= "\u11ff" or "\u3130" <= c <= "\u318f" or "가" <= c <= "힣"})
    )


@lru_cache(maxsize=16)
def font_face(letters: str) -> str:
    """The CSS rule that embeds the font's glyphs of the letters as a data URI; "" for no letters."""
    if not letters:
        return ""
    font = TTFont(FONT)
    cutter = subset.Subsetter(subset.Options(layout_features=[], hinting=False, notdef_outline=True))
    cutter.populate(text=letters)
    cutter.subset(font)
    font.flavor, written = "woff", io.BytesIO()
    font.save(written)
    return face(f'url("{data_uri(written.getvalue(), "font/woff")}") format("woff")')


def face(source: str) -> str:
    """The CSS rule that draws Hangul with the font at `source`."""
    return f'@font-face{{font-family:"{FAMILY}";src:{source};unicode-range:{RANGE};font-display:swap}}'
