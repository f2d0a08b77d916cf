"""The package's Hangul font for a self-contained page: the syllables that it uses, inside its style sheet.

A browser without a Korean font draws boxes. A written page therefore carries the glyphs of every syllable in it, names
and sentences included; the page in the browser, whose texts come later, is served the whole font. The font has all
11,172 modern syllables (Unicode block Hangul Syllables) and no hanja, kana or old Hangul: those are left to the
reader's system. Its licence, SIL OFL 1.1 (`aireal/fonts/OFL.txt`), allows changed copies under another name: a subset
keeps the font's copyright and is called `FAMILY`, and a comment beside it names font and licence.
"""

from __future__ import annotations

import io
import unicodedata
from functools import lru_cache

from fontTools import subset
from fontTools.ttLib import TTFont

from aireal.figures.style import FONT

from .data_uris import data_uri

FAMILY = "aireal Hangul"  # first in the style sheet's list of fonts
RANGE = "U+1100-11FF, U+3130-318F, U+AC00-D7A3"  # Latin letters stay those of the reader's system


NOTICE = (
    "/* Hangul of this page: glyphs of NanumSquare, Copyright 2016 NAVER Corporation, "
    "under the SIL Open Font License 1.1 (openfontlicense.org) */"
)
NAMES = (1, 3, 4, 6, 16)  # ids of family, unique, full, PostScript and typographic name in OpenType's table `name`
# JupyterLab's style sheet, which nbconvert embeds, takes its fonts from these variables
NOTEBOOK_FONTS = {
    "ui": "system-ui, sans-serif",
    "content": "system-ui, sans-serif",
    "code": 'Menlo, Consolas, "DejaVu Sans Mono", monospace',
    "cell-prompt": 'Menlo, Consolas, "DejaVu Sans Mono", monospace',
}


def hangul_of(text: str) -> str:
    """The Hangul letters and syllables of a text, each once, in order.

    Letters in a sequence, as macOS writes file names (Unicode NFD), count as the syllable that a browser draws."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        sorted({c for c in composed if "\u1100" <= c <= "\u11ff" or "\u3130" <= c <= "\u318f" or "가" <= c <= "힣"})
    )


@lru_cache(maxsize=16)
def font_face(letters: str) -> str:
    """The CSS rule that embeds the font's glyphs of the letters as a data URI; "" for no letters.

    WOFF, compressed with zlib, needs no package; WOFF2 would need brotli and save a third of some 30 kB."""
    if not letters:
        return ""
    font = TTFont(FONT)
    cutter = subset.Subsetter(subset.Options(layout_features=[], hinting=False, notdef_outline=True))
    cutter.populate(text=letters)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in NAMES:
            record.string = FAMILY
    font.flavor, written = "woff", io.BytesIO()
    font.save(written)
    return NOTICE + face(f'url("{data_uri(written.getvalue(), "font/woff")}") format("woff")')


def face(source: str) -> str:
    """The CSS rule that draws Hangul with the font at `source`."""
    return f'@font-face{{font-family:"{FAMILY}";src:{source};unicode-range:{RANGE};font-display:swap}}'


def with_hangul(html: str) -> str:
    """A notebook's HTML, as nbconvert writes it, with the glyphs of its Hangul; unchanged where it has none."""
    if not (rule := font_face(hangul_of(html))):
        return html
    fonts = "".join(f'--jp-{use}-font-family:"{FAMILY}",{others};' for use, others in NOTEBOOK_FONTS.items())
    return html.replace("</head>", f"<style>{rule}:root{{{fonts}}}</style></head>", 1)
