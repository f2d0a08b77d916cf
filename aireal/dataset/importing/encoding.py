"""The form that an import gives to every picture, and what can be told of those that it got."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from aireal.core.imagefile import SUFFIXES, decode, sha256
from aireal.dataset.sample.build import JPEG_QUALITY

FLAT = 2.0  # gray levels of 255: a picture with a smaller deviation has no perceptual hash


@dataclass(frozen=True)
class Encoding:
    """What becomes of a picture: a square JPEG of `size` px, or its own bytes."""

    size: int = 256
    keep_bytes: bool = False

    def said(self) -> str:
        if self.keep_bytes:
            return "files are copied unchanged: sizes, formats and metadata stay what they are, and a classifier can learn them"
        return (
            f"re-encoded, both classes the same way: upright, sRGB, centred square, Lanczos to {self.size}×{self.size} px, "
            f"JPEG quality {JPEG_QUALITY} 4:2:0, no metadata"
        )

    def apply(self, data: bytes, name: str) -> tuple[bytes, str, Image.Image, dict]:
        """(content, suffix, the picture as it will be read, facts about the original) of a file's bytes. Raises ImageError."""
        image = decode(data)
        with Image.open(io.BytesIO(data)) as original:
            form = {"MPO": "JPEG"}.get(original.format, original.format)
        facts = {
            "pixels": sha256(repr(image.size).encode() + image.tobytes())[:16],
            "width": image.width,
            "height": image.height,
            "format": form,
        }
        if self.keep_bytes:
            suffix = Path(name).suffix.lower()
            return data, suffix if suffix in SUFFIXES else f".{form.lower()}", image, facts
        out = io.BytesIO()
        ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS).save(
            out, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0"
        )
        return out.getvalue(), ".jpg", decode(out.getvalue()), facts


def perceptual_hash(image: Image.Image) -> str | None:
    """The check's perceptual hash (64 bits, hexadecimal), of the bytes that the check will see; None for a flat picture."""
    if np.asarray(image.convert("L").resize((32, 32))).std() < FLAT:
        return None
    return str(imagehash.phash(image))


class Originals:
    """Formats and sizes of the originals, class by class: what re-encoding hides from the files, but not always from a classifier."""

    def __init__(self):
        self.formats, self.sides = (Counter(), Counter()), (Counter(), Counter())

    def add(self, row: dict) -> None:
        self.formats[row["label"]][row["format"]] += 1
        self.sides[row["label"]][min(row["width"], row["height"])] += 1

    def notes(self, form: Encoding) -> list[str]:
        out, medians = [], []
        for name, formats, sides in zip(("real", "fake"), self.formats, self.sides):
            if formats:
                total = sum(formats.values())
                medians.append(float(np.median(np.repeat(list(sides), list(sides.values())))))
                enlarged = sum(n for side, n in sides.items() if side < form.size)
                found = ", ".join(f"{f} {n / total:.0%}" for f, n in formats.most_common(4))
                out.append(
                    f"{name} originals: {found}; short side {min(sides)}-{max(sides)} px, median {medians[-1]:.0f}"
                    + (f"; {enlarged / total:.0%} enlarged" if enlarged and not form.keep_bytes else "")
                )
        shares = [{f: n / max(1, sum(formats.values())) for f, n in formats.items()} for formats in self.formats]
        if any(abs(shares[0].get(f, 0) - shares[1].get(f, 0)) > 0.1 for f in {*shares[0], *shares[1]}):
            out.append(
                "the classes' originals differ in format; traces of the first compression remain in the pixels, and a classifier can learn them"
            )
        if len(medians) == 2 and max(medians) > 1.25 * min(medians):
            out.append(
                "the classes' originals differ in size; the scaling leaves traces, and a classifier can learn them"
            )
        return out
