"""The error of a file that is no usable image, and other libraries' errors and values in one-line messages."""

from __future__ import annotations


class ImageError(ValueError):
    """The file cannot be used as an image. The message is one sentence for the person who supplied it."""


def first_line(error: BaseException, length: int = 200) -> str:
    """The first line of an error's text, at most `length` characters; the error's class where it has no text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:length]


def quoted(value: object, length: int = 60) -> str:
    """A value as a message quotes it: escaped, and cut to `length` characters where it is longer."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}...{text[-1]}"
