"""The format of a file by its first bytes, whatever its name says, and one sentence about every other kind of file."""

from __future__ import annotations

import importlib.util
import re

from aireal.core.errors import ImageError

from .tiff_tags import is_raw

FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC"  # as sentences name them
ANNEX = "run `git annex get` in the repository that it came from"
STARTS = {  # of the formats that are read; Pillow's names
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
RAW = {  # (place, bytes) → camera files that are refused; those in a TIFF without a mark are found by their tags
    (0, b"FUJIFILMCCD-RAW"): "Fujifilm RAF",
    (0, b"IIRO"): "Olympus ORF",
    (0, b"IIRS"): "Olympus ORF",
    (0, b"MMOR"): "Olympus ORF",
    (0, b"IIU\0"): "Panasonic RW2",
    (0, b"FOVb"): "Sigma X3F",
    (0, b"\0MRM"): "Minolta MRW",
    (8, b"CR\x02"): "Canon CR2",
    (4, b"ftypcrx "): "Canon CR3",
    (8, b"IIII"): "Phase One IIQ",
}
PICTURES = {  # (place, bytes) → pictures in formats that are not read
    (0, b"\xff\x0a"): "JPEG XL",
    (0, b"\0\0\0\x0cJXL "): "JPEG XL",
    (4, b"ftypjxl "): "JPEG XL",
    (0, b"\0\0\0\x0cjP  "): "JPEG 2000",
    (0, b"\xff\x4f\xff\x51"): "JPEG 2000",
    (0, b"8BPS"): "Photoshop (PSD)",
    (0, b"gimp xcf"): "GIMP (XCF)",
    (0, b"\0\0\x01\0"): "Windows icon (ICO)",
    (0, b"icns"): "macOS icon (ICNS)",
    (0, b"DDS "): "DDS",
    (0, b"qoif"): "QOI",
    (0, b"v/1\x01"): "OpenEXR",
    (0, b"#?RADIANCE"): "Radiance HDR",
    (0, b"BPG\xfb"): "BPG",
    (128, b"DICM"): "DICOM",
    (0, b"%!PS"): "PostScript (EPS)",
    (0, b"\xc5\xd0\xd3\xc6"): "PostScript (EPS)",
    **{(0, b"P%d" % n + end): "PPM" for n in range(1, 8) for end in (b"\n", b" ", b"\r", b"\t")},
}
OTHERS = {  # (place, bytes) → what the file is, and what to do
    (0, b"%PDF"): ("a PDF document", "export the page as JPEG or PNG"),
    (0, b"PK\x03\x04"): ("a ZIP archive", "unpack it first"),
    (0, b"Rar!"): ("a RAR archive", "unpack it first"),
    (0, b"7z\xbc\xaf"): ("a 7z archive", "unpack it first"),
    (0, b"\x1f\x8b"): ("a gzip archive", "unpack it first"),
    (0, b"\x1aE\xdf\xa3"): ("a video", "save one frame as JPEG or PNG"),
    (8, b"AVI "): ("a video", "save one frame as JPEG or PNG"),
    (4, b"ftyp"): ("a video", "save one frame as JPEG or PNG"),
    (0, b"\0\x05\x16\x07"): ("a companion file of macOS (its name begins with ._)", "give the file without the ._"),
    (0, b"version https://git-lfs"): ("a Git LFS pointer", "run `git lfs pull` in the repository that it came from"),
    (0, b"/annex/objects/"): ("a git-annex pointer", ANNEX),
}
AS_TEXT = (b"\x89PNG\n", b"\x89PNG\r\r", b"\x89PNG\r\n\n", b"\tPNG\r\n", b"\xef\xbf\xbdPNG")
CONTROL = re.compile(r"[^\t\n\r\f\x1b -\x7e\x80-\ufffc\U00010000-\U0010ffff]")  # what no text holds
HTML_STARTS = ("<!doctype html", "<html", "<head", "<body", "<script", "<meta", "<title", "<iframe", "<center")


def kind_of(data: bytes) -> str:
    """The format of an image file: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF or HEIF.

    Only the first bytes count, and the tags of a TIFF. So a file's name can start no decoder.

    Raises:
        ImageError: the file is of any other kind; the sentence names it where it is known.
    """
    _refuse_known(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _kind_by_brand(data)
    for start, kind in STARTS.items():
        if data.startswith(start):
            if kind == "TIFF" and is_raw(data):
                raise ImageError(_raw("a TIFF of sensor values, as DNG, NEF and ARW are"))
            return kind
    _refuse_lost(data)
    _refuse_text(data)
    raise ImageError(f"the file is no image that can be read ({FORMATS}); convert it first")


def reads_heif() -> bool:
    """Whether `pillow-heif` is installed (the extra `heif`)."""
    return importlib.util.find_spec("pillow_heif") is not None


def _kind_by_brand(data: bytes) -> str:
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[k : k + 4] for k in range(16, length, 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    if not brands & HEIF_BRANDS:
        raise ImageError(_not_a_picture(*OTHERS[4, b"ftyp"]))
    if not reads_heif():
        raise ImageError(
            "this is a HEIC picture, which is read only where pillow-heif is installed; "
            "run `pip install pillow-heif`, or export the picture as JPEG"
        )
    return "HEIF"


def _refuse_known(data: bytes) -> None:
    for (place, start), name in RAW.items():
        if data.startswith(start, place) and (place != 8 or data[:2] in (b"II", b"MM")):
            raise ImageError(_raw(name))
    for (place, start), name in PICTURES.items():
        if data.startswith(start, place):
            raise ImageError(f"this is a {name} picture, a format that is not read; convert it to JPEG or PNG first")
    for (place, start), words in OTHERS.items():
        if data.startswith(start, place) and start != b"ftyp":
            raise ImageError(_not_a_picture(*words))


def _refuse_lost(data: bytes) -> None:
    """Refuse what was a picture before a disk or a transfer spoilt it."""
    if not data.strip(b"\0"):
        raise ImageError("the file holds nothing but zeros, so its content is lost; copy or download it again")
    if data.startswith(AS_TEXT):
        raise ImageError("this PNG was damaged by a transfer as text; transfer it again, as binary data")


def _refuse_text(data: bytes) -> None:
    head = data[:2048]
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace").lstrip().casefold()
    if "<svg" in text and text.startswith("<"):
        raise ImageError("this is an SVG drawing, a format that is not read; convert it to JPEG or PNG first")
    if text.startswith(HTML_STARTS) or (text.startswith("<") and ("<html" in text or "<!doctype html" in text)):
        raise ImageError(_not_a_picture("a web page", "the site sent no picture, so download it again, logged in"))
    if text.startswith("<?xml"):
        raise ImageError(_not_a_picture("an XML file, such as a server's error message", "download it again"))
    if not CONTROL.search(text) and (wide or _is_utf8(data)):
        what = "text, such as the message of a server"
        raise ImageError(f"the file is no image that can be read, but {what}; look into it, or download it again")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _not_a_picture(what: str, do: str) -> str:
    return f"this is {what}, not a picture; {do}"


def _raw(name: str) -> str:
    return f"this is a camera's RAW file ({name}), which is not read; export it as JPEG or TIFF first"
