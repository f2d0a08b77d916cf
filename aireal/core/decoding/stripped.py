"""What is left of a file when everything is gone that is not needed for its pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass

XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


@dataclass(frozen=True)
class Stripped:
    """A file without metadata.

    Attributes:
        data: bytes of the file, with the same pixels.
        orientation: EXIF's, 1-8.
        profile: the ICC profile, where `data` no longer holds it.
    """

    data: bytes
    orientation: int = 1
    profile: bytes | None = None


def xmp_orientation(xmp: bytes) -> int:
    """The orientation that an XMP packet tells; 1 where it tells none."""
    found = XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else 1
