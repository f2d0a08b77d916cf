"""Photograph and round trip of a pair are alike in size, encoding, mean and contrast."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, JpegImagePlugin

from aireal.core.imagefile import ImageError, decode
from aireal.dataset.align.file_encoding import read_encoding
from aireal.dataset.align.pair import MARGIN, Photograph, block_means, finished_pair, matched, padded_round_trip
from aireal.dataset.align.webp import lossy_frame, quality_of, quantiser
from helpers.align import Blur
from helpers.images import encoded

JPEG = [
    {"quality": 91, "subsampling": "4:4:4"},
    {"quality": 60, "subsampling": "4:2:0"},
    {"quality": 75, "subsampling": "4:2:2", "progressive": True},
]


def pair_of(content: bytes) -> tuple[Image.Image, Image.Image]:
    """Both files of the pair of a file, opened."""
    photo = Photograph.read(content)
    painted = padded_round_trip(Blur(), photo.pixels[None])[0]
    return tuple(Image.open(io.BytesIO(file)) for file in finished_pair(photo, painted))


@pytest.mark.parametrize("options", JPEG, ids=str)
def test_a_jpeg_gives_its_tables_and_subsampling_to_both(photograph, options):
    content = encoded(photograph, "JPEG", **options)
    original = Image.open(io.BytesIO(content))
    for picture in pair_of(content):
        assert picture.quantization == original.quantization
        assert JpegImagePlugin.get_sampling(picture) == JpegImagePlugin.get_sampling(original)
        assert picture.info.get("progressive") == original.info.get("progressive")


@settings(max_examples=25, deadline=None)
@given(quality=st.integers(20, 100), method=st.sampled_from([0, 4, 6]))
def test_the_quality_that_is_found_repeats_the_quantiser_of_a_webp(coarse_noise, quality, method):
    content = encoded(coarse_noise, "WEBP", quality=quality, method=method, icc_profile=b"VP8 " * 20)
    frame, picture = lossy_frame(content), decode(content)
    again = encoded(picture, "WEBP", quality=quality_of(frame, picture))
    assert abs(quantiser(lossy_frame(again)) - quantiser(frame)) <= 2


@pytest.fixture(scope="module")
def coarse_noise() -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return coarse.resize((128, 96), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("quality", [40, 70, 90])
def test_a_webp_gives_its_quantiser_to_both(photograph, quality):
    content = encoded(photograph, "WEBP", quality=quality)
    photo = Photograph.read(content)
    real, fake = (quantiser(lossy_frame(file)) for file in finished_pair(photo, photo.pixels))
    assert abs(real - quantiser(lossy_frame(content))) <= 1
    assert abs(fake - real) <= 2


@pytest.mark.parametrize("form, options", [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_a_lossless_file_stays_lossless(photograph, form, options):
    real, fake = pair_of(encoded(photograph, form, **options))
    assert (np.asarray(real.convert("RGB")) == np.asarray(photograph)).all()
    assert real.format == fake.format == ("WEBP" if form == "WEBP" else "PNG")


def test_a_lossy_format_whose_settings_cannot_be_read_is_one_sentence(photograph):
    with pytest.raises(ImageError, match="lossy GIF cannot be read .* convert it to JPEG"):
        read_encoding(encoded(photograph, "GIF"))


def test_a_gray_photograph_has_a_gray_fake(photograph):
    real, fake = pair_of(encoded(photograph.convert("L"), "JPEG"))
    assert real.mode == fake.mode == "L"
    real, fake = pair_of(encoded(photograph.convert("L").convert("RGB"), "PNG"))
    assert real.mode == "RGB"
    assert (np.ptp(np.asarray(fake), axis=-1) == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_traces_of_an_encoding_lie_on_the_grid_of_the_turned_file(photograph, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encoded(photograph.crop((0, 0, 92, 69)), "JPEG", quality=30, exif=exif)
    photo = Photograph.read(content)
    again = photo.encoding.pass_through(photo.pixels).astype(int)
    assert again.shape == photo.pixels.shape
    assert np.abs(again - photo.pixels).mean() < 1, "an encoding changes nearly nothing the second time on its grid"


def test_metadata_stay_behind(photograph):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "camera"
    for picture in pair_of(encoded(photograph, "JPEG", exif=exif, comment=b"note")):
        assert not picture.getexif()
        assert "comment" not in picture.info


@settings(max_examples=25, deadline=None)
@given(height=st.integers(16, 70), width=st.integers(16, 70))
def test_any_size_is_kept_and_the_autoencoder_sees_multiples_of_eight(height, width):
    images = np.random.default_rng(height).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    blur = Blur()
    assert padded_round_trip(blur, images).shape == images.shape
    assert all(side % 8 == 0 and side >= 16 + 2 * MARGIN for side in blur.seen[0][1:3])


def test_padding_keeps_the_picture_in_its_place():
    class Same:
        multiple = 32

        def round_trip(self, images):
            return images

    images = np.random.default_rng(0).integers(0, 256, (1, 45, 61, 3), dtype=np.uint8)
    assert (padded_round_trip(Same(), images) == images).all()


def test_an_autoencoder_that_changes_the_size_is_one_sentence():
    class Half:
        def round_trip(self, images):
            return images[:, ::2, ::2]

    with pytest.raises(ValueError, match="must keep size and type"):
        padded_round_trip(Half(), np.zeros((1, 32, 32, 3), np.uint8))


def test_mean_and_contrast_of_each_channel_are_the_photographs(photograph):
    photo = np.asarray(photograph)[:100, :90]
    fake = (photo * [0.95, 0.97, 0.92] + [9, 2, 12]).astype(np.uint8)
    out, wanted = block_means(matched(fake, photo)), block_means(photo)
    assert np.abs(out.mean((0, 1)) - wanted.mean((0, 1))).max() < 0.7
    assert np.abs(out.std((0, 1)) - wanted.std((0, 1))).max() < 0.7
