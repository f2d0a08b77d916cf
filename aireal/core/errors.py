"""Quote errors of other libraries in one-line messages."""

from __future__ import annotations


def first_line(error: BaseException, length: int = 200) -> str:
    """The first line of an error's text, at most `length` characters; the error's class where it has no text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:length]
