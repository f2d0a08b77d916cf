"""Hostile pictures and archives: no program, no thread, no file and little memory comes of them."""

from __future__ import annotations

import os
import stat
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from aireal.core.imagefile import ImageError, decode, open_stored
from aireal.core.read_table import read_table
from aireal.dataset.importing.zip_archive import ZipFolders
from helpers.images import encoded, noise, refused

MAGICS = {
    "DDS": b"DDS |\0\0\0" + bytes(200),
    "QOI": b"qoif" + bytes(60),
    "PSD": b"8BPS\0\1" + bytes(60),
    "ICNS": b"icns\0\0\0\x40" + bytes(60),
    "FITS": b"SIMPLE  =                    T" + bytes(3000),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(60),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(/etc/passwd) (r) file\n",
    "EPS with a header": b"\xc5\xd0\xd3\xc6"
    + struct.pack("<6I", 30, 40, 0, 0, 0, 0)
    + b"%!PS-Adobe-3.0 EPSF-3.0\n" * 9,
    "GRIB": b"GRIB\0\0\0\1" + bytes(60),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "MPEG": b"\0\0\1\xb3\x10\0\x10" + bytes(60),
    "BUFR": b"BUFR" + bytes(60),
    "XPM": b"/* XPM */\nstatic char *x[] = {" + b'"1 1 1 1"};',
    "FLI": bytes(4) + b"\x11\xaf" + bytes(122) + bytes(4),
    "IM": b"Image type: L image\r\n" + bytes(600),
    "SGI": b"\x01\xda\1\1" + bytes(600),
    "PCX": b"\n\5\1\x08" + bytes(200),
}


@pytest.mark.parametrize("name", MAGICS)
def test_no_other_decoder_of_pillow_is_reached(name, tmp_path, monkeypatch):
    """The answer is always a sentence; neither a program is started nor a file written."""
    marker, programs = tmp_path / "started", tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "tmp").mkdir()
    for program in ("gs", "gswin64c", "xv", "h5dump", "ffmpeg"):
        (programs / program).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (programs / program).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert refused(MAGICS[name])
    for read in (decode, open_stored):
        with pytest.raises(ImageError):
            read(MAGICS[name])
    assert not marker.exists()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), struct.error("x"), IndexError(), OSError(), MemoryError(), KeyError(1)]
)
def test_whatever_a_decoder_raises_is_one_sentence(monkeypatch, error):
    def fail(*_, **__):
        raise error

    for place in ("aireal.core.imagefile.strip", "PIL.Image.open", "aireal.core.imagefile.to_srgb"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            assert "\n" not in refused(encoded(noise(1), "PNG"))


def bomb_png(side: int) -> bytes:
    """A PNG of side×side black 16-bit gray pixels, a thousandth of its size when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + 2 * side)
    compressor = zlib.compressobj(9)
    pixels = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    header = struct.pack(">2I5B", side, side, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = bomb_png(10_010)
    assert len(bomb) < 300_000
    assert "more than 100 megapixels" in refused(bomb)


def test_gray_of_sixteen_bits_takes_little_memory_beside_the_picture():
    """All pixels as float64 at once would take eight bytes each, several times over."""
    side = 2000
    picture = bomb_png(side)
    decode(picture)
    tracemalloc.start()
    try:
        decode(picture)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * side * side


def test_gray_of_sixteen_bits_is_scaled_as_before():
    values = [0, 256, 257, 1000, 65535]
    rows = np.repeat(np.array(values * 4, np.uint16)[:, None], 20, axis=1)
    shown = np.asarray(decode(encoded(Image.fromarray(rows), "PNG")))
    assert shown[:5, 0, 0].tolist() == [0, 1, 1, 4, 255]


def test_a_zip_bomb_is_refused(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            with archive.open(f"0_real/{number}.bmp", "w") as file:
                for _ in range(400):
                    file.write(bytes(2**20))
    assert path.stat().st_size < 4 * 2**20
    with pytest.raises(ValueError, match="made to fill a disk"):
        ZipFolders(path)


def test_a_workbook_that_would_fill_the_memory_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/sharedStrings.xml", "w") as file:
            for _ in range(100):
                file.write(b" " * 2**20)
    with pytest.raises(ValueError, match="made to fill the memory"):
        list(read_table(tmp_path / "table.xlsx", ["path"], ""))


def test_links_and_names_that_lead_out_of_a_zip_are_left_out(tmp_path):
    link = zipfile.ZipInfo("0_real/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
        for name in ("../out.png", "/abs.png", "C:/x.png", "..\\out.png", "a/../../out.png"):
            archive.writestr(name, b"x")
        archive.writestr("0_real/good.png", encoded(noise(1), "PNG"))
    folders = ZipFolders(tmp_path / "set.zip")
    assert folders.unsafe == 6
    assert folders.listing("0_real/") == ([], ["good.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.zip"], "nothing is unpacked"


def test_a_picture_with_markup_in_its_metadata_gives_pixels_alone():
    image = noise(3)
    plain = encoded(image, "PNG")
    text = b"tEXtTitle\0<script>alert(1)</script>"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    marked = decode(plain[:33] + chunk + plain[33:])
    assert marked.info == {}
    assert marked.tobytes() == decode(plain).tobytes()
