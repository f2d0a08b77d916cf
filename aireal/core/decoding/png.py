"""PNG files without their metadata, and PNG files with damage that viewers pass over (PNG, third edition, W3C)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from aireal.core.errors import ImageError

from .stripped import Stripped, xmp_orientation
from .tiff_tags import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 16 * 2**20  # bytes of an unpacked ICC profile; the largest in use have about 4 MB
MAX_TEXT = 2**20  # bytes of an unpacked text that may tell the orientation
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
TRANSPARENCY = {0: (2, 2), 2: (6, 6), 3: (1, 256)}  # colour type → least and most bytes of tRNS
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PIECE = 2**16


def strip(data: bytes) -> Stripped:
    """A PNG with its critical chunks and transparency alone; its orientation, and its colour profile.

    Text may unpack to a thousand times its size, and is not needed. An ancillary chunk whose checksum is wrong is
    passed over, as libpng does. Of an animation the default image stays.
    """
    kept, found = [SIGNATURE], {}
    for name, place, end in walk_chunks(data):
        if not name[0] & 0x20:
            kept.append(data[place:end])
            if name == b"IHDR":
                found[name] = data[place + 8 : end - 4]
        elif name in (b"tRNS", b"iCCP", b"eXIf", b"iTXt", b"zTXt") and _is_intact(data, place, end):
            content = data[place + 8 : end - 4]
            if name == b"tRNS" and _fits(found.get(b"IHDR", b""), len(content)):
                kept.append(data[place:end])
            found.setdefault(content.partition(b"\0")[0] if name in (b"iTXt", b"zTXt") else name, content)
    profile = _unpack(found[b"iCCP"].partition(b"\0")[2][1:], MAX_PROFILE) if b"iCCP" in found else None
    return Stripped(b"".join(kept), _orientation(found), profile)


def count_chunks(data: bytes) -> int:
    """The number of chunks: Pillow takes seconds for a hundred thousand."""
    return sum(1 for _ in walk_chunks(data))


def walk_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, place, place behind its checksum) of each chunk up to IEND; the last one may be cut off."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        name, length = data[place + 4 : place + 8], int.from_bytes(data[place : place + 4], "big")
        if not name.isalpha():
            return
        yield name, place, min(place + 12 + length, len(data))
        place += 12 + length
        if name == b"IEND":
            return


def _is_intact(data: bytes, place: int, end: int) -> bool:
    length = int.from_bytes(data[place : place + 4], "big")
    whole = end == place + 12 + length
    return whole and zlib.crc32(data[place + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def _fits(header: bytes, length: int) -> bool:
    """Whether a tRNS of this length fits the colour type of the header."""
    least, most = TRANSPARENCY.get(header[9], (1, 0)) if len(header) > 9 else (1, 0)
    return least <= length <= most


def _unpack(content: bytes, most: int) -> bytes | None:
    """The unpacked bytes; None where they are broken or more than `most`."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content, most)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _orientation(found: dict[bytes, bytes]) -> int:
    """The orientation by EXIF, as a chunk or as ImageMagick's text, or by XMP. Texts are found by their keywords."""
    if exif := found.get(b"eXIf"):
        return orientation(exif)
    if packed := found.get(b"Raw profile type exif"):
        lines = (_unpack(packed.partition(b"\0")[2][1:], MAX_TEXT) or b"").split(b"\n")[3:]
        try:
            return orientation(bytes.fromhex(b"".join(lines).decode("ascii")))
        except ValueError:
            return 1
    if xmp := found.get(b"XML:com.adobe.xmp"):
        flags = xmp.partition(b"\0")[2]
        packed, rest = flags[:1] == b"\1", flags[2:].split(b"\0", 2)[-1]
        return xmp_orientation((_unpack(rest, MAX_TEXT) if packed else rest[:MAX_TEXT]) or b"")
    return 1


def repack(data: bytes) -> bytes:
    """A stripped PNG with its rows packed anew: one whose packed data have a wrong checksum or end early becomes whole.

    Raises:
        ImageError: rows are missing or damaged; the sentence says how many are there.
    """
    chunks = [(name, data[place:end]) for name, place, end in walk_chunks(data)]
    header = next((chunk[8:21] for name, chunk in chunks if name == b"IHDR"), b"")
    if len(header) < 13 or header[9] not in CHANNELS:
        raise ImageError("the image is damaged or cut off (the PNG has no header); copy or download it again")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    expected = _row_bytes(width, height, depth * CHANNELS[colour], interlaced)
    stream = b"".join(_content(chunk) for name, chunk in chunks if name == b"IDAT")
    found = sum(map(len, _rows(stream, expected)))
    if found < expected:
        rows, percent = f"{found * height // expected} rows of {height}", f"{found * 100 // expected}% of its data"
        there = percent if interlaced else rows
        raise ImageError(f"the image is damaged or cut off: only {there} are there; copy or download it again")
    before = b"".join(chunk for name, chunk in chunks if name not in (b"IDAT", b"IEND"))
    packer = zlib.compressobj(1)
    packed = b"".join([*map(packer.compress, _rows(stream, expected)), packer.flush()])
    return SIGNATURE + before + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _content(chunk: bytes) -> bytes:
    length = int.from_bytes(chunk[:4], "big")
    return chunk[8 : 8 + length]


def _row_bytes(width: int, height: int, bits: int, interlaced: int) -> int:
    """Bytes of all rows, each with its filter."""
    parts = [(width, height)]
    if interlaced:
        parts = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7]
    return sum(max(h, 0) * (1 + -(-w * bits // 8)) for w, h in parts if w > 0)


def _rows(stream: bytes, expected: int) -> Iterator[bytes]:
    """The unpacked rows in pieces, at most `expected` bytes of them, up to where the stream is damaged or ends.

    zlib's header and checksum are not looked at. Source: RFC 1950, RFC 1951.
    """
    unpacker, found = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        for place in range(2, len(stream), 256):  # what comes with an error is lost, so the steps are small
            rest = stream[place : place + 256]
            while rest and found < expected and not unpacker.eof:
                rows = unpacker.decompress(rest, min(PIECE, expected - found))
                rest, found = unpacker.unconsumed_tail, found + len(rows)
                yield rows
    except zlib.error:
        return


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
