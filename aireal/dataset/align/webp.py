"""The quality of a lossy WebP, read from its quantiser: Pillow tells no quality."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from aireal.core.imagefile import encode

ANIMATION_FRAME = 16  # bytes of an ANMF chunk before the chunks of its picture
HEADER = 10  # bytes of a VP8 key frame before its first arithmetic-coded bit


def lossy_frame(data: bytes) -> bytes | None:
    """The VP8 bitstream of a WebP file (of the first picture if there are several); None if it is lossless."""
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"VP8 ":
            return data[place + 8 : place + 8 + size]
        if name == b"VP8L":
            return None
        place += 8 + (ANIMATION_FRAME if name == b"ANMF" else size + size % 2)
    return None


def quantiser(frame: bytes) -> int:
    """The base quantiser index (0-127) of a VP8 key frame.

    Raises:
        IndexError: the frame is cut off.
    """
    read = _bit_reader(frame[HEADER:])
    read(2)  # colour space, clamping
    if read(1):  # segments
        _skip_segments(read)
    read(10)  # loop filter: type, level, sharpness
    if read(1) and read(1):  # its changes by reference and mode
        _skip_flagged(read, [7] * 8)
    read(2)  # number of partitions
    return read(7)


def _skip_segments(read: Callable[[int], int]) -> None:
    map_follows, values_follow = read(1), read(1)
    if values_follow:
        read(1)  # absolute or relative
        _skip_flagged(read, [8] * 4 + [7] * 4)  # quantisers and filter levels, each with its sign
    if map_follows:
        _skip_flagged(read, [8] * 3)


def _skip_flagged(read: Callable[[int], int], widths: list[int]) -> None:
    """Values of these bits, each there only if the bit before it is set."""
    for width in widths:
        if read(1):
            read(width)


def _bit_reader(data: bytes) -> Callable[[int], int]:
    """`read(n)`: the next n bits of even odds, as a number (Bankoski et al. 2011, RFC 6386, section 7)."""
    value, place, span, shifted = int.from_bytes(data[:2], "big"), 2, 255, 0

    def bit() -> int:
        nonlocal value, place, span, shifted
        split = 1 + ((span - 1) >> 1)
        found = value >= split << 8
        value, span = (value - (split << 8), span - split) if found else (value, split)
        while span < 128:
            value, span, shifted = value << 1, span << 1, shifted + 1
            if shifted == 8:
                value, place, shifted = value | data[place], place + 1, 0
        return int(found)

    def read(bits: int) -> int:
        number = 0
        for _ in range(bits):
            number = 2 * number + bit()
        return number

    return read


def quality_of(frame: bytes, picture: Image.Image) -> int:
    """The quality 1-100 at which libwebp gives the picture the frame's quantiser (bisection: seven encodings).

    Args:
        frame: what `lossy_frame` found.
        picture: the decoded picture; a large piece of it does, because the index hardly depends on the contents. Where
            it does (flat pictures), it is the quantiser that is repeated and not the number that somebody typed.
    """
    wanted, low, high = quantiser(frame), 1, 100
    while low < high:  # the index falls as the quality grows; of two qualities with one index it is the higher
        middle = (low + high + 1) // 2
        if quantiser(lossy_frame(encode(picture, "WEBP", quality=middle))) < wanted:
            high = middle - 1
        else:
            low = middle
    return low
