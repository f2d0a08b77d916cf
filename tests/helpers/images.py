"""Small pictures, and the sample dataset, for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from aireal.config import REPOSITORY
from aireal.core.imagefile import ImageError, decode

SAMPLE = REPOSITORY / "dataset"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    return encoded(image, "JPEG", quality=quality)


def noise(seed: int, side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def wide_picture() -> Image.Image:
    """288×192 px of smooth colours, so that a turned picture has other sides."""
    cells = np.random.default_rng(0).integers(0, 255, (24, 36, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((288, 192), Image.Resampling.BICUBIC)


def swapped_profile() -> bytes:
    """An sRGB profile that swaps red and blue, so that its absence is plain."""
    profile = bytearray(SRGB)
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def pixels(data: bytes) -> np.ndarray:
    """The decoded picture, uint8 [H, W, 3]."""
    return np.asarray(decode(data))


def refused(data: bytes) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(ImageError) as raised:
        decode(data)
    return str(raised.value)


def damaged_avif(image: Image.Image) -> bytes:
    """An AVIF whose header is fine and whose pixels are not; Pillow raises a RuntimeError."""
    data = bytearray(encoded(image, "AVIF", quality=80))
    start = data.find(b"mdat") + 4
    data[start : start + 16] = bytes(16)
    return bytes(data)
