"""Pictures, and files that only look like pictures, as people really have them."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from aireal.core import imagefile
from aireal.core.imagefile import ImageError, decode, open_rgb, open_stored, read_bytes, readable_suffixes
from helpers.images import encoded, write

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def wide(request) -> Image.Image:
    """288×192 px, so that a turned picture has other sides."""
    cells = np.random.default_rng(0).integers(0, 255, (24, 36, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((288, 192), Image.Resampling.BICUBIC)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))


def refused(data: bytes) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data)
    return str(raised.value)


def chunk(name: bytes, content: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content) ^ wrong)


def with_chunk(png: bytes, *chunks: bytes) -> bytes:
    return png[:33] + b"".join(chunks) + png[33:]


def tiff_block(*entries: bytes, tail: bytes = b"") -> bytes:
    """An EXIF block with orientation 6 and further entries."""
    entries = (struct.pack("<HHIHH", 0x112, 3, 1, 6, 0), *entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + tail


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    segment = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


UNWRITABLE = {
    "signed fraction": tiff_block(struct.pack("<HHII", 0x829A, 10, 1, 38), tail=struct.pack("<ii", -1, 0)),
    "wrong type": tiff_block(struct.pack("<HHI4s", 0x128, 2, 4, b"abc\0")),
    "value beyond the end": tiff_block(struct.pack("<HHII", 0x10F, 2, 500, 60_000)),
    "directory beyond the end": tiff_block(struct.pack("<HHII", 0x8769, 4, 1, 60_000)),
    "directory of itself": tiff_block(struct.pack("<HHII", 0x8769, 4, 1, 8)),
}


@pytest.mark.people_have("a photo with EXIF that cannot be written back", "read", "turned upright like any photo")
@pytest.mark.parametrize("block", UNWRITABLE.values(), ids=UNWRITABLE)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_odd_exif_does_not_stop_a_photo(wide, form, block):
    plain = encoded(wide, form, **({"lossless": True} if form == "WEBP" else {}))
    odd = with_exif(plain, block) if form == "JPEG" else encoded(wide, form, exif=b"Exif\0\0" + block)
    assert decode(odd).size == (192, 288)


@pytest.mark.people_have("a JPEG whose EXIF is no EXIF at all", "read", "as it is stored")
@pytest.mark.parametrize("block", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"garbage" * 20])
def test_broken_exif_leaves_a_photo_as_it_is(wide, block):
    jpeg = encoded(wide, "JPEG")
    assert (pixels(with_exif(jpeg, block)) == pixels(jpeg)).all()


@pytest.mark.people_have("a TIFF with tags that nobody understands", "read", "the picture; its tags are passed over")
def test_odd_tags_do_not_stop_a_tiff(wide):
    tags = {305: "a program", 33432: "somebody", 65000: b"x" * 5000}
    odd = encoded(wide, "TIFF", tiffinfo=tags).replace(struct.pack("<HH", 305, 2), struct.pack("<HH", 305, 10))
    assert (pixels(odd) == np.asarray(wide)).all()


LONG = '{"nodes":"' + "x" * 1_500_000 + '"}'


def long_text(method: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    getattr(info, method)("workflow", LONG, zip=True)
    return info


@pytest.mark.people_have(
    "a PNG with a workflow or prompt of more than 1 MB", "read", "the picture; its text is skipped"
)
@pytest.mark.parametrize("method", ["add_text", "add_itxt"])
def test_a_png_with_a_long_text_is_read(wide, method):
    assert (pixels(encoded(wide, "PNG", pnginfo=long_text(method))) == np.asarray(wide)).all()


@pytest.mark.people_have("a PNG with a colour profile of more than 1 MB", "read", "with the profile, if it is one")
def test_a_png_with_a_large_profile_is_read(wide):
    assert (pixels(encoded(wide, "PNG", icc_profile=bytes(2_000_000))) == np.asarray(wide)).all()


def test_a_text_that_unpacks_to_a_gigabyte_costs_nothing(wide):
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))
    assert (pixels(with_chunk(encoded(wide, "PNG"), *[bomb] * 20)) == np.asarray(wide)).all()


@pytest.mark.people_have("a damaged AVIF", "refused", "the image is damaged or cut off (...)")
def test_a_damaged_avif_is_one_sentence(wide):
    avif = bytearray(encoded(wide, "AVIF", quality=80))
    start = avif.find(b"mdat") + 4
    avif[start : start + 16] = bytes(16)
    assert refused(bytes(avif)).startswith("the image is damaged or cut off (")


@pytest.mark.people_have("a JPEG without its end marker", "read", "all rows are there")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_read(wide, options, missing):
    jpeg = encoded(wide, "JPEG", quality=90, **options)
    assert (pixels(jpeg[:-missing]) == pixels(jpeg)).all()


def test_a_turned_jpeg_that_lacks_its_end_is_turned(wide):
    jpeg = with_exif(encoded(wide, "JPEG"), tiff_block())
    assert decode(jpeg[:-2]).size == (192, 288)


@pytest.mark.people_have("a JPEG cut off in the middle", "refused", "picture data are missing from row ... of ... on")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_a_jpeg_that_lacks_rows_is_refused_with_their_number(wide, options):
    jpeg = encoded(wide, "JPEG", quality=90, **options)
    assert "picture data are missing from row" in refused(jpeg[: len(jpeg) * 3 // 4])


def test_a_progressive_jpeg_cut_between_two_passes_is_refused(wide):
    jpeg = encoded(wide, "JPEG", progressive=True)
    assert "passes of detail are missing" in refused(jpeg[: jpeg.rfind(b"\xff\xc4")])


@pytest.mark.people_have("a PNG cut off in the middle", "refused", "only ... rows of ... are there")
def test_a_png_that_lacks_rows_is_refused_with_their_number(wide):
    png = encoded(wide, "PNG")
    assert "rows of 192 are there" in refused(png[: len(png) // 2])


@pytest.mark.people_have("a PNG, GIF or BMP that lacks its last bytes", "read", "all rows are there")
@pytest.mark.parametrize("form, missing", [("PNG", 12), ("PNG", 16), ("GIF", 1)])
def test_what_lacks_only_its_end_is_read(wide, form, missing):
    whole = encoded(wide, form)
    assert (pixels(whole[:-missing]) == pixels(whole)).all()


@pytest.mark.people_have("a WebP cut off within its metadata", "read", "the picture is all there")
def test_a_webp_cut_off_behind_its_picture_is_read(wide):
    whole = encoded(wide, "WEBP", lossless=True, exif=b"Exif\0\0" + tiff_block(tail=bytes(400)))
    assert decode(whole[:-200]).size == (192, 288)


def test_a_webp_cut_off_within_its_picture_is_refused_with_its_bytes(wide):
    whole = encoded(wide, "WEBP")
    assert f"{len(whole) - 50} of {len(whole)} bytes are there" in refused(whole[:-50])


@pytest.mark.people_have("a PNG with a wrong checksum beside the picture", "read", "the damaged chunk is passed over")
@pytest.mark.parametrize("name", [b"tEXt", b"pHYs", b"iCCP", b"tRNS", b"eXIf", b"gAMA", b"cHRM", b"tIME"])
def test_a_wrong_checksum_beside_the_picture_is_passed_over(wide, name):
    odd = with_chunk(encoded(wide, "PNG"), chunk(name, b"a\0b", wrong=1))
    assert (pixels(odd) == np.asarray(wide)).all()


@pytest.mark.parametrize("name", [b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tRNS", b"zTXt", b"acTL", b"fcTL"])
def test_an_ancillary_chunk_with_nonsense_is_passed_over(wide, name):
    assert (pixels(with_chunk(encoded(wide, "PNG"), chunk(name, b""))) == np.asarray(wide)).all()


def swapped_profile() -> bytes:
    """An sRGB profile that swaps red and blue, so that its absence is plain."""
    profile = bytearray(SRGB)
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def red_files() -> dict[str, bytes]:
    red, profile = Image.new("RGB", (64, 64), (220, 30, 30)), {"icc_profile": swapped_profile()}
    holed = red.convert("RGBA")
    holed.putpixel((0, 0), (0, 0, 0, 0))
    palette = red.convert("P", palette=Image.Palette.ADAPTIVE)
    return {
        "PNG RGB": encoded(red, "PNG", **profile),
        "PNG RGBA": encoded(red.convert("RGBA"), "PNG", **profile),
        "PNG with a hole": encoded(holed, "PNG", **profile),
        "PNG palette": encoded(palette, "PNG", **profile),
        "PNG palette with transparency": encoded(palette, "PNG", transparency=9, **profile),
        "PNG one transparent colour": encoded(red, "PNG", transparency=(1, 2, 3), **profile),
        "WebP with a hole": encoded(holed, "WEBP", lossless=True, **profile),
        "WebP": encoded(red, "WEBP", lossless=True, **profile),
        "TIFF RGBA": encoded(red.convert("RGBA"), "TIFF", **profile),
        "TIFF": encoded(red, "TIFF", **profile),
        "JPEG": encoded(red, "JPEG", quality=98, subsampling=0, **profile),
        "AVIF with a hole": encoded(holed, "AVIF", quality=100, subsampling="4:4:4", **profile),
    }


@pytest.mark.people_have("a screenshot of a Mac (Display P3, with transparency)", "read", "with its colour profile")
@pytest.mark.parametrize("data", red_files().values(), ids=red_files())
def test_a_profile_is_applied_in_every_mode(data):
    assert np.abs(pixels(data)[40, 40].astype(int) - (30, 30, 220)).max() <= 6


def test_gray_with_a_colour_profile_keeps_its_brightness():
    gray = Image.new("LA", (32, 32), (100, 255))
    assert np.abs(pixels(encoded(gray, "PNG", icc_profile=SRGB)).astype(int) - 100).max() <= 1


@pytest.mark.people_have("a colour picture with a profile for gray or for printing inks", "read", "without the profile")
def test_a_profile_for_other_colours_is_ignored(wide):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert (pixels(encoded(wide, "PNG", icc_profile=lab)) == np.asarray(wide)).all()


@pytest.fixture
def heic(wide):
    heif = pytest.importorskip("pillow_heif")

    def encode(image: Image.Image = wide, **options) -> bytes:
        buffer = io.BytesIO()
        heif.from_pillow(image).save(buffer, quality=90, **options)
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
    with_orientation = wide.copy()
    with_orientation.info["exif"] = exif.tobytes()
    expected = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    upright = wide.transpose(expected[turned]) if turned in expected else wide
    assert np.abs(pixels(heic(with_orientation, exif=exif.tobytes())).astype(int) - np.asarray(upright)).mean() < 6


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
]


@pytest.mark.people_have("a web page called .jpg", "refused", "this is a web page, not a picture")
@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_is_called_so(page):
    assert "this is a web page, not a picture" in refused(page)


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
