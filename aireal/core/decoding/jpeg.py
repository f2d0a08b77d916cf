"""JPEG files without their metadata, and JPEG files that lack their end (ITU-T T.81)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from aireal.core.errors import ImageError

from .stripped import Stripped, xmp_orientation
from .tiff_tags import orientation

EXIF, XMP, PROFILE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
START_OF_SCAN, END, COMMENT = 0xDA, 0xD9, 0xFE
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # in coded data: neither a stuffed byte nor a restart
END_MARKER = b"\xff\xd9"
# Coded data that might follow a cut, with all restart markers: if the picture is complete, a decoder skips them, and if
# it is not, the two give different pixels.
PROBES = tuple(
    b"".join([bits * 64, *(bytes([0xFF, 0xD0 + n]) + bits * 64 for n in range(8))]) for bits in (b"\0\x2c", b"\xb5\x53")
)
# Scans of a JPEG, and scans × pixels: a small file may ask for hours of work. Programs write about ten.
MAX_PASSES, MAX_PASS_PIXELS = 200, 2 * 10**9


def strip(data: bytes) -> Stripped:
    """A JPEG with its coded picture, colour transform and profile alone; and the orientation of its EXIF or XMP.

    From the first byte on that is no marker the file stays as it is.
    """
    kept, place, exif, xmp = [data[:2]], 2, b"", b""
    for marker, start, end in _segments(data):
        content = data[start + 4 : start + 4 + max(len(EXIF), len(XMP))]
        if marker == 0xE1 and content.startswith(EXIF):
            exif = exif or data[start + 4 : end]
        elif marker == 0xE1 and content.startswith(XMP):
            xmp = xmp or data[start + 4 : end]
        if _is_needed(marker, content, end - start):
            kept.append(data[start:end])
        place = end
    kept.append(data[place:])
    found = orientation(exif)
    return Stripped(b"".join(kept), found if found != 1 else xmp_orientation(xmp))


def exif_of(data: bytes) -> bytes:
    """The EXIF blocks of a JPEG, joined as Pillow joins them; empty for another file."""
    if not data.startswith(b"\xff\xd8"):
        return b""
    blocks = (data[start + 4 : end] for marker, start, end in _segments(data) if marker == 0xE1)
    return b"".join(block.removeprefix(EXIF) for block in blocks if block.startswith(EXIF))


def _is_needed(marker: int, content: bytes, length: int) -> bool:
    if not 0xE0 <= marker <= 0xEF:
        return marker != COMMENT
    wanted = {0xE0: (b"JFIF\0", 16), 0xE2: (PROFILE, 18), 0xEE: (b"Adobe", 14)}
    start, least = wanted.get(marker, (b"", 0))
    return bool(start) and content.startswith(start) and length >= least


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, place, place behind it) of each segment before the first scan."""
    place = 2
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        marker = data[place + 1]
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in (0x00, 0x01, 0xFF, END, START_OF_SCAN, *range(0xD0, 0xD8)) or not place + 4 <= end <= len(data):
            return
        yield marker, place, end
        place = end


@dataclass
class Passes:
    """The coded picture: its sides in px, and the bits that its scans have not given so far.

    Attributes:
        missing: (component, coefficient) → bits of its values that are still to come; empty when all have come.
        count: number of scans; ended: whether an end marker follows them; end: its place.
    """

    size: tuple[int, int] = (0, 0)
    progressive: bool = False
    missing: dict[tuple[int, int], int] = field(default_factory=dict)
    count: int = 0
    ended: bool = False
    end: int = 0

    def begin(self, marker: int, content: bytes) -> None:
        """Read a frame header."""
        self.size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
        self.progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
        for component in content[6 : 6 + 3 * content[5] : 3]:
            self.missing |= {(component, k): 1 for k in range(64 if self.progressive else 1)}

    def add(self, content: bytes) -> None:
        """Read the header of a scan."""
        self.count += 1
        components, (first, last, bits) = content[1 : 1 + 2 * content[0] : 2], content[-3:]
        for component in components:
            for k in range(first, min(last, 63) + 1) if self.progressive else (0,):
                if not bits & 15 or not self.progressive:
                    self.missing.pop((component, k), None)


def read_passes(data: bytes, limit: int = 100_000) -> Passes:
    """The scans of a stripped JPEG up to its end marker, or up to where the file cannot be followed."""
    passes, place = Passes(), 2
    while passes.count < limit and (found := MARKER.search(data, place)):
        marker, place = found[0][-1], found.end()
        if marker == END:
            passes.ended, passes.end = True, found.start()
            break
        length = int.from_bytes(data[place : place + 2], "big")
        content = data[place + 2 : place + length]
        if len(content) < 6 and (marker in FRAMES or marker == START_OF_SCAN):
            break
        if marker in FRAMES and not passes.missing:
            passes.begin(marker, content)
        elif marker == START_OF_SCAN:
            passes.add(content)
        place += length
    return passes


def check_passes(data: bytes, size: tuple[int, int]) -> None:
    """Refuse a JPEG whose scans would take minutes to decode.

    Raises:
        ImageError: it has so many scans for its size, which no camera or program writes.
    """
    first = read_passes(data, 1)
    if not first.progressive and not first.missing:  # one scan has everything: the usual file, not searched to its end
        return
    limit = min(MAX_PASSES, MAX_PASS_PIXELS // max(1, size[0] * size[1]))
    if read_passes(data, limit + 1).count > limit:
        raise ImageError(f"the JPEG asks for more than {limit} passes over its picture; save it anew first")


def finish(data: bytes) -> bytes:
    """A stripped JPEG that lacks nothing but its end marker, with it.

    Raises:
        ImageError: parts of the picture are missing; the sentence says from which row on.
        Exception: the decoder's, where the picture is damaged in another way.
    """
    passes = read_passes(data)
    if passes.ended or not passes.count:
        raise ImageError("the image is damaged or cut off (its JPEG data cannot be decoded); copy or download it again")
    data = data.removesuffix(b"\xff")
    _require_rows(data)
    if passes.missing:
        raise ImageError("the image is damaged or cut off: passes of detail are missing; copy or download it again")
    return data + END_MARKER


def check_rows(data: bytes, image: Image.Image) -> None:
    """Refuse a JPEG that was cut and given an end marker: libjpeg fills the rest with one colour, and says nothing.

    Only a picture whose last row has one colour is decoded again, and not one of several passes, which lacks detail,
    but no rows.

    Raises:
        ImageError: picture data are missing; the sentence says from which row on.
    """
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if (last == last[:, :1]).all():
        passes = read_passes(data)
        if passes.ended and passes.count == 1 and not passes.progressive:
            _require_rows(data[: passes.end])


def _require_rows(data: bytes) -> None:
    one, other = (_pixels(data + probe + END_MARKER) for probe in PROBES)
    rows = np.flatnonzero((one != other).reshape(len(one), -1).any(1))
    if len(rows):
        raise ImageError(
            f"the image is damaged or cut off: picture data are missing from row {rows[0] + 1} of {len(one)} on; "
            "copy or download it again"
        )


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.asarray(image)
