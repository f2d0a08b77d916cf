"""Open image files of any usual format as upright 8-bit sRGB pixels, or raise one clear sentence; encode pictures."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .errors import first_line

READABLE = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jfif"}
UNREADABLE = {".heic", ".heif", ".jxl"}  # listed so that such files are refused by name and not skipped silently
SUFFIXES = READABLE | UNREADABLE
MAX_PIXELS = 100_000_000  # a decoded picture of 100 megapixels takes 300 MB of RAM
MIN_SIDE = 16
DATASET_QUALITY = 90  # JPEG quality of the pictures in a dataset root


class ImageError(ValueError):
    """The file cannot be used as an image. The message is one sentence for the person who supplied it."""


def open_rgb(path: str | Path, at_least: int | None = None) -> Image.Image:
    """Open a file as an RGB `PIL.Image` in sRGB.

    The picture is turned upright by its EXIF data. An animation gives its first frame, transparency becomes white,
    and 16-bit values are scaled to 8 bits.

    Args:
        at_least: for a picture that is scaled down right afterwards: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
            size as long as both sides keep this many px. Fewer DCT coefficients are decoded then, which is several
            times faster.

    Raises:
        ImageError: the file is missing, empty, not an image, cut off, larger than `MAX_PIXELS`, or smaller than
            `MIN_SIDE` on a side.
    """
    return decode(read_bytes(path), at_least)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises:
        ImageError: the path does not exist, is a folder, may not be read, or the file is empty.
    """
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
    """The SHA-256 hash in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, at_least: int | None = None) -> Image.Image:
    """`open_rgb` for the bytes of a file."""
    _check_not_empty(data)
    try:
        upright = _decode_upright(data, at_least)
    except Image.DecompressionBombError:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"the picture is larger than {limit} megapixels; scale it down first") from None
    except UnidentifiedImageError:
        raise ImageError(
            "the file is no image that can be read (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF); convert it first"
        ) from None
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = first_line(error, 80)
        raise ImageError(f"the image is damaged or cut off ({reason}); copy or download it again") from None
    return _to_srgb(upright)


def _decode_upright(data: bytes, at_least: int | None) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size is checked below, and odd metadata do not matter
        image = Image.open(io.BytesIO(data))
        _check_size(image.size)
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        return ImageOps.exif_transpose(image)


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"the picture has {width}×{height} pixels, more than {limit} megapixels; scale it down first")
    if min(size) < MIN_SIDE:
        raise ImageError(f"the picture has {width}×{height} pixels; at least {MIN_SIDE} on each side are needed")


def _to_srgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken or unsuitable profile: convert without it, as every viewer does
    image = image.convert("RGB")
    image.info.clear()
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16- and 32-bit gray to 8 bits: by 1/257 if the values are 16-bit, else from minimum..maximum to 0..255."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and 255 < high <= 65535:
        values = values / 257
    elif high > low and (low < 0 or high > 255 or (image.mode == "F" and high <= 1)):
        values = (values - low) / (high - low) * 255
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def square(image: Image.Image, size: int) -> Image.Image:
    """The largest centred square, resized to `size` px (bicubic, antialiased)."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)


def encode(image: Image.Image, form: str, **options) -> bytes:
    """The picture as a file of the format `form` ("JPEG", "PNG", "WEBP" ...); `options` go to Pillow's encoder."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def encode_for_dataset(image: Image.Image) -> bytes:
    """The picture as every dataset root stores it: JPEG of quality `DATASET_QUALITY`, chroma 4:2:0, no metadata."""
    return encode(image, "JPEG", quality=DATASET_QUALITY, subsampling="4:2:0")


def reencode(image: Image.Image, form: str, **options) -> Image.Image:
    """The RGB picture after it was encoded in the format `form` and decoded again."""
    return Image.open(io.BytesIO(encode(image, form, **options))).convert("RGB")
