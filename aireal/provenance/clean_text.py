"""Untrusted text from a file, made harmless for terminals, pages and figures: one short line of visible characters."""

from __future__ import annotations

import unicodedata

MOST = 80  # characters of one text that are shown


def clean(text: object, most: int = MOST) -> str:
    """The text on one line, at most `most` characters.

    Control characters (a terminal would obey them), marks of direction (they reorder the words around them), lone
    surrogates (JSON in UTF-8 cannot hold them) and unassigned code points become spaces.

    Args:
        text: a str, or the bytes of one in UTF-8; anything else gives "".
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return ""
    # category C: controls, formats, surrogates, private use, unassigned; Zl and Zp: separators of lines and paragraphs
    shown = "".join(" " if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in text[: 20 * most])
    words = " ".join(shown.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"
