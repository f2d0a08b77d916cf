"""How a photograph's file is encoded, so that another picture can be encoded alike."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from aireal.core.imagefile import ImageError, encode, open_stored, stored_orientation

from .webp import lossy_frame, quality_of

SUFFIX = {"JPEG": ".jpg", "WEBP": ".webp", "PNG": ".png"}
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")
LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp")
PIECE = 1024  # px: side of the piece of a larger picture that tells a WebP's quality, in a tenth of a second
T = Image.Transpose
UPRIGHT = {  # EXIF orientation → what turns the stored picture upright, what turns it back
    2: (T.FLIP_LEFT_RIGHT, T.FLIP_LEFT_RIGHT),
    3: (T.ROTATE_180, T.ROTATE_180),
    4: (T.FLIP_TOP_BOTTOM, T.FLIP_TOP_BOTTOM),
    5: (T.TRANSPOSE, T.TRANSPOSE),
    6: (T.ROTATE_270, T.ROTATE_90),
    7: (T.TRANSVERSE, T.TRANSVERSE),
    8: (T.ROTATE_90, T.ROTATE_270),
}


@dataclass(frozen=True)
class FileEncoding:
    """The encoding of one file.

    Attributes:
        options: arguments for `Image.save`, among them "format".
        gray: the file has one channel.
        orientation: EXIF's; the encoder saw the picture turned by it.
    """

    options: dict[str, Any]
    gray: bool = False
    orientation: int = 1

    @property
    def suffix(self) -> str:
        return SUFFIX[self.options["format"]]

    def write(self, pixels: np.ndarray) -> bytes:
        """The file of upright pixels, uint8 [H, W, 3], without metadata."""
        return self._write(Image.fromarray(pixels))

    def pass_through(self, pixels: np.ndarray) -> np.ndarray:
        """Upright pixels, uint8 [H, W, 3], with the traces that this encoding left in the photograph: written in the
        file's own orientation, which places the encoder's blocks, and read again."""
        forth, back = UPRIGHT.get(self.orientation, (None, None))
        image = Image.fromarray(pixels)
        image = image if back is None else image.transpose(back)
        image = Image.open(io.BytesIO(self._write(image)), formats=[self.options["format"]]).convert("RGB")
        return np.asarray(image if forth is None else image.transpose(forth))

    def _write(self, image: Image.Image) -> bytes:
        options = dict(self.options)
        return encode(image.convert("L") if self.gray else image, options.pop("format"), **options)


def jpeg_options(image: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """A JPEG's own quantisation tables and chroma subsampling as arguments for `Image.save`."""
    tables = [image.quantization[key] for key in sorted(image.quantization)]
    return {"format": "JPEG", "qtables": tables, "subsampling": JpegImagePlugin.get_sampling(image)}


def read_encoding(data: bytes) -> FileEncoding:
    """The encoding of an image file that can be decoded.

    Raises:
        ImageError: the format loses detail by settings that cannot be read from the file (GIF, AVIF, JPEG in TIFF).
    """
    with open_stored(data) as image:
        form, orientation = image.format, stored_orientation(data)
        gray = image.mode in ("L", "1") and "transparency" not in image.info
        if form in ("JPEG", "MPO"):
            options = jpeg_options(image)
            if image.info.get("progressive"):
                options["progressive"] = True
        elif form == "WEBP":
            options = _webp_options(data, image)
        elif form in LOSSLESS and image.info.get("compression") not in LOSSY_IN_TIFF:
            options = {"format": "PNG"}
        else:
            raise ImageError(
                f"the settings of a lossy {form} cannot be read from the file, so its pair could not be stored alike; "
                "convert it to JPEG, or import the dataset anew (dataset import), which does"
            )
    return FileEncoding(options, gray, orientation)


def _webp_options(data: bytes, image: Image.Image) -> dict[str, Any]:
    frame = lossy_frame(data)
    if frame is None:
        return {"format": "WEBP", "lossless": True}
    left, top = (max(0, (edge - PIECE) // 2) for edge in image.size)
    piece = image.convert("RGB").crop((left, top, min(left + PIECE, image.width), min(top + PIECE, image.height)))
    return {"format": "WEBP", "quality": quality_of(frame, piece)}
