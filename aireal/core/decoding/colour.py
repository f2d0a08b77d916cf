"""Pixels of any mode as 8-bit sRGB: scaled to 8 bits, through their colour profile, and over white."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of ICC profiles → Pillow's mode
STRIP = 2**18  # pixels that are scaled at a time


def to_srgb(image: Image.Image, profile: bytes | None = None) -> Image.Image:
    """The picture as RGB in sRGB, transparency over white, without metadata.

    Args:
        profile: ICC profile of the colours; by default that of `image.info`. One that does not fit is ignored, as
            viewers do.
    """
    profile = profile or image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    image, alpha = _split(image)
    if profile:
        image = _through(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    image.info.clear()
    return image


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours without palette and transparency, and the alpha channel "L", or None."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        gray = image.mode in ("1", "L", "LA")
        image = image.convert("RGBA")
        return image.convert("RGB").getchannel(0) if gray else image.convert("RGB"), image.getchannel("A")
    if image.mode == "P":
        return image.convert("RGB"), None
    return image.convert("L") if image.mode == "1" else image, None


def _through(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture "RGB" through an ICC profile to sRGB; unchanged if the profile is broken or for other colours."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = SPACES.get(source.profile.xcolor_space.strip())
        if mode is None or (mode == "CMYK") != (image.mode == "CMYK") or (mode == "L" and image.mode != "L"):
            return image
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image.convert(mode), source, target, outputMode="RGB") or image
    except Exception:  # whatever the library says of a profile, the picture is shown without it
        return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16- and 32-bit gray to 8 bits: by 1/257 if the values are 16-bit, else from minimum..maximum to 0..255.

    It works on some rows at a time: all of them as float64 would take eight times the picture's own memory.
    """
    ranges = [
        (values[kept].min(), values[kept].max()) for _, values in _rows(image) if (kept := np.isfinite(values)).any()
    ]
    low = float(min(lowest for lowest, _ in ranges)) if ranges else 0.0
    high = float(max(highest for _, highest in ranges)) if ranges else 0.0
    scaled = np.empty(image.size[::-1], np.uint8)
    for top, values in _rows(image):
        values = np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
        if image.mode.startswith("I") and low >= 0 and 255 < high <= 65535:
            values /= 257
        elif high > low and (low < 0 or high > 255 or (image.mode == "F" and high <= 1)):
            values = (values - low) / (high - low) * 255
        scaled[top : top + len(values)] = values.clip(0, 255).round()
    return Image.fromarray(scaled)


def _rows(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the first row, values float64 [rows, W]) of the picture's strips."""
    height = max(1, STRIP // image.width)
    for top in range(0, image.height, height):
        strip = image.crop((0, top, image.width, min(top + height, image.height)))
        with np.errstate(invalid="ignore"):  # a file may hold any bits, among them NaN
            yield top, np.array(strip, dtype=np.float64)
