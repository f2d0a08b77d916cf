"""Pictures with odd metadata, damage or colour profiles, as people really have them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from aireal.core.imagefile import decode
from helpers.images import SRGB, damaged_avif, encoded, noise, pixels, refused, swapped_profile, wide_picture


@pytest.fixture(scope="module")
def wide() -> Image.Image:
    return wide_picture()


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
    assert refused(damaged_avif(wide)).startswith("the image is damaged or cut off (")


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


@pytest.mark.people_have(
    "a JPEG cut off in the middle that a repair tool gave an end marker", "refused", "picture data are missing from row"
)
@pytest.mark.parametrize("lost", [b"", bytes(5000)], ids=["cut", "zeros"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_was_cut_and_ended_is_refused_with_the_row(wide, lost, mode):
    jpeg = encoded(wide.convert(mode), "JPEG", quality=90)
    assert "picture data are missing from row" in refused(jpeg[: len(jpeg) // 2] + lost + b"\xff\xd9")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(288, 192), (61, 47), (16, 16)])
def test_a_whole_jpeg_of_one_colour_or_with_a_white_border_is_read(size, mode, options):
    bordered = ImageOps.expand(noise(1).resize(size), 16, "white")
    for image in (Image.new("RGB", size, (90, 20, 200)), bordered):
        assert pixels(encoded(image.convert(mode), "JPEG", **options)).shape[1::-1] == image.size


def test_a_progressive_jpeg_cut_between_two_passes_is_refused(wide):
    jpeg = encoded(wide, "JPEG", progressive=True)
    assert "passes of detail are missing" in refused(jpeg[: jpeg.rfind(b"\xff\xc4")])


@pytest.mark.people_have("a PNG cut off in the middle", "refused", "only ... rows of ... are there")
def test_a_png_that_lacks_rows_is_refused_with_their_number(wide):
    png = encoded(wide, "PNG")
    assert "rows of 192 are there" in refused(png[: len(png) // 2])


def test_a_png_whose_packed_rows_end_early_is_refused_with_their_number():
    flat = encoded(Image.new("L", (4000, 500)), "PNG")
    header = struct.pack(">IIBBBBB", 4000, 1000, 8, 0, 0, 0, 0)
    taller = flat[:8] + chunk(b"IHDR", header) + flat[33:-20] + b"abcd" + flat[-16:]
    assert "only 500 rows of 1000 are there" in refused(taller)


@pytest.mark.people_have("a PNG or GIF that lacks its last bytes", "read", "all rows are there")
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
