"""Both classes get one encoding, and files that cannot be used are listed."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.images import damaged_avif, encoded, write
from helpers.importing import fill, items, left_out, picture, run_import


def test_both_classes_get_one_form_whatever_they_were(tmp_path, capsys):
    fill(tmp_path / "in/real", 0, 10, "{}.jpg", side=60)
    fill(tmp_path / "in/fake", 100, 10, "{}.png", side=90)
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    printed = capsys.readouterr().out
    assert "re-encoded, both classes the same way" in printed
    assert "real originals: JPEG 100%; short side 60 px" in printed
    assert "originals differ in format" in printed
    assert "originals differ in size" in printed
    forms = Counter()
    for item in items(tmp_path / "root"):
        data = (tmp_path / "root" / item.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == item.sha256
        with Image.open(tmp_path / "root" / item.path) as image:
            forms[
                image.format,
                image.size,
                image.mode,
                str(image.layer),
                str(image.quantization),
                len(image.getexif()),
                "icc_profile" in image.info,
            ] += 1
    assert len(forms) == 1
    assert next(iter(forms))[:3] == ("JPEG", (48, 48), "RGB")


def test_bytes_are_kept_on_request(tmp_path, capsys):
    fill(tmp_path / "in/real", 0, 10, "{}.JPG")
    fill(tmp_path / "in/fake", 100, 10, "{}.webp")
    assert run_import(tmp_path / "in", tmp_path / "root", "--keep-bytes") == 0
    assert "files are copied unchanged" in capsys.readouterr().out
    for item in items(tmp_path / "root"):
        assert (tmp_path / "root" / item.path).read_bytes() == (tmp_path / "in" / item.file).read_bytes()
        assert Path(item.path).suffix == Path(item.file).suffix.lower()


def test_odd_pictures_and_names_come_through(tmp_path):
    base = picture(1, 64)
    split = Image.new("RGB", (64, 64), "red")
    split.paste((0, 0, 255), (0, 0, 64, 32))  # blue above red
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: blue comes to the right
    alpha = picture(2, 64).convert("RGBA")
    alpha.putalpha(Image.fromarray(np.tile(np.array([0] * 32 + [255] * 32, np.uint8), (64, 1))))
    deep = Image.fromarray(np.asarray(picture(3, 64).convert("L"), dtype=np.uint16) * 257)
    originals = {
        "turned.jpg": encoded(split, "JPEG", quality=95, exif=exif),
        "고양이 사진 (1).png": encoded(base.quantize(64), "PNG"),
        "cmyk & more.jpg": encoded(picture(4, 64).convert("CMYK"), "JPEG"),
        "16 bit.png": encoded(deep, "PNG"),
        "ünïcode.PNG": encoded(alpha, "PNG"),
        "wide.tif": encoded(picture(5, 64).resize((96, 48)), "TIFF"),
        "gray.gif": encoded(picture(6, 64).convert("L"), "GIF"),
        'comma, "quote".bmp': encoded(picture(7, 64), "BMP"),
    }
    for name, data in originals.items():
        write(tmp_path / "in" / "0_real" / name, data)
    fill(tmp_path / "in/1_fake", 100, len(originals), "a {}.png")
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    imported = {
        Path(i.file).name: Image.open(tmp_path / "root" / i.path) for i in items(tmp_path / "root") if i.label == 0
    }
    assert imported.keys() == originals.keys()
    turned = np.asarray(imported["turned.jpg"], dtype=int)
    assert turned[24, 40, 2] > 200
    assert turned[24, 8, 0] > 200, "blue on the right, red on the left"
    imported_deep = np.asarray(imported["16 bit.png"].convert("L"), dtype=int)
    assert abs(imported_deep - np.asarray(picture(3, 64).convert("L").resize((48, 48)), dtype=int)).mean() < 6
    assert np.asarray(imported["ünïcode.PNG"])[:, :20].min() > 240, "transparency is white"


@pytest.mark.fault(
    "files",
    "broken files in a folder that is imported",
    "a list of what was left out, with reasons",
    "the rest is imported",
)
def test_broken_files_are_listed_and_the_rest_goes_on(plain, tmp_path, capsys):
    write(plain / "0_real/empty.png", b"")
    write(plain / "0_real/text.jpg", b"no image")
    write(plain / "0_real/damaged.avif", damaged_avif(picture(3, 64)))
    whole = (plain / "1_fake/100.png").read_bytes()
    write(plain / "1_fake/cut off.png", whole[: len(whole) // 2])
    assert run_import(plain, tmp_path / "root") == 1
    assert "not usable: 4 files" in capsys.readouterr().out
    assert {name: reason.split(";")[0][:20] for name, reason in left_out(tmp_path / "root").items()} == {
        "0_real/empty.png": "the file is empty (0",
        "0_real/damaged.avif": "the image is damaged",
        "0_real/text.jpg": "the file is no image",
        "1_fake/cut off.png": "the image is damaged",
    }
    assert len(items(tmp_path / "root")) == 40


def test_nothing_usable_is_one_sentence(tmp_path, capsys):
    for name in ("real", "fake"):
        write(tmp_path / "in" / name / "a.png", b"text")
    assert run_import(tmp_path / "in", tmp_path / "root") == 2
    assert "not one of the 2 pictures could be used (fake/a.png: the file is no image" in capsys.readouterr().err
