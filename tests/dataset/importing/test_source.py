"""A picture behind an address that leads into an archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from aireal.core.imagefile import ImageError
from aireal.dataset.importing.source import PictureEntry
from helpers.images import encoded, noise, write

pytest.importorskip("datasets", reason="the optional library, which opens such addresses")

PICTURE = encoded(noise(1), "PNG")


def zipped() -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("a.png", PICTURE)
    return buffer.getvalue()


def encrypted() -> bytes:
    """A zip whose entry is marked as encrypted, in both of its headers."""
    data = bytearray(zipped())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.find(header) + flags] |= 1
    return bytes(data)


def spoilt(data: bytes) -> bytes:
    return data[:40] + bytes(40) + data[80:]


@pytest.mark.parametrize("kind", ["gzip", "xz", "bz2", "zip"])
def test_a_picture_in_an_archive_is_read(tmp_path, kind):
    data = {"gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zip": lambda _: zipped()}[kind](PICTURE)
    assert PictureEntry("a.png", address(tmp_path, kind, data), 0).read() == PICTURE


@pytest.mark.fault(
    "files",
    "one damaged or encrypted archive among those of a dataset",
    "the file is damaged in its archive, or packed in a way that Python cannot read",
    "its picture is refused, and the others are imported",
)
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("gzip", gzip.compress(PICTURE)[:-200], id="gzip cut off"),
        pytest.param("gzip", b"no gzip" * 9, id="no gzip"),
        pytest.param("xz", lzma.compress(PICTURE)[:-200], id="xz cut off"),
        pytest.param("xz", spoilt(lzma.compress(PICTURE)), id="xz spoilt"),
        pytest.param("bz2", bz2.compress(PICTURE)[:-200], id="bz2 cut off"),
        pytest.param("bz2", b"no bz2" * 9, id="no bz2"),
        pytest.param("zip", encrypted(), id="zip encrypted"),
        pytest.param("zip", zipped()[:-60], id="zip cut off"),
    ],
)
def test_a_damaged_archive_costs_its_picture_alone(tmp_path, monkeypatch, kind, data):
    monkeypatch.setattr("aireal.dataset.importing.source.WAITS", ())
    with pytest.raises(ImageError, match="damaged in its archive"):
        PictureEntry("a.png", address(tmp_path, kind, data), 0).read()


def address(folder: Path, kind: str, data: bytes) -> str:
    return f"{kind}://a.png::{write(folder / f'a.png.{kind}', data)}"
