"""Cheap features of one image file, which should not tell the classes apart: how it was stored, not what it shows.

A feature's name is the wording of the report, so that name and meaning cannot drift apart.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, JpegImagePlugin

from aireal.core.imagefile import decode, encode, exif_tags, open_stored

from .pixel_features import colour_features, frequency_features, overlay_features

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK")
SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
METADATA = {
    "exif": "EXIF",
    "icc_profile": "ICC profile",
    "xmp": "XMP",
    "XML:com.adobe.xmp": "XMP text",
    "comment": "comment",
    "photoshop": "Photoshop block",
    "adobe": "Adobe marker",
    "dpi": "resolution",
    "gamma": "gamma",
    "srgb": "sRGB chunk",
    "transparency": "transparency",
    "parameters": "generation parameters",
    "Software": "software name",
}  # Pillow's keys of `Image.info`

Features = dict[str, dict[str, float]]


def extract(data: bytes) -> tuple[Features, dict[str, str]]:
    """The features of an image file in families, and its facts in words.

    Returns:
        ({family: {name: number}}, {fact: value}). The features always have the same names in the same order, about
        5,200 in all; a feature that takes only 0 and 1 is a yes or no.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    picture = decode(data)
    width, height = picture.size
    rgb = np.asarray(picture)
    with open_stored(data) as stored:
        container, facts = _container(stored, data)
    families = {
        "container": container,
        "size": _size(width, height),
        "overlay": overlay_features(np.asarray(picture.convert("L"))),
        "bytes": {"file size in kB": len(data) / 1000, "bytes a pixel": len(data) / (width * height)},
        "colour": colour_features(rgb),
        "frequency": frequency_features(rgb),
    }
    return families, {**facts, "size": f"{width}×{height} px"}


@cache
def _standard_tables() -> dict[tuple[int, ...], int]:
    """Luminance table → quality 1..100 of the IJG library, as the library itself writes them."""
    tables, flat = {}, Image.new("L", (8, 8))
    for quality in range(1, 101):
        with Image.open(io.BytesIO(encode(flat, "JPEG", quality=quality)), formats=["JPEG"]) as image:
            tables[tuple(image.quantization[0])] = quality
    return tables


def _jpeg_quality(luminance: tuple[int, ...]) -> tuple[int, bool]:
    """The quality (1..100) of the standard table nearest to a luminance table, and whether the two are equal."""
    tables = _standard_tables()
    if luminance in tables:
        return tables[luminance], True
    nearest = min(tables, key=lambda table: float(np.abs(np.subtract(table, luminance)).sum()))
    return tables[nearest], False


def _container(image: Image.Image, data: bytes) -> tuple[dict[str, float], dict[str, str]]:
    form, info = image.format or "?", image.info
    tables = getattr(image, "quantization", None) or {}
    quality, standard = _jpeg_quality(tuple(tables[min(tables)])) if tables else (0, False)
    sampling = SAMPLINGS.get(JpegImagePlugin.get_sampling(image), "other") if form in ("JPEG", "MPO") else "none"
    lossless = form == "WEBP" and b"VP8L" in data[:64]
    credentials = b"c2pa" in data
    steps = [step for table in tables.values() for step in table]
    metadata = [name for key, name in METADATA.items() if key in info] + ["content credentials"] * credentials
    features = {f"saved as {name}": float(form == name) for name in FORMATS}
    features |= {f"stored as {name}": float(image.mode == name) for name in MODES}
    features |= {f"chroma subsampling {name}": float(sampling == name) for name in ("4:4:4", "4:2:2", "4:2:0", "other")}
    features |= {f"has {name}": float(name in metadata) for name in (*METADATA.values(), "content credentials")}
    features |= {
        "JPEG quality of the tables (0: none)": quality,
        "JPEG tables are the standard ones": float(standard),
        "number of JPEG tables": len(tables),
        "mean step of the JPEG tables": float(np.mean(steps)) if steps else 0.0,
        "progressive or interlaced": float(bool(info.get("progressive") or info.get("interlace"))),
        "lossless WebP": float(lossless),
        "PNG bit depth": data[24] if form == "PNG" else 0,
        "number of EXIF tags": exif_tags(image),
    }
    facts = {
        "format": form + " (lossless)" * lossless,
        "mode": image.mode,
        "metadata": ", ".join(metadata) or "no metadata",
    }
    if tables:
        facts |= {
            "JPEG quality": f"JPEG of quality {quality}" + (" (other tables)" if not standard else ""),
            "subsampling": f"JPEG with chroma {sampling}",
        }
    return features, facts


def _size(width: int, height: int) -> dict[str, float]:
    short, long = sorted((width, height))
    return {
        "width in px": width,
        "height in px": height,
        "short side in px": short,
        "long side in px": long,
        "width by height": width / height,
        "long by short side": long / short,
        "square": float(width == height),
        "landscape": float(width > height),
        **{f"both sides are multiples of {n}": float(width % n == height % n == 0) for n in (8, 16, 64)},
        "both sides are powers of two": float(all(n & (n - 1) == 0 for n in (width, height))),
    }
