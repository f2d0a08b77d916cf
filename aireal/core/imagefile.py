"""Open image files of any usual format as upright 8-bit sRGB pixels, or raise one clear sentence; encode pictures.

Every place that opens somebody's picture does it here. Formats are told by the bytes (`decoding.kinds`), metadata are
cut away before a decoder sees the file (`decoding.containers`), and whatever a decoder raises becomes an `ImageError`.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from .decoding import jpeg, png
from .decoding.colour import to_srgb
from .decoding.containers import strip
from .decoding.kinds import ANNEX, kind_of, reads_heif
from .decoding.tiff_tags import first_directory, is_inflated, orientation
from .errors import ImageError, first_line
from .file_names import shown

READABLE = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jfif"}
HEIF = {".heic", ".heif", ".hif"}  # read where pillow-heif is installed
# listed so that such files are refused by name and not skipped silently
REFUSED = {".jxl", ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".x3f"}
SUFFIXES = READABLE | HEIF | REFUSED
MAX_PIXELS = 100_000_000  # a decoded picture of 100 megapixels takes 300 MB of RAM
MAX_BYTES = 2 * 2**30  # of a file: 100 megapixels of 16 bytes have less
MIN_SIDE = 16
TIFF_START = re.compile(rb"II\*\0|MM\0\*")  # of an EXIF block
MOST_BLOCKS = 16  # of one file that are looked at
DATASET_QUALITY = 90  # JPEG quality of the pictures in a dataset root
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation → what turns the stored picture upright

# Pillow warns of odd metadata, which do not matter here, and of sizes, which are checked below. A filter of its own for
# each call would not be safe in threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.|pillow_heif")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_rgb(path: str | Path, at_least: int | None = None) -> Image.Image:
    """Open a file as an RGB `PIL.Image` in sRGB.

    The picture is turned upright by its EXIF data and converted by its colour profile. An animation gives its first
    frame, transparency becomes white, and 16-bit values are scaled to 8 bits.

    Args:
        at_least: for a picture that is scaled down right afterwards: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
            size as long as both sides keep this many px. Fewer DCT coefficients are decoded then, which is several
            times faster.

    Raises:
        ImageError: the file is missing, empty, not an image, cut off, larger than `MAX_PIXELS`, or smaller than
            `MIN_SIDE` on a side.
    """
    return decode(read_bytes(path), at_least)


def open_named(path: str | Path) -> Image.Image:
    """`open_rgb` for one of many pictures that a stage needs together: the error names the file."""
    try:
        return open_rgb(path)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises:
        ImageError: the path does not exist, is a folder or no regular file, cannot be read, is empty, or is larger than
            `MAX_BYTES`.
    """
    path = Path(path)
    try:
        status = path.stat()
        if path.is_dir():
            raise ImageError("this is a folder; give a file, or a folder that holds images")
        if not path.is_file():  # to read a pipe or a device might never end
            raise ImageError("this is no regular file; give the file of a picture")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"the file has {status.st_size / 2**30:.0f} GB, more than a picture; check what it is")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(_missing(path)) from None
    except PermissionError:
        raise ImageError("the file may not be read; check its permissions") from None
    except ValueError as error:  # a name with a null character; the sentences above are ValueErrors, too
        raise error if isinstance(error, ImageError) else ImageError(f"no file can have this name ({error})") from None
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error.strerror or first_line(error)}); copy it again") from None
    _check_not_empty(data)
    return data


def _missing(path: Path) -> str:
    if not path.is_symlink():
        return "the file does not exist; check the path"
    target = path.readlink()
    if "annex" in target.parts:
        return f"this is a git-annex link to a file that has not been fetched; {ANNEX}"
    return f"this is a link to {shown(target)}, which does not exist; copy the picture itself"


def _check_not_empty(data: bytes) -> None:
    if not data:
        raise ImageError("the file is empty (0 bytes); copy or download it again")


def sha256(data: bytes) -> str:
    """The SHA-256 hash in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(path: str | Path) -> str:
    """The SHA-256 of a picture's file; "" where it cannot be read, as whoever opens it is told."""
    try:
        return sha256(read_bytes(path))
    except ImageError:
        return ""


def decode(data: bytes, at_least: int | None = None) -> Image.Image:
    """`open_rgb` for the bytes of a file."""
    _check_not_empty(data)
    kind = kind_of(data)
    with _one_sentence():
        stripped = strip(data, kind)
        image = _open(stripped.data, kind)
        turned = stripped.orientation if stripped.orientation != 1 else _told_orientation(image)
        try:
            image = _load(image, at_least)
        except Exception:
            if kind not in ("JPEG", "PNG"):
                raise
            whole = jpeg.finish(stripped.data) if kind == "JPEG" else png.repack(stripped.data)
            image = _load(_open(whole, kind), at_least)
        else:
            if image.format in ("JPEG", "MPO"):
                jpeg.check_rows(stripped.data, image)
        if kind != "JPEG":  # checked when it was opened, and since then perhaps scaled
            _check_size(image.size)  # some decoders learn it only now
        if turned in TRANSPOSE:
            image = image.transpose(TRANSPOSE[turned])
        return to_srgb(image, stripped.profile)


def open_stored(data: bytes) -> Image.Image:
    """The picture as its file stores it: Pillow's object, not turned, with its metadata as far as they can be read.

    For questions about the file (format, mode, JPEG tables). Its pixels are for `decode`.

    Raises:
        ImageError: the file is no image that can be opened.
    """
    _check_not_empty(data)
    kind = kind_of(data)
    with _one_sentence():
        try:
            return _open(data if has_usual_metadata(data, kind) else strip(data, kind).data, kind)
        except ImageError:
            raise
        except Exception:
            return _open(strip(data, kind).data, kind)


def has_usual_metadata(data: bytes, kind: str) -> bool:
    """Whether Pillow can read the metadata of a file of this kind without filling the memory or taking minutes."""
    if kind == "GIF":
        return len(data) - len(strip(data, kind).data) < 2**16
    if kind == "PNG":
        return png.count_chunks(data) < 50_000
    if kind in ("AVIF", "HEIF"):  # whose decoders read EXIF as they open a file
        starts = islice(TIFF_START.finditer(data), MOST_BLOCKS)
        return not any(is_inflated(data[start.start() :]) for start in starts)
    return not is_inflated(data) and not is_inflated(jpeg.exif_of(data))


def exif_tags(image: Image.Image) -> int:
    """The number of tags in the EXIF of a picture from `open_stored`, or in a TIFF; 0 where they cannot be read."""
    if image.format == "TIFF":
        return len(image.tag_v2)
    directory = first_directory((image.info.get("exif") or b"").removeprefix(b"Exif\0\0"))
    return len(directory.entries) if directory else 0


def stored_orientation(data: bytes) -> int:
    """The orientation (1-8) by which `decode` turns a file; 1 for a TIFF, which Pillow turns itself.

    Raises:
        ImageError: the file is no image that can be opened.
    """
    kind = kind_of(data)
    with _one_sentence():
        stripped = strip(data, kind)
        return stripped.orientation if stripped.orientation != 1 else _told_orientation(_open(stripped.data, kind))


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Whatever a decoder raises, as an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"the picture is larger than {limit} megapixels; scale it down first") from None
    except MemoryError:
        raise ImageError("the picture needs more memory than is free; scale it down first") from None
    except Exception as error:  # each decoder has its own: struct.error, RuntimeError, IndexError ...
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "its header is broken" if unknown else first_line(error, 80).rstrip(".")
        raise ImageError(f"the image is damaged or cut off ({reason}); copy or download it again") from None


def _open(data: bytes, kind: str) -> Image.Image:
    """The picture, opened and of a usable size, not decoded. Only the decoder of its format is tried."""
    if kind == "HEIF":
        from pillow_heif import HeifImageFile

        image = HeifImageFile(io.BytesIO(data))
    else:
        image = Image.open(io.BytesIO(data), formats=[kind])
    _check_size(image.size)
    if kind == "JPEG":
        jpeg.check_passes(data, image.size)
    return image


def _load(image: Image.Image, at_least: int | None) -> Image.Image:
    if at_least and image.format in ("JPEG", "MPO"):  # HEIF would give its thumbnail, which is encoded otherwise
        image.draft(None, (at_least, at_least))
    image.load()
    return image


def _told_orientation(image: Image.Image) -> int:
    """The orientation that the decoder of AVIF tells; the other decoders have none left to tell, or turn the pixels."""
    return orientation(image.info.get("exif") or b"") if image.format == "AVIF" else 1


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"the picture has {width}×{height} pixels, more than {limit} megapixels; scale it down first")
    if min(size) < MIN_SIDE:
        raise ImageError(f"the picture has {width}×{height} pixels; at least {MIN_SIDE} on each side are needed")


def readable_suffixes() -> set[str]:
    """The suffixes of formats that are read here: those of HEIC are among them if `pillow-heif` is installed."""
    return READABLE | HEIF if reads_heif() else READABLE


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
    return Image.open(io.BytesIO(encode(image, form, **options)), formats=[form]).convert("RGB")
