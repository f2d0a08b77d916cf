"""Thumbnails for a page, as data URIs or files."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from aireal.core.imagefile import ImageError, open_rgb, square
from aireal.figures.html.data_uris import data_uri

QUALITY = 72  # WebP's scale; at these sizes differences from the original are invisible
SIDES = ((300, 256), (700, 192))  # (most pictures, px a side); a page of 1,000 pictures has about 10 MB
SMALLEST = 160  # px a side of still more pictures
FIGURE_WIDTH = 960  # px: a panel of three pictures has 957


def side_for(count: int) -> int:
    """The side of a thumbnail in px for a page of `count` pictures."""
    return next((side for limit, side in SIDES if count <= limit), SMALLEST)


def thumbnail(path: Path, side: int) -> str | None:
    """`square_webp` as a data URI; None where the file is missing or unreadable."""
    content = square_webp(path, side)
    return content and data_uri(content, "image/webp")


def square_webp(path: Path, side: int) -> bytes | None:
    """The centred square that the classifier sees, as a WebP file; None where the file is missing or unreadable."""
    try:
        return _webp(square(open_rgb(path, at_least=2 * side), side))
    except ImageError:
        return None


def figure(path: Path) -> str | None:
    """A figure, at most `FIGURE_WIDTH` px wide, as a WebP data URI; None where the file is missing or unreadable."""
    try:
        image = open_rgb(path)
    except ImageError:
        return None
    image.thumbnail((FIGURE_WIDTH, 4 * FIGURE_WIDTH), Image.Resampling.LANCZOS)
    return data_uri(_webp(image), "image/webp")


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
