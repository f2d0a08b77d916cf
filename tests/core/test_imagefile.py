"""Whatever people call an image is opened, or refused with one sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from aireal.core import imagefile
from aireal.core.imagefile import DATASET_QUALITY, ImageError, decode, encode_for_dataset, open_rgb, reencode
from helpers.images import encoded, write


@pytest.mark.parametrize(
    "form, mode",
    [
        ("PNG", "RGBA"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
        ("TIFF", "RGB"),
        ("WEBP", "RGB"),
        ("BMP", "RGB"),
    ],
)
def test_every_usual_form_becomes_rgb_of_the_same_size(photograph, form, mode):
    image = decode(encoded(photograph.convert(mode), form))
    assert image.mode == "RGB"
    assert image.size == photograph.size
    if mode in ("RGBA", "CMYK", "RGB"):
        assert np.abs(np.asarray(image, float) - np.asarray(photograph, float)).mean() < 8


def test_transparent_pixels_turn_white():
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    assert np.asarray(decode(encoded(image, "PNG"))).min() == 255


def test_sixteen_bit_gray_keeps_its_brightness():
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    gray = np.asarray(decode(encoded(Image.fromarray(ramp), "PNG")))[..., 0]
    assert np.abs(gray - ramp / 257).max() <= 1


def test_exif_turns_the_picture_upright(photograph):
    wide = photograph.crop((0, 0, 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    assert decode(encoded(wide, "JPEG", exif=exif)).size == (100, 200)


def test_another_colour_space_is_converted():
    image = Image.new("RGB", (32, 32), (200, 40, 40))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    plain = np.asarray(decode(encoded(image, "PNG")))
    broken = np.asarray(decode(encoded(image, "PNG", icc_profile=b"not a profile")))
    assert (plain == broken).all(), "a broken profile is ignored, not fatal"
    assert profile.profile is not None


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    image = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert np.asarray(image)[0, 0, 0] > 200


@pytest.mark.parametrize(
    "content, message",
    [(b"", "empty"), (b"just text, no image", "but text"), (b"\x89PNG\r\n\x1a\n" + b"0" * 40, "no image|damaged")],
)
def test_what_is_no_image_is_one_sentence(tmp_path, content, message):
    with pytest.raises(ImageError, match=message) as raised:
        open_rgb(write(tmp_path / "사진.jpg", content))
    assert "\n" not in str(raised.value)


def test_a_file_cut_off_in_the_middle_is_named_so(tmp_path, photograph):
    content = encoded(photograph, "JPEG", quality=95)
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_rgb(write(tmp_path / "half.jpg", content[: len(content) // 2]))


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(imagefile, "MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="megapixels"):
        decode(encoded(Image.new("L", (64, 64)), "PNG"))


def test_missing_folder_and_tiny(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        open_rgb(tmp_path / "none.png")
    with pytest.raises(ImageError, match="folder"):
        open_rgb(tmp_path)
    with pytest.raises(ImageError, match="at least"):
        decode(encoded(Image.new("RGB", (8, 8)), "PNG"))


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"BM", b"II*\x00"]),
)
def test_no_bytes_whatever_raise_anything_but_image_error(content, start):
    try:
        decode(start + content)
    except ImageError:
        pass


def test_reencoding_gives_what_a_file_would(photograph):
    assert (np.asarray(reencode(photograph, "PNG")) == np.asarray(photograph)).all()
    through_file = Image.open(io.BytesIO(encoded(photograph, "JPEG", quality=60)))
    assert (np.asarray(reencode(photograph, "JPEG", quality=60)) == np.asarray(through_file)).all()


def test_a_dataset_jpeg_has_one_quality_and_no_metadata(photograph):
    photograph.info["exif"] = b"Exif\0\0"
    with Image.open(io.BytesIO(encode_for_dataset(photograph))) as stored:
        reference = Image.open(io.BytesIO(encoded(Image.new("RGB", (16, 16)), "JPEG", quality=DATASET_QUALITY)))
        assert stored.quantization == reference.quantization
        assert len(stored.getexif()) == 0
