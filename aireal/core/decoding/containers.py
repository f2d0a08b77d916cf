"""A file of any format without its metadata: here WebP, GIF, AVIF and HEIF."""

from __future__ import annotations

import re

from aireal.core.errors import ImageError

from . import jpeg, png, tiff_tags
from .stripped import Stripped, xmp_orientation

EXIF_ITEM = re.compile(rb"(infe.{8}|infe.{10})Exif", re.DOTALL)  # ISO/IEC 14496-12: versions 2 and 3 of the box
WEBP_PIXELS = {b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
WEBP_METADATA = 0x0C  # flags of VP8X: EXIF and XMP follow
GIF_EXTENSION, GIF_CONTROL, GIF_PICTURE = 0x21, 0xF9, 0x2C


def strip(data: bytes, kind: str) -> Stripped:
    """The file without its metadata, by its format (`kinds.kind_of`)."""
    if kind == "JPEG":
        return jpeg.strip(data)
    if kind == "PNG":
        return png.strip(data)
    if kind == "TIFF":
        return Stripped(tiff_tags.pixels_only(data))  # Pillow turns it upright
    if kind == "WEBP":
        return _webp(data)
    if kind == "GIF":
        return Stripped(_gif_without_comments(data))
    if kind in ("AVIF", "HEIF"):  # turned by boxes of their own, and not by EXIF
        return Stripped(EXIF_ITEM.sub(rb"\1free", data))
    return Stripped(data)


def _webp(data: bytes) -> Stripped:
    """The WebP without EXIF and XMP, and so without their damage. A padding byte that is missing at the end is added.
    Source: RFC 9649.

    Raises:
        ImageError: the file is cut off within its picture.
    """
    kept, found, place = [], {}, 12
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        chunk, place = data[place : place + 8 + length], place + 8 + length + length % 2
        if name in WEBP_PIXELS and len(chunk) < 8 + length:
            whole = 8 + int.from_bytes(data[4:8], "little")
            raise ImageError(
                f"the image is damaged or cut off: {len(data)} of {whole} bytes are there; copy or download it again"
            )
        if name == b"VP8X" and length >= 1:
            chunk = chunk[:8] + bytes([chunk[8] & ~WEBP_METADATA]) + chunk[9:]
        if name in WEBP_PIXELS:
            kept.append(chunk + bytes(length % 2))
        found.setdefault(name, chunk[8:])
    content = b"WEBP" + b"".join(kept)
    exif, xmp = found.get(b"EXIF"), found.get(b"XMP ", b"")
    turned = xmp_orientation(xmp) if exif is None else tiff_tags.orientation(exif)
    return Stripped(b"RIFF" + len(content).to_bytes(4, "little") + content, turned)


def _gif_without_comments(data: bytes) -> bytes:
    """The GIF without the extensions before its first picture, but for the one that tells the transparent colour.

    Pillow joins the blocks of a comment one by one, which takes minutes for a long one.
    """
    place = 13 + (3 << (data[10] & 7) + 1 if data[10:11] and data[10] & 0x80 else 0)
    kept = [data[:place]]
    while data[place : place + 1] == bytes([GIF_EXTENSION]):
        end = place + 2
        while end < len(data) and data[end]:
            end += 1 + data[end]
        if data[place + 1 : place + 2] == bytes([GIF_CONTROL]):
            kept.append(data[place : end + 1])
        place = end + 1
    return b"".join([*kept, data[place:]])
