"""The EXIF fields that tell where a picture comes from: camera, program, and texts that generators write there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from aireal.evidence.provenance import Mark

from .clean_text import clean
from .generator_texts import text_mark

DESCRIPTION, MAKE, MODEL, SOFTWARE, ARTIST = 0x010E, 0x010F, 0x0110, 0x0131, 0x013B
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
PREFIXES = ("prompt:", "workflow:")  # ComfyUI puts its graphs into any field of a WebP, the camera's among them


def read_exif(exif: Image.Exif) -> list[Mark]:
    """Texts of generators, camera and program of a file's EXIF. A field of a wrong type is passed over."""
    return list(_marks(exif))


def _marks(exif: Image.Exif) -> Iterator[Mark]:
    fields = {tag: _value(exif, tag) for tag in (DESCRIPTION, MAKE, MODEL, SOFTWARE, ARTIST)}
    names = {DESCRIPTION: "ImageDescription", MAKE: "Make", MODEL: "Model", SOFTWARE: "Software", ARTIST: "Artist"}
    texts = [(names[tag], text) for tag, text in fields.items()] + [("UserComment", _user_comment(exif))]
    generators = [mark for name, text in texts if (mark := _generator(f"EXIF {name}", text))]
    yield from generators
    taken = {mark.place.removeprefix("EXIF ") for mark in generators}
    camera = " ".join(fields[tag] for tag in (MAKE, MODEL) if names[tag] not in taken)
    if camera := clean(_without_repeat(camera)):
        yield Mark("camera", "EXIF", camera)
    if "Software" not in taken and (software := clean(fields[SOFTWARE])):
        yield Mark("software", "EXIF", software)


def _generator(place: str, text: str) -> Mark | None:
    key = next((prefix for prefix in PREFIXES if text.lower().startswith(prefix)), "")
    return text_mark(place, text[len(key) :], key.rstrip(":"), program=place == "EXIF Software")


def _value(exif: Image.Exif, tag: int) -> str:
    value = exif.get(tag)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _user_comment(exif: Image.Exif) -> str:
    """UserComment: 8 bytes that name the encoding, then the text (EXIF 3.0, 4.6.6)."""
    value = None
    with suppress(Exception):  # a directory of wrong types raises what it likes; the picture has other marks
        value = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return ""
    code, text = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        return text.decode(_byte_order(text), "replace").strip("\0 ")
    known = code.startswith((b"ASCII", b"JIS")) or code == b"\0" * 8
    return (text if known else value).decode("utf-8", "replace").strip("\0 ")


def _byte_order(text: bytes) -> str:
    """The encoding does not name its order of bytes: the zeros of Latin letters do."""
    return "utf-16-be" if text[0::2].count(0) >= text[1::2].count(0) else "utf-16-le"


def _without_repeat(camera: str) -> str:
    """`Canon Canon EOS R5` → `Canon EOS R5`."""
    first, _, rest = camera.partition(" ")
    return rest if rest.lower().startswith(first.lower() + " ") else camera
