"""HEIC, and files that only look like pictures: RAW, other formats, web pages, pointers, pipes."""

from __future__ import annotations

import io
import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aireal.core import imagefile
from aireal.core.imagefile import ImageError, open_rgb, open_stored, read_bytes, readable_suffixes
from aireal.core.picture_files import find_images
from helpers.images import encoded, pixels, refused, swapped_profile, wide_picture, write


@pytest.fixture(scope="module")
def wide() -> Image.Image:
    return wide_picture()


@pytest.fixture
def heic(wide):
    heif = pytest.importorskip("pillow_heif")

    def encode(image: Image.Image = wide, **options) -> bytes:
        buffer = io.BytesIO()
        heif.from_pillow(image).save(buffer, quality=95, chroma=444, **options)
        return buffer.getvalue()

    return encode


@pytest.mark.people_have("a photo of an iPhone (HEIC)", "read", "with pillow-heif, which `make app` installs")
def test_a_heic_is_read(wide, heic):
    assert np.abs(pixels(heic()).astype(int) - np.asarray(wide)).mean() < 4


@pytest.mark.parametrize("name", ["photo.heic", "photo.HEIF", "photo.jpg"])
def test_a_heic_is_read_whatever_its_name(tmp_path, heic, name):
    assert open_rgb(write(tmp_path / name, heic())).size == (288, 192)


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_a_heic_is_turned_upright_once(wide, heic, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    ways = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    upright = wide.transpose(ways[turned]) if turned in ways else wide
    assert np.abs(pixels(heic(exif=exif.tobytes())).astype(int) - np.asarray(upright)).mean() < 6


def test_the_profile_of_a_heic_is_applied(heic):
    red = Image.new("RGB", (64, 64), (220, 30, 30))
    red.info["icc_profile"] = swapped_profile()
    assert pixels(heic(red))[5, 5, 2] > 200


@pytest.mark.people_have("a damaged HEIC", "refused", "the image is damaged or cut off (...)")
def test_a_damaged_heic_is_one_sentence(heic):
    assert "damaged or cut off" in refused(heic()[:-300])


@pytest.mark.people_have("a HEIC where pillow-heif is not installed", "refused", "run `pip install pillow-heif`")
def test_without_the_library_a_heic_is_refused_with_the_cure(monkeypatch):
    monkeypatch.setattr("aireal.core.decoding.kinds.reads_heif", lambda: False)
    assert "pip install pillow-heif" in refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300))


def test_the_page_asks_for_heic_only_where_it_is_read(monkeypatch):
    monkeypatch.setattr(imagefile, "reads_heif", lambda: False)
    assert ".heic" not in readable_suffixes()


DNG = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI4s", 50706, 1, 4, b"\1\4\0\0") + bytes(400)
NEF = (
    b"MM\0*\0\0\0\x08\0\x02"
    + struct.pack(">HHIHH", 262, 3, 1, 32803, 0)
    + struct.pack(">HHII", 254, 4, 1, 1)
    + bytes(400)
)


@pytest.mark.people_have("a camera's RAW file", "refused", "export it as JPEG or TIFF first")
@pytest.mark.parametrize(
    "data",
    [
        DNG,
        NEF,
        b"II*\0\x10\0\0\0CR\x02\0" + bytes(99),
        b"FUJIFILMCCD-RAW " + bytes(99),
        b"\0\0\0\x18ftypcrx " + bytes(99),
    ],
    ids=["DNG", "NEF", "CR2", "RAF", "CR3"],
)
def test_a_raw_file_is_refused_by_name(data):
    assert "camera's RAW file" in refused(data)


NAMED = {
    "JPEG XL": (b"\xff\x0a" + bytes(50), "JPEG XL"),
    "JPEG XL in its container": (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a" + bytes(50), "JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a" + bytes(50), "JPEG 2000"),
    "Photoshop": (b"8BPS\0\1" + bytes(50), "Photoshop"),
    "icon": (b"\0\0\1\0\1\0" + bytes(50), "icon"),
    "PPM": (b"P6\n64 64\n255\n" + bytes(64 * 64 * 3), "PPM"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n", "EPS"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "PDF": (b"%PDF-1.7\n", "PDF"),
    "ZIP": (b"PK\x03\x04" + bytes(50), "ZIP"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(50), "video"),
    "macOS companion": (b"\0\5\x16\7" + bytes(200), "companion file"),
}


@pytest.mark.people_have("a picture or file of another format, called .jpg", "refused", "by the name of its format")
@pytest.mark.parametrize("data, name", NAMED.values(), ids=NAMED)
def test_another_format_is_refused_by_name(data, name):
    assert name in refused(data)


@pytest.mark.people_have("a Git LFS pointer called .jpg", "refused", "run `git lfs pull`")
def test_a_pointer_of_git_lfs_is_called_so():
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 123456\n"
    assert "Git LFS pointer, not a picture; run `git lfs pull`" in refused(pointer)


PAGES = [
    b"<!DOCTYPE html><html><body>429 Too Many Requests</body></html>",
    b"\n\n  <HTML><head></head></HTML>",
    b"\xef\xbb\xbf<!doctype html>",
    "<html>로그인</html>".encode("utf-16"),
    b"<!-- blocked --><html></html>",
    b"<script>location='/login'</script>",
    b"<!-- blocked --><!DOCTYPE html>",
]


@pytest.mark.people_have("a web page called .jpg", "refused", "this is a web page, not a picture")
@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_is_called_so(page):
    assert "this is a web page, not a picture" in refused(page)


TEXTS = [b'{"error": "403 Forbidden"}', b"Not found", b"data:image/jpeg;base64,/9j/4AAQ", "권한이 없습니다\n".encode()]


@pytest.mark.people_have(
    "a server's message as JSON or plain text, called .jpg",
    "refused",
    "no image that can be read, but text, such as the message of a server",
)
@pytest.mark.parametrize("text", [*TEXTS, "로그인".encode("utf-16")])
def test_a_text_file_is_called_so(text):
    assert "no image that can be read, but text, such as the message of a server" in refused(text)


@pytest.mark.parametrize("data", [bytes(range(256)) * 9, b"\x93NUMPY\x01\0v\0", b"abc\xff\xfe" * 50])
def test_other_bytes_are_not_called_a_text(data):
    assert "no image that can be read (JPEG" in refused(data)


@pytest.mark.people_have(
    "a file of zeros, as a broken download or disk leaves it", "refused", "the file holds nothing but zeros"
)
def test_a_file_of_zeros_is_called_so():
    assert "nothing but zeros" in refused(bytes(5000))


@pytest.mark.people_have("a PNG that was transferred as text", "refused", "transfer it again, as binary data")
@pytest.mark.parametrize("change", [(b"\r\n", b"\n"), (b"\n", b"\r\n"), (b"\x89", b"\t"), (b"\x89", "\ufffd".encode())])
def test_a_png_that_was_transferred_as_text_is_called_so(wide, change):
    assert "damaged by a transfer as text" in refused(encoded(wide, "PNG").replace(*change))


@pytest.mark.people_have(
    "a git-annex or DataLad clone whose pictures were not fetched", "refused", "run `git annex get`"
)
def test_a_link_of_git_annex_is_called_so(tmp_path):
    (tmp_path / "cat.jpg").symlink_to("../.git/annex/objects/Gp/SHA256E-s9--ab.jpg")
    (found,) = find_images([tmp_path])
    with pytest.raises(ImageError, match="run `git annex get`"):
        read_bytes(found)


@pytest.mark.fault(
    "files",
    "a link whose picture has gone",
    "this is a link to ..., which does not exist; copy the picture itself",
    "the other pictures go on",
)
@pytest.mark.people_have("a link to a picture that has gone", "refused", "this is a link to ..., which does not exist")
def test_a_broken_link_is_called_so(tmp_path):
    (tmp_path / "cat.jpg").symlink_to("/gone/cat.jpg")
    (found,) = find_images([tmp_path])
    with pytest.raises(ImageError, match="a link to /gone/cat.jpg, which does not exist"):
        read_bytes(found)


@pytest.mark.people_have("PostScript called .jpg", "refused", "without a start of Ghostscript")
def test_no_program_is_started_for_postscript(tmp_path, monkeypatch):
    marker, program = tmp_path / "started", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    refused(NAMED["EPS"][0])
    assert not marker.exists()


def test_a_long_comment_in_a_gif_costs_nothing(wide):
    gif = encoded(wide, "GIF")
    place = 13 + (3 << (gif[10] & 7) + 1)
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 20_000 + b"\0"
    assert open_stored(gif[:place] + comment + gif[place:]).size == (288, 192)


@pytest.mark.people_have(
    "a small JPEG that asks for hours of work", "refused", "the JPEG asks for more than 200 passes"
)
def test_a_jpeg_with_thousands_of_passes_is_refused(wide):
    jpeg = encoded(wide, "JPEG", progressive=True)
    last = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    assert "more than 200 passes" in refused(jpeg[:-2] + last * 1000 + jpeg[-2:])


@pytest.mark.fault(
    "files",
    "a pipe in place of a picture, which would never end",
    "this is no regular file; give the file of a picture",
    "the other pictures go on",
)
@pytest.mark.people_have("a pipe or a device instead of a file", "refused", "this is no regular file")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="no regular file"):
        read_bytes(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("path", ["x" * 5000 + ".jpg", "a\0b.jpg"])
def test_a_name_that_no_file_can_have_is_one_sentence(path):
    with pytest.raises(ImageError):
        read_bytes(Path(path))


def test_a_file_larger_than_any_picture_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(imagefile, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match="more than a picture"):
        read_bytes(write(tmp_path / "disk.jpg", bytes(11)))
