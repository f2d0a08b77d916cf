"""Pictures small enough to lie inside a page, as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from aireal.core.imagefile import ImageError, open_rgb, square

QUALITY = 72  # WebP's scale; at these sizes differences to the original are not seen
SIDES = (
    (300, 256),
    (700, 192),
)  # up to so many pictures: px a side, so that a page of any length stays below some 15 MB
SMALLEST = 160
FIGURE_WIDTH = 960  # px: a panel of three pictures has 957


def side_for(count: int) -> int:
    """The side of a thumbnail in px where so many pictures share a page."""
    return next((side for limit, side in SIDES if count <= limit), SMALLEST)


def thumbnail(path: Path, side: int) -> str | None:
    """The centred square that the classifier sees, as a WebP data URI; None where there is no such picture any more."""
    try:
        return _uri(square(open_rgb(path, at_least=2 * side), side))
    except ImageError:
        return None


def figure(path: Path) -> str | None:
    """A whole figure, at most `FIGURE_WIDTH` px wide, as a WebP data URI; None where it is missing."""
    try:
        image = open_rgb(path)
    except ImageError:
        return None
    image.thumbnail((FIGURE_WIDTH, 4 * FIGURE_WIDTH), Image.Resampling.LANCZOS)
    return _uri(image)


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
