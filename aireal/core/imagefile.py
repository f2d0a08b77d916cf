"""Open whatever people call an image: always 8-bit sRGB pixels, upright, or one clear sentence why not."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
    ".jfif",
    ".heic",
    ".heif",
    ".jxl",
}  # the last three are found so that they are refused by name, not passed over
MAX_PIXELS = 100_000_000  # a 100-megapixel picture needs 300 MB of RAM once decoded
MIN_SIDE = 16


class ImageError(ValueError):
    """The file cannot be used as an image; the message is one sentence for the person who sent it."""


def open_rgb(path: str | Path, at_least: int | None = None) -> Image.Image:
    """The picture as an RGB `PIL.Image` in sRGB, turned upright by its EXIF, the first frame if it is animated, on white if it
    has alpha, 16-bit scaled to 8.

    Args:
        at_least: for a picture that is made small right afterwards: a JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as both
            sides keep so many px. It is then scaled while it is decoded (fewer DCT coefficients), which is several times faster.

    Raises:
        ImageError: missing, empty, no image, cut off, larger than `MAX_PIXELS`, or smaller than `MIN_SIDE` on a side.
    """
    return decode(read_bytes(path), at_least)


def read_bytes(path: str | Path) -> bytes:
    path = Path(path)
    if not path.exists():
        raise ImageError("the file does not exist; check the path")
    if path.is_dir():
        raise ImageError("this is a folder; give a file, or a folder that holds images")
    try:
        data = path.read_bytes()
    except PermissionError:
        raise ImageError("the file may not be read; check its permissions") from None
    _check_not_empty(data)
    return data


def _check_not_empty(data: bytes) -> None:
    if not data:
        raise ImageError("the file is empty (0 bytes); copy or download it again")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, at_least: int | None = None) -> Image.Image:
    """`open_rgb` for the bytes of a file."""
    _check_not_empty(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit on the size follows, and odd metadata do not matter
            image = Image.open(io.BytesIO(data))
            _check_size(image.size)
            if at_least:
                image.draft(None, (at_least, at_least))
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, Image.DecompressionBombError):
            raise ImageError(
                f"the picture is larger than {MAX_PIXELS // 10**6} megapixels; scale it down first"
            ) from None
        raise ImageError(
            "the file is no image that can be read (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF); convert it first"
        ) from None
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"the image is damaged or cut off ({str(error).splitlines()[0][:80]}); copy or download it again"
        ) from None
    return _to_srgb(upright)


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the picture has {width}×{height} pixels, more than {MAX_PIXELS // 10**6} megapixels; scale it down first"
        )
    if min(size) < MIN_SIDE:
        raise ImageError(f"the picture has {width}×{height} pixels; at least {MIN_SIDE} on each side are needed")


def _to_srgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken or unfitting profile: the plain conversion below is what every viewer does
    image = image.convert("RGB")
    image.info.clear()
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """16- and 32-bit gray to 8: by 1/257 when the values are 16-bit, else stretched between minimum and maximum."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and 255 < high <= 65535:
        values = values / 257
    elif high > low and (low < 0 or high > 255 or (image.mode == "F" and high <= 1)):
        values = (values - low) / (high - low) * 255
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def find_images(paths: list[Path]) -> list[Path]:
    """The files named, and every file with an image's suffix inside the folders named, each once, in a stable order."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def square(image: Image.Image, size: int) -> Image.Image:
    """The largest centred square, resized to `size` px (bicubic, antialiased)."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
