"""Texts, XMP and EXIF of a PNG, however large, in any place of the file, and whatever their checksums.

Pillow refuses compressed texts above 1 MB (ComfyUI writes such), and reads those behind the pixels only after decoding.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import islice

from aireal.core.decoding.png import SIGNATURE, walk_chunks

MOST_BYTES = 2_000_000  # of one text that are unpacked; the rest is not shown anyway
MOST_TOGETHER = 16_000_000  # characters of all texts of a file; those behind them are not read
MOST_CHUNKS = 10_000  # a picture in small pieces has some thousands
XMP = "XML:com.adobe.xmp"


@dataclass
class PngTexts:
    """Texts by key, and the raw EXIF block (b"" without one). Of a key that repeats, the first text counts."""

    texts: dict[str, str] = field(default_factory=dict)
    exif: bytes = b""


def read_png_texts(data: bytes) -> PngTexts:
    """The texts of a PNG file's bytes (PNG specification, 3rd edition, 11.3.3); empty for another file."""
    found, read = PngTexts(), 0
    chunks = islice(walk_chunks(data), MOST_CHUNKS) if data.startswith(SIGNATURE) else ()
    for kind, place, end in chunks:
        if kind not in READERS and kind != b"eXIf":
            continue
        body = data[place + 8 : end - 4]
        if kind == b"eXIf":
            found.exif = found.exif or body
        elif read <= MOST_TOGETHER and (text := READERS[kind](body)):
            read += len(text[1])
            found.texts.setdefault(*text)
    return found


def _text(body: bytes) -> tuple[str, str]:
    key, _, text = body.partition(b"\0")
    return _latin(key), _utf8_or_latin(text[:MOST_BYTES])


def _compressed(body: bytes) -> tuple[str, str]:
    key, _, rest = body.partition(b"\0")
    return _latin(key), _utf8_or_latin(_unpack(rest[1:]))


def _international(body: bytes) -> tuple[str, str] | None:
    key, _, rest = body.partition(b"\0")
    fields = rest[2:].split(b"\0", 2)  # behind two flags: language, translated key, text
    if len(fields) < 3:
        return None
    text = _unpack(fields[2]) if rest[0] else fields[2][:MOST_BYTES]
    return _latin(key), text.decode("utf-8", "replace")


def _unpack(packed: bytes) -> bytes:
    """At most `MOST_BYTES` of a zlib stream, and what there is of a damaged one."""
    try:
        return zlib.decompressobj().decompress(packed, MOST_BYTES)
    except zlib.error:
        return b""


def _latin(text: bytes) -> str:
    return text[:79].decode("latin-1")


def _utf8_or_latin(text: bytes) -> str:
    """Latin-1 by the specification; generators write UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


READERS = {b"tEXt": _text, b"zTXt": _compressed, b"iTXt": _international}
