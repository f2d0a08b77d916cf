"""One aligned pair: a photograph and its round trip, alike in all but the traces of the autoencoder's decoder.

A detector that is trained on such pairs cannot learn subjects, sizes or encodings, because they are the same: Rajan et
al. 2025, "Aligned Datasets Improve Detection of Latent Diffusion-Generated Images" (AlignedForensics, arXiv
2410.11835); Chen et al. 2025, "Dual Data Alignment Makes AI-Generated Image Detector Easier Generalizable" (arXiv
2505.14359), who also align the encoding: what a photograph's own JPEG left in it, a round trip wipes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aireal.core.imagefile import decode

from .file_encoding import FileEncoding, read_encoding

GRID = 8  # px: pictures are padded to multiples of this; it is also the side of the blocks whose means are compared
MARGIN = 16  # px


class Autoencoder(Protocol):
    """What an alignment needs. An optional attribute `multiple` (px) says what the sides must be multiples of (8)."""

    def round_trip(self, images: np.ndarray) -> np.ndarray:
        """uint8 [B, H, W, 3] encoded and decoded again, of the same shape and dtype."""


@dataclass(frozen=True)
class Origin:
    """What made the round trips.

    Attributes:
        vae: the autoencoder as the user called it; the manifest's `generator`.
        weights_sha256: hash of its weights.
        computed: device, precision and versions.
    """

    vae: str
    weights_sha256: str
    computed: str


@dataclass(frozen=True)
class Photograph:
    """A photograph as it is read: upright pixels uint8 [H, W, 3], and how its file is encoded."""

    pixels: np.ndarray
    encoding: FileEncoding

    @classmethod
    def read(cls, data: bytes) -> Photograph:
        """A photograph from the bytes of its file.

        Raises:
            ImageError: it cannot be read, or its encoding cannot be repeated.
        """
        return cls(np.asarray(decode(data)), read_encoding(data))


def padded_round_trip(autoencoder: Autoencoder, images: np.ndarray) -> np.ndarray:
    """The round trip of uint8 [B, H, W, 3] of any size: padded by reflection, and cropped back.

    Each side gets `MARGIN` px at least, because an autoencoder paints a picture's edges badly, and a mark along them
    would tell a fake by its place. The margin keeps the grid of 8 px, on which decoders leave their traces.

    Raises:
        ValueError: the autoencoder gave pictures of another size or dtype.
    """
    height, width = images.shape[1:3]
    multiple = getattr(autoencoder, "multiple", GRID)
    first = -(-MARGIN // multiple) * multiple
    margins = ((0, 0), *((first, first + -side % multiple) for side in (height, width)), (0, 0))
    padded = np.pad(images, margins, mode="reflect")
    painted = autoencoder.round_trip(padded)
    if painted.shape != padded.shape or painted.dtype != np.uint8:
        raise ValueError(
            f"the autoencoder made {painted.dtype} {painted.shape} of uint8 {padded.shape}; "
            "a round trip must keep size and type: use another one"
        )
    return painted[:, first : first + height, first : first + width]


def block_means(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] → float32 [H//8, W//8, 3]: what a picture looks like without its detail."""
    rows, columns = (edge // GRID for edge in pixels.shape[:2])
    whole = pixels[: rows * GRID, : columns * GRID]
    return whole.reshape(rows, GRID, columns, GRID, 3).astype(np.float32).mean((1, 3))


def matched(fake: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The round trip, uint8 [H, W, 3], with the photograph's mean and contrast in each channel. An autoencoder may make
    pictures redder or lift their black by one to three of 255: traces of this one decoder, and no others, so nothing
    to learn. The contrast is that of blocks of 8 px, so the detail, which is to be learnt, does not count; it is
    changed by 10% at most."""
    coarse, wanted = block_means(fake), block_means(photo)
    gain = np.clip(wanted.std((0, 1)) / (coarse.std((0, 1)) + 1e-3), 0.9, 1.1)
    out = (fake - coarse.mean((0, 1))) * gain + wanted.mean((0, 1))
    return out.round().clip(0, 255).astype(np.uint8)


def finished_pair(photo: Photograph, painted: np.ndarray) -> tuple[bytes, bytes]:
    """The files of a photograph and of its round trip `painted`, uint8 [H, W, 3].

    The photograph was encoded once before. So the round trip passes through the same encoding once, too, and then
    both are written by the same encoder with the same options.
    """
    fake = matched(painted, photo.pixels)
    if (photo.pixels == photo.pixels[..., :1]).all():  # colour would tell a gray photograph's fake
        fake = np.repeat(fake.mean(-1, keepdims=True).round().astype(np.uint8), 3, axis=-1)
    encoding = photo.encoding
    return encoding.write(photo.pixels), encoding.write(encoding.pass_through(fake))
