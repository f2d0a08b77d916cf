"""The first directory of a TIFF, which EXIF has, too: its orientation, and a copy with the tags of pixels alone.

Pillow reads all tags of a file, and directories below them. One odd value then stops a picture that every viewer
shows, and tags that all point at the same bytes take memory without end. So pixels are decoded from the copy.
Source: TIFF 6.0 (Adobe 1992); BigTIFF; the tags of RAW files from DNG 1.7 and ExifTool's lists.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # struct letters of unsigned whole numbers
ORIENTATION, SUBFILE, COMPRESSION, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION = 274, 254, 259, 262, 330, 50706
EXIF_DIRECTORY = 34665  # place of the directory with what EXIF adds to TIFF
SHORT = {256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 292, 293, 317, 322, 323, 332, 336, 338, 339, 340, 341}
SHORT |= {512, 513, 514, 515, 517, 518, 529, 530, 531, 532, 50674}
LONG = {273, 279, 320, 324, 325, 347, 519, 520, 521, 34675}  # strips and tiles, palette, JPEG tables, ICC profile
SHORT_BYTES = 1024  # the most that a value of SHORT takes
RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 34892, 65000, 65535}  # Sony, Epson, Samsung, Nikon, DNG, Kodak, Pentax
RAW_PHOTOMETRICS = {32803, 34892}  # values of a colour filter array, linear RAW


@dataclass(frozen=True)
class Entry:
    """One tag: number, type, count of values, and the field that holds the value or its place."""

    tag: int
    type: int
    count: int
    field: bytes
    stored: bytes  # the entry as it is in the file

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return SIZES.get(self.type, 1) * self.count


@dataclass(frozen=True)
class Directory:
    """The first directory. `start` is the place of its number of entries, `big` tells a BigTIFF."""

    order: str
    big: bool
    start: int
    entries: list[Entry]

    def number(self, tag: int) -> int | None:
        """The first value of a tag that holds whole numbers within its entry."""
        for entry in self.entries:
            if entry.tag == tag and entry.type in WHOLE and 0 < entry.size <= len(entry.field):
                letter = self.order + WHOLE[entry.type]
                return struct.unpack(letter, entry.field[: struct.calcsize(letter)])[0]
        return None

    def __contains__(self, tag: int) -> bool:
        return any(entry.tag == tag for entry in self.entries)


def first_directory(data: bytes) -> Directory | None:
    """The first directory of a TIFF or an EXIF block; None where there is none. Entries beyond the end are left out."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or not {0x2A, 0x2B} & set(data[2:4]):
        return None
    big = 0x2B in data[2:4]
    try:
        start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    except struct.error:
        return None
    return _directory(data, order, big, start)


def _directory(data: bytes, order: str, big: bool, start: int) -> Directory | None:
    count_letter, width = ("Q", 20) if big else ("H", 12)
    try:
        count = struct.unpack_from(order + count_letter, data, start)[0]
    except (struct.error, OverflowError):
        return None
    first = start + struct.calcsize(order + count_letter)
    count = min(count, 65535, (len(data) - first) // width)
    return Directory(order, big, start, [_entry(data, order, first + k * width, big) for k in range(count)])


def _entry(data: bytes, order: str, place: int, big: bool) -> Entry:
    tag, kind, count, field = struct.unpack_from(order + ("HHQ8s" if big else "HHI4s"), data, place)
    return Entry(tag, kind, count, field, data[place : place + (20 if big else 12)])


def orientation(exif: bytes) -> int:
    """The orientation (1-8) that an EXIF block tells, with or without its `Exif` mark; 1 where it tells none."""
    directory = first_directory(exif.removeprefix(b"Exif\0\0"))
    value = directory.number(ORIENTATION) if directory else None
    return value if value in range(1, 9) else 1


def is_raw(data: bytes) -> bool:
    """Whether a TIFF holds a camera's sensor values; its first directory then often shows a small preview only."""
    directory = first_directory(data)
    if directory is None:
        return False
    preview = bool((directory.number(SUBFILE) or 0) & 1) and SUB_DIRECTORIES in directory
    return (
        preview
        or DNG_VERSION in directory
        or directory.number(COMPRESSION) in RAW_COMPRESSIONS
        or directory.number(PHOTOMETRIC) in RAW_PHOTOMETRICS
    )


def is_inflated(exif: bytes) -> bool:
    """Whether the tags of an EXIF block or TIFF claim many times its bytes, by pointing at the same ones."""
    block = exif.removeprefix(b"Exif\0\0")
    directory = first_directory(block)
    if directory is None:
        return False
    place = directory.number(EXIF_DIRECTORY)
    below = _directory(block, directory.order, directory.big, place) if place is not None else None
    entries = directory.entries + (below.entries if below else [])
    return sum(entry.size for entry in entries) > 16 * len(exif) + 2**20


def pixels_only(data: bytes) -> bytes:
    """The TIFF with the tags of its first picture's pixels, orientation and colour profile, and no other picture."""
    directory = first_directory(data)
    if directory is None:
        return data
    kept = [
        entry.stored
        for entry in directory.entries
        if entry.tag in LONG or (entry.tag in SHORT and entry.size <= SHORT_BYTES)
    ]
    count, nothing = ("Q", bytes(8)) if directory.big else ("H", bytes(4))
    content = struct.pack(directory.order + count, len(kept)) + b"".join(kept) + nothing
    return data[: directory.start] + content + data[directory.start + len(content) :]
