"""Damaged files: mutations of small pictures of every format, each following from its number."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

MARKS = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)  # byte values at the ends of ranges


def _encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _heif(image: Image.Image, exif: Image.Exif) -> list[bytes]:
    try:
        import pillow_heif
    except ImportError:
        return []
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=60, exif=exif.tobytes())
    return [buffer.getvalue()]


@cache
def seeds() -> tuple[bytes, ...]:
    """Files of every format that is read, in several modes and compressions, with metadata and profiles."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (9, 13, 3), dtype=np.uint8))
    photo = noise.resize((61, 43), Image.Resampling.BICUBIC)
    clear = photo.copy()
    clear.putalpha(photo.convert("L"))
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 250)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "maker", 0x8298: "somebody"})
    meta = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat " * 40, zip=True)
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="3"/>')
    frames = {"save_all": True, "append_images": [noise.resize(photo.size)]}
    return (
        _encoded(photo, "JPEG", quality=85, comment=b"a comment", **meta),
        _encoded(photo, "JPEG", progressive=True, quality=60),
        _encoded(photo, "JPEG", restart_marker_rows=1),
        _encoded(photo.convert("CMYK"), "JPEG"),
        _encoded(photo, "PNG", pnginfo=text, **meta),
        _encoded(photo.convert("P"), "PNG", transparency=3),
        _encoded(deep, "PNG"),
        _encoded(Image.new("L", (900, 700), 90), "PNG"),
        _encoded(clear, "PNG", **frames),
        _encoded(photo, "WEBP", **meta),
        _encoded(clear, "WEBP", lossless=True),
        _encoded(photo, "WEBP", **frames),
        _encoded(photo, "GIF", comment=b"a comment" * 60),
        _encoded(photo, "GIF", **frames),
        _encoded(Image.new("P", (900, 700)), "GIF"),
        _encoded(photo, "BMP"),
        _encoded(photo.convert("P"), "BMP"),
        _encoded(photo, "TIFF", **meta),
        _encoded(photo, "TIFF", compression="tiff_lzw"),
        _encoded(clear, "TIFF", compression="tiff_adobe_deflate"),
        _encoded(photo, "TIFF", compression="jpeg"),
        _encoded(photo.convert("1"), "TIFF", compression="group4"),
        _encoded(photo.convert("L").convert("F"), "TIFF"),
        _encoded(photo, "AVIF", quality=60, **meta),
        _encoded(clear, "AVIF", quality=60),
        *_heif(photo, exif),
    )


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))


def _overwrite(data: bytearray, rng: np.random.Generator) -> None:
    """In the first part, where headers are, numbers at the ends of their ranges."""
    for place in rng.integers(0, min(len(data), 400), rng.integers(1, 5)):
        data[place] = MARKS[rng.integers(len(MARKS))]


def _number(data: bytearray, rng: np.random.Generator) -> None:
    place = int(rng.integers(0, max(1, min(len(data), 600) - 4)))
    value = int(rng.choice([0, 1, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1]))
    data[place : place + 4] = struct.pack(rng.choice(["<I", ">I"]), value)


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(1, len(data))) :]


def _remove(data: bytearray, rng: np.random.Generator) -> None:
    place = int(rng.integers(0, len(data)))
    del data[place : place + int(rng.integers(1, 64))]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    first, place = (int(k) for k in rng.integers(0, len(data), 2))
    data[place:place] = data[first : first + int(rng.integers(1, 200))]


def _zeros(data: bytearray, rng: np.random.Generator) -> None:
    place, count = int(rng.integers(0, len(data))), int(rng.integers(1, 64))
    data[place : place + count] = bytes(len(data[place : place + count]))


def _splice(data: bytearray, rng: np.random.Generator) -> None:
    """The rest of another file."""
    other = seeds()[rng.integers(len(seeds()))]
    data[int(rng.integers(4, len(data))) :] = other[int(rng.integers(len(other))) :]


MUTATIONS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _flip,
    _overwrite,
    _number,
    _cut,
    _remove,
    _repeat,
    _zeros,
    _splice,
)


def mutated(number: int, seed: int = 2026) -> bytes:
    """A damaged file: formats take turns, and one to three mutations follow from the number and the seed."""
    rng = np.random.default_rng([seed, number])
    data = bytearray(seeds()[number % len(seeds())])
    for _ in range(rng.integers(1, 4)):
        if len(data) > 16:
            MUTATIONS[rng.integers(len(MUTATIONS))](data, rng)
    return bytes(data)
