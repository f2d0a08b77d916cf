"""The encoding that an import gives to every picture, and statistics of the originals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from aireal.core.decoding.kinds import kind_of
from aireal.core.imagefile import DATASET_QUALITY, SUFFIXES, decode, encode_for_dataset, sha256
from aireal.evidence.record import CLASSES

MIN_DEVIATION = 2.0  # gray levels of 255: a flatter picture has no perceptual hash
FORMAT_DIFFERENCE = 0.1  # in the share of a format, from which the classes' originals count as different
SIZE_RATIO = 1.25  # of the median short sides, from which the classes' originals count as different


@dataclass(frozen=True)
class Encoding:
    """The stored form of a picture: a square JPEG of `size` px, or the file's own bytes."""

    size: int = 256
    keep_bytes: bool = False

    def describe(self) -> str:
        """One sentence on what happens to a picture."""
        if self.keep_bytes:
            return (
                "files are copied unchanged: sizes, formats and metadata stay what they are, "
                "and a classifier can learn them"
            )
        return (
            f"re-encoded, both classes the same way: upright, sRGB, centred square, "
            f"Lanczos to {self.size}×{self.size} px, JPEG quality {DATASET_QUALITY} 4:2:0, no metadata"
        )

    def apply(self, data: bytes, name: str) -> tuple[bytes, str, Image.Image, dict]:
        """Encode the picture of a file.

        Returns:
            (content to store, its suffix, the picture as it will be read, facts about the original: "pixels" (hash),
            "width", "height", "format").

        Raises:
            ImageError: the file cannot be read as an image.
        """
        image = decode(data)
        form = kind_of(data)
        facts = {
            "pixels": sha256(repr(image.size).encode() + image.tobytes())[:16],
            "width": image.width,
            "height": image.height,
            "format": form,
        }
        if self.keep_bytes:
            suffix = Path(name).suffix.lower()
            return data, suffix if suffix in SUFFIXES else f".{form.lower()}", image, facts
        content = encode_for_dataset(ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS))
        return content, ".jpg", decode(content), facts


def perceptual_hash(image: Image.Image) -> str | None:
    """The perceptual hash of `dataset check` (64 bits, hexadecimal) of a stored picture; None for a flat picture."""
    if np.asarray(image.convert("L").resize((32, 32))).std() < MIN_DEVIATION:
        return None
    return str(imagehash.phash(image))


class Originals:
    """Formats and sizes of the originals of each class.

    Re-encoding hides them in the files, but not always in the pixels.
    """

    def __init__(self):
        self.formats, self.sides = (Counter(), Counter()), (Counter(), Counter())

    def add(self, row: dict) -> None:
        """Count an imported picture by its row."""
        self.formats[row["label"]][row["format"]] += 1
        self.sides[row["label"]][min(row["width"], row["height"])] += 1

    def notes(self, encoding: Encoding) -> list[str]:
        """One sentence on each class, and warnings where the classes differ."""
        present = [label for label in (0, 1) if self.formats[label]]
        notes = [self._describe_class(label, encoding) for label in present]
        if self._formats_differ():
            notes.append(
                "the classes' originals differ in format; traces of the first compression remain in the pixels, and a "
                "classifier can learn them"
            )
        medians = [self._median_side(label) for label in present]
        if len(medians) == 2 and max(medians) > SIZE_RATIO * min(medians):
            notes.append(
                "the classes' originals differ in size; the scaling leaves traces, and a classifier can learn them"
            )
        return notes

    def _describe_class(self, label: int, encoding: Encoding) -> str:
        formats, sides = self.formats[label], self.sides[label]
        total = sum(formats.values())
        enlarged = sum(count for side, count in sides.items() if side < encoding.size) / total
        listed = ", ".join(f"{form} {count / total:.0%}" for form, count in formats.most_common(4))
        return (
            f"{CLASSES[label]} originals: {listed}; short side {_range(sides)} px, median "
            f"{self._median_side(label):.0f}"
            + (f"; {enlarged:.0%} enlarged" if enlarged and not encoding.keep_bytes else "")
        )

    def _median_side(self, label: int) -> float:
        sides = self.sides[label]
        return float(np.median(np.repeat(list(sides), list(sides.values()))))

    def _formats_differ(self) -> bool:
        real, fake = (
            {form: count / max(1, sum(formats.values())) for form, count in formats.items()} for formats in self.formats
        )
        return any(abs(real.get(form, 0) - fake.get(form, 0)) > FORMAT_DIFFERENCE for form in {*real, *fake})


def _range(sides: Counter) -> str:
    low, high = min(sides), max(sides)
    return str(low) if low == high else f"{low} to {high}"
