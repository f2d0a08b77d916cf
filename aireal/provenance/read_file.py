"""What a picture's file says of itself, read from its bytes; nothing is decoded and nothing is sent."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from aireal.core.decoding.kinds import kind_of
from aireal.core.decoding.tiff_tags import is_inflated
from aireal.core.imagefile import has_usual_metadata
from aireal.evidence.provenance import MARK_KINDS, Credentials, Mark, Provenance

from .clean_text import clean
from .credentials import has_credentials, read_credentials
from .exif import read_exif
from .generator_texts import text_mark
from .png_texts import SIGNATURE, XMP, read_png_texts
from .trust_list import TrustList
from .xmp import read_xmp

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF")
PROGRAM_KEYS = {"software", "source", "creator", "creator tool", "title"}  # of PNG texts that may name a generator
MOST_MARKS = 12


def read_provenance(data: bytes, trust_list: TrustList | None = None) -> Provenance:
    """Content Credentials and unsigned marks of a picture's bytes.

    Never raises: whatever is wrong with metadata, the picture can still be judged.

    Args:
        trust_list: certificates whose signatures are called trusted.
    """
    try:
        credentials = read_credentials(data, trust_list)
    except Exception:  # the library hands on what a stranger's file says, of whatever type
        listed = trust_list.file if trust_list else None
        unreadable = Credentials("invalid", problems=("unreadable",), trust_list=listed)
        credentials = unreadable if has_credentials(data) else None
    return Provenance(credentials, read_marks(data))


def read_marks(data: bytes) -> tuple[Mark, ...]:
    """The unsigned marks of a picture's bytes: source type first, then generator, camera and software; each once."""
    found: list[Mark] = []
    # metadata are arbitrary bytes, and Pillow's readers raise struct.error, TypeError, SyntaxError and more
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for mark in _png_marks(data) if data.startswith(SIGNATURE) else _pillow_marks(data):
            found.append(mark)
    ordered = sorted(dict.fromkeys(found), key=lambda mark: MARK_KINDS.index(mark.kind))
    return tuple(ordered[:MOST_MARKS])


def _png_marks(data: bytes) -> Iterator[Mark]:
    png = read_png_texts(data)
    for key, text in png.texts.items():
        if key == XMP:
            yield from read_xmp(text)
        elif mark := text_mark(f"PNG text {clean(key, 30)}", text, key, program=key.lower() in PROGRAM_KEYS):
            yield mark
        elif key.lower() == "software" and clean(text):
            yield Mark("software", f"PNG text {clean(key, 30)}", clean(text))
    if png.exif and not is_inflated(png.exif):
        exif = Image.Exif()
        exif.load(png.exif)
        yield from read_exif(exif)


def _pillow_marks(data: bytes) -> Iterator[Mark]:
    if not has_usual_metadata(data, kind_of(data)):
        return
    Image.init()
    with Image.open(io.BytesIO(data), formats=[form for form in FORMATS if form in Image.OPEN]) as image:
        if packet := image.info.get("xmp") or _tiff_xmp(image):
            yield from read_xmp(packet)
        comment = image.info.get("comment")
        if mark := text_mark("comment", comment.decode("utf-8", "replace") if isinstance(comment, bytes) else comment):
            yield mark
        if not is_inflated(image.info.get("exif") or b""):
            yield from read_exif(image.getexif())


def _tiff_xmp(image: Image.Image) -> bytes | str | None:
    tags = getattr(image, "tag_v2", None)
    return tags.get(700) if tags is not None else None
