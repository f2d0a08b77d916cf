"""Importing what people have: every layout becomes the same dataset root, and nothing is lost in silence."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aireal.config import DatasetRoot
from aireal.dataset.check import check
from aireal.dataset.importing.split import near
from helpers.images import encoded, write
from helpers.importing import bring, counts, fill, items, left_out, picture, tree

# layouts


def test_cifake_keeps_its_test_and_gives_val_from_train(tmp_path, capsys):
    for k, (part, label, count) in enumerate(
        [("train", "REAL", 24), ("train", "FAKE", 24), ("test", "REAL", 6), ("test", "FAKE", 6)]
    ):
        fill(tmp_path / "cifake" / part / label, 100 * k, count, "{:04d} (10).jpg", side=32)
    assert bring(tmp_path / "cifake", tmp_path / "root") == 0
    said = capsys.readouterr().out
    assert "CIFAKE layout (32×32): 4 folders, 60 pictures" in said and "test/FAKE (6)" in said
    assert "Lanczos to 48×48 px" in said and "100% enlarged" in said and "test split is kept" in said
    assert counts(tmp_path / "root") == {
        ("train", 0): 21,
        ("train", 1): 21,
        ("val", 0): 3,
        ("val", 1): 3,
        ("test", 0): 6,
        ("test", 1): 6,
    }
    for item in items(tmp_path / "root"):
        assert (
            item.file.startswith("test/") == (item.split == "test")
            and item.file.endswith("(10).jpg")
            and item.package == "cifake"
        )
        assert ("REAL" in item.file) == (item.label == 0)
        assert item.path.startswith("test/" if item.split == "test" else "data/train/")
    assert check(DatasetRoot.at(tmp_path / "root")).problems == []


def test_genimage_names_the_generator_and_its_val_is_the_test(tmp_path, capsys):
    for k, generator in enumerate(["stable_diffusion_v_1_4/imagenet_ai_0419", "BigGAN"]):
        for m, part in enumerate(["train", "val"]):
            fill(tmp_path / "GenImage" / generator / part / "ai", 400 * k + 100 * m, 10)
            fill(tmp_path / "GenImage" / generator / part / "nature", 400 * k + 100 * m + 50, 10)
    assert bring(tmp_path / "GenImage", tmp_path / "root") == 0
    said = capsys.readouterr().out
    assert (
        "GenImage layout: 8 folders, 80 pictures" in said
        and "generators: BigGAN (20), stable_diffusion_v_1_4 (20)" in said
    )
    assert "its val is the test split" in said
    for item in items(tmp_path / "root"):
        assert ("/val/" in item.file) == (item.split == "test")
        assert item.generator == (item.file.split("/")[0] if item.label else "")
    assert counts(tmp_path / "root")["test", 1] == 20 and counts(tmp_path / "root")["val", 1] > 0


def test_bare_ai_and_nature_take_the_generator_from_the_source(tmp_path):
    fill(tmp_path / "Midjourney/ai", 0, 10)
    fill(tmp_path / "Midjourney/nature", 100, 10)
    assert bring(tmp_path / "Midjourney", tmp_path / "root") == 0
    assert {(i.label, i.generator) for i in items(tmp_path / "root")} == {(0, ""), (1, "Midjourney")}


@pytest.mark.parametrize(
    "folders, layout, generators",
    [
        (["0_real", "1_fake"], "class folders: 2 folders", {""}),
        (["Real", "FAKE"], "class folders: 2 folders", {""}),
        (["airplane/0_real", "airplane/1_fake", "train/0_real", "train/1_fake"], "ForenSynths layout: 4 folders", {""}),
        (
            ["progan/cat/0_real", "progan/cat/1_fake", "stargan/x/0_real", "stargan/x/1_fake"],
            "ForenSynths layout: 4 folders",
            {"progan", "stargan"},
        ),
        (
            ["Train/real", "Train/fake", "Valid/real", "Valid/fake", "test/real", "test/fake"],
            "class folders: 6 folders",
            {""},
        ),
        (["real/training", "fake/training", "real/testing", "fake/testing"], "class folders: 2 folders", {""}),
    ],
)
def test_folders_whose_names_tell_the_class(tmp_path, capsys, folders, layout, generators):
    for k, folder in enumerate(folders):
        fill(tmp_path / "in" / folder, 100 * k, 10)
    write(tmp_path / "in" / "notes.txt", b"hello")
    write(tmp_path / "in" / "__MACOSX" / "0_real" / "._1.png", b"junk of an archive")
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    said = capsys.readouterr().out
    assert layout in said and f"{10 * len(folders)} pictures" in said and "*.txt (1)" in said
    found = items(tmp_path / "root")
    assert len(found) == 10 * len(folders) and {i.generator for i in found if i.label} == generators
    for item in found:
        assert item.label == ("fake" in item.file.casefold())
        for word, split in (("test", "test"), ("Valid", "val")):
            assert (word in item.file) == (item.split == split) or not any(word in f for f in folders)
    assert {i.split for i in found} == {"train", "val", "test"}


def test_what_the_folders_above_name_can_be_said(tmp_path):
    for k, folder in enumerate(["biggan/0_real", "biggan/1_fake"]):
        fill(tmp_path / "in" / folder, 100 * k, 6)
    assert bring(tmp_path / "in", tmp_path / "root", "--above", "generator") == 0
    assert {i.generator for i in items(tmp_path / "root") if i.label} == {"biggan"}


@pytest.mark.parametrize(
    "head, row, real, fake",
    [
        ("path,label", "{path},{label}", "0", "1"),
        ("Path, Label", "{path},{label}", "real", "FAKE"),
        ("label;path;split", "{label};{path};", "Real", "fake"),
        ("path\tlabel\tlicense", "{path}\t{label}\tMIT", "0_real", "1_fake"),
        ("path,label,generator", '"{path}",{label},"SDXL, 1.0"', "nature", "ai"),
    ],
)
def test_a_table_of_paths_and_labels(tmp_path, head, row, real, fake):
    fill(tmp_path / "pictures", 0, 20)
    lines = [row.format(path=f"pictures/{n}.png", label=fake if n % 2 else real) for n in range(20)]
    write(tmp_path / "list.csv", ("\ufeff" + "\r\n".join([head, *lines]) + "\r\n").encode())
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 0
    found = items(tmp_path / "root")
    assert len(found) == 20 and all(i.label == int(Path(i.file).stem) % 2 for i in found)
    assert {i.licence for i in found} == {"MIT" if "license" in head else ""}
    assert {i.generator for i in found} == {"SDXL, 1.0" if "generator" in head else ""}


def test_a_table_gives_splits_and_groups(tmp_path):
    fill(tmp_path, 0, 40)
    rows = ["path,label,split,group"]
    rows += [
        f"{n}.png,{n % 2},{'test' if n < 8 else 'train'},{'video' if n < 8 else 'g'} {n // 8}-{n % 2}"
        for n in range(40)
    ]
    write(tmp_path / "list.csv", "\n".join(rows).encode())
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 0
    splits: dict = {}
    for item in items(tmp_path / "root"):
        assert splits.setdefault(item.group, item.split) == item.split
        assert (int(Path(item.file).stem) < 8) == (item.split == "test")
    assert splits["video 0-0"] == "test" and {"train", "val"} <= set(splits.values()) and len(splits) == 10


@pytest.mark.parametrize(
    "text, says",
    [
        ("file,label\na.png,0\n", "has no column path, only file, label"),
        ("path,label\n0.png,maybe\n", "line 2: label 'maybe' is none of 0, 1, real, fake"),
        ("path,label,split\n0.png,0,dev\n", "line 2: split 'dev'"),
        ("path,label\n0.png,0\n,1\n", "line 3: there is no path"),
        ("path,label\n0.png,0\n", "only real"),
        ("path,label\n", "names no pictures"),
        ("", "has no column label and no column path"),
        ("path,label\n사진.png,0\n".encode("cp949"), "is not in UTF-8"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, capsys, text, says):
    write(tmp_path / "list.csv", text if isinstance(text, bytes) else text.encode())
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("aireal: ") and not (tmp_path / "root").exists()


def test_a_dataset_root_is_imported_by_its_manifest(small_root, tmp_path):
    before = {(i.path, i.split, i.group) for i in items(small_root.root)}
    assert bring(small_root.root, tmp_path / "again") == 0
    assert {(i.file, i.split, i.group) for i in items(tmp_path / "again")} == before


@pytest.mark.parametrize(
    "folders, says",
    [
        (
            ["cats", "dogs"],
            ["found no class folder", "cats/ (2)", "dogs/ (2)", "understood are: train/REAL", "ai and nature", ".csv"],
        ),
        (["real"], ["only real pictures, in real (2)", "understood are"]),
        (["real/fake", "fake"], ["ambiguous", "real/fake/", "rename"]),
        ([], ["found no class folder"]),
    ],
)
def test_a_layout_that_is_not_understood_is_one_sentence(tmp_path, capsys, folders, says):
    (tmp_path / "in").mkdir()
    for k, folder in enumerate(folders):
        fill(tmp_path / "in" / folder, 10 * k, 2)
    assert bring(tmp_path / "in", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert all(word in error for word in says) and error.count("\n") == 1 and not (tmp_path / "root").exists()


def test_what_is_no_source_is_one_sentence(tmp_path, capsys):
    write(tmp_path / "archive.zip", b"PK")
    for source, says in ((tmp_path / "nothing", "does not exist"), (tmp_path / "archive.zip", "unpacked first")):
        assert bring(source, tmp_path / "root") == 2
        assert says in capsys.readouterr().err


# what becomes of a picture


def test_both_classes_get_one_form_whatever_they_were(tmp_path, capsys):
    fill(tmp_path / "in/real", 0, 10, "{}.jpg", side=60)
    fill(tmp_path / "in/fake", 100, 10, "{}.png", side=90)
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    said = capsys.readouterr().out
    assert "re-encoded, both classes the same way" in said and "real originals: JPEG 100%; short side 60-60 px" in said
    assert "originals differ in format" in said and "originals differ in size" in said
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
    assert len(forms) == 1 and next(iter(forms))[:3] == ("JPEG", (48, 48), "RGB")


def test_bytes_are_kept_on_request(tmp_path, capsys):
    fill(tmp_path / "in/real", 0, 10, "{}.JPG")
    fill(tmp_path / "in/fake", 100, 10, "{}.webp")
    assert bring(tmp_path / "in", tmp_path / "root", "--keep-bytes") == 0
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
    odd = {
        "turned.jpg": encoded(split, "JPEG", quality=95, exif=exif),
        "고양이 사진 (1).png": encoded(base.quantize(64), "PNG"),
        "cmyk & more.jpg": encoded(picture(4, 64).convert("CMYK"), "JPEG"),
        "16 bit.png": encoded(deep, "PNG"),
        "ünïcode.PNG": encoded(alpha, "PNG"),
        "wide.tif": encoded(picture(5, 64).resize((96, 48)), "TIFF"),
        "gray.gif": encoded(picture(6, 64).convert("L"), "GIF"),
        'comma, "quote".bmp': encoded(picture(7, 64), "BMP"),
    }
    for name, data in odd.items():
        write(tmp_path / "in" / "0_real" / name, data)
    fill(tmp_path / "in/1_fake", 100, len(odd), "a {}.png")
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    found = {
        Path(i.file).name: Image.open(tmp_path / "root" / i.path) for i in items(tmp_path / "root") if i.label == 0
    }
    assert found.keys() == odd.keys()
    turned = np.asarray(found["turned.jpg"], dtype=int)
    assert turned[24, 40, 2] > 200 and turned[24, 8, 0] > 200, "blue on the right, red on the left"
    deep_got = np.asarray(found["16 bit.png"].convert("L"), dtype=int)
    assert abs(deep_got - np.asarray(picture(3, 64).convert("L").resize((48, 48)), dtype=int)).mean() < 6
    assert np.asarray(found["ünïcode.PNG"])[:, :20].min() > 240, "transparency is white"


def test_broken_files_are_listed_and_the_rest_goes_on(plain, tmp_path, capsys):
    write(plain / "0_real/empty.png", b"")
    write(plain / "0_real/text.jpg", b"no image")
    whole = (plain / "1_fake/100.png").read_bytes()
    write(plain / "1_fake/cut off.png", whole[: len(whole) // 2])
    assert bring(plain, tmp_path / "root") == 1
    assert "not usable: 3 files" in capsys.readouterr().out
    assert {name: reason.split(";")[0][:20] for name, reason in left_out(tmp_path / "root").items()} == {
        "0_real/empty.png": "the file is empty (0",
        "0_real/text.jpg": "the file is no image",
        "1_fake/cut off.png": "the image is damaged",
    }
    assert len(items(tmp_path / "root")) == 40


def test_a_table_with_missing_files_lists_them(tmp_path):
    fill(tmp_path, 0, 4)
    write(tmp_path / "list.csv", b"path,label\n0.png,0\n1.png,1\n2.png,0\n3.png,1\ngone.png,1\n")
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 1
    assert left_out(tmp_path / "root")["gone.png"].startswith("the file does not exist")


def test_nothing_usable_is_one_sentence(tmp_path, capsys):
    for name in ("real", "fake"):
        write(tmp_path / "in" / name / "a.png", b"text")
    assert bring(tmp_path / "in", tmp_path / "root") == 2
    assert "not one of the 2 pictures could be used" in capsys.readouterr().err


# groups and splits


def test_the_shares_are_met_and_the_seed_decides(plain, tmp_path):
    assert bring(plain, tmp_path / "a", "--shares", "0.5", "0.2", "0.3") == 0
    assert counts(tmp_path / "a") == {
        (s, label): n for s, n in (("train", 10), ("val", 4), ("test", 6)) for label in (0, 1)
    }
    assert bring(plain, tmp_path / "b", "--shares", "0.5", "0.2", "0.3", "--seed", "8") == 0
    assert {i.file: i.split for i in items(tmp_path / "a")} != {i.file: i.split for i in items(tmp_path / "b")}
    assert bring(plain, tmp_path / "c", "--shares", "0.5", "0.2", "0.3", "--workers", "7") == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "c")


def test_copies_and_look_alikes_stay_together(plain, tmp_path):
    rng = np.random.default_rng(5)
    for k in range(12):  # the same pixels in another file, and a scaled and compressed copy
        original = Image.open(plain / "0_real" / f"{k}.png")
        write(plain / "0_real" / f"copy-{rng.integers(10**9)}-of-{k}-.bmp", encoded(original, "BMP"))
        write(
            plain / "0_real" / f"small-{rng.integers(10**9)}-of-{k}-.jpg",
            encoded(original.resize((36, 36)), "JPEG", quality=80),
        )
    assert bring(plain, tmp_path / "root") == 0
    of = {}
    for item in (i for i in items(tmp_path / "root") if i.label == 0):
        stem = Path(item.file).stem
        of.setdefault(stem.split("-")[-2] if "-" in stem else stem, set()).add((item.group, item.split))
    assert len(of) == 20 and all(len(found) == 1 for found in of.values())
    assert len({split for found in of.values() for _, split in found}) == 3
    assert check(DatasetRoot.at(tmp_path / "root")).leaks == []


def test_a_copy_of_a_test_picture_is_left_out_of_train(tmp_path, capsys):
    for k, (part, label) in enumerate([("train", "real"), ("train", "fake"), ("test", "real"), ("test", "fake")]):
        fill(tmp_path / "in" / part / label, 100 * k, 10)
    write(tmp_path / "in/train/real/leak.bmp", encoded(picture(203), "BMP"))
    assert bring(tmp_path / "in", tmp_path / "root") == 0, "left out by design: no failure"
    assert "in another split: 1;" in capsys.readouterr().out and list(left_out(tmp_path / "root")) == [
        "train/real/leak.bmp"
    ]
    assert len([i for i in items(tmp_path / "root") if i.split == "test"]) == 20
    assert "leak" not in "".join(tree(tmp_path / "root")) and len(items(tmp_path / "root")) == 40


def test_one_picture_in_both_classes_is_said(plain, tmp_path, capsys):
    write(plain / "0_real/x.png", encoded(picture(105), "PNG"))
    assert bring(plain, tmp_path / "root") == 0
    assert "in both classes, pixel for pixel: 1;" in capsys.readouterr().out


def test_frames_of_a_film_stay_together_and_numbered_pictures_do_not(tmp_path):
    for label, first in (("0_real", 0), ("1_fake", 5000)):
        for clip in "abcdefgh":  # named as frames: together, whatever they show
            fill(tmp_path / "in" / label, first + ord(clip) * 10, 4, f"clip_{clip}_{{:06d}}.png")
        for shot in range(6):  # not named so, but alike
            scene = np.asarray(picture(first + 4000 + shot, 64))
            for frame in range(5):
                write(
                    tmp_path / "in" / label / f"DSC{shot}-{frame:02d}.png",
                    encoded(Image.fromarray(np.roll(scene, frame, 1)), "PNG"),
                )
        fill(tmp_path / "in" / label, first + 3000, 30, "img_{:04d}.png")
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    groups: dict = {}
    for item in items(tmp_path / "root"):
        folder, name = item.file.split("/")
        key = (folder, name[:6] if name.startswith("clip") else name.split("-")[0] if name.startswith("DSC") else name)
        groups.setdefault(key, set()).add((item.group, item.split))
    assert all(len(found) == 1 for found in groups.values())
    assert len({group for found in groups.values() for group, _ in found}) == len(groups) == 2 * (8 + 6 + 30)


def test_near_pairs_are_those_of_a_comparison_of_all():
    rng = np.random.default_rng(3)
    hashes = rng.integers(1, 2**63, 400, dtype=np.uint64)
    for k in range(60):  # neighbours at 1 to 8 bits
        flips = rng.choice(64, 1 + k % 8, replace=False).astype(np.uint64)
        hashes[k + 100] = hashes[k] ^ np.bitwise_or.reduce(np.uint64(1) << flips)
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    wanted = {(a, b) for a, b in zip(*np.nonzero(distance <= 6)) if a < b}
    assert {(min(p), max(p)) for p in zip(*(e.tolist() for e in near(hashes, 10)))} == wanted and len(wanted) == 46
    assert len(near(np.full(50, 12345, np.uint64), 10)[0]) == 0, "what so many share says nothing of any"


def test_pictures_that_say_nothing_do_not_fall_into_one_group(tmp_path):
    for label, shift in (("real", 0), ("fake", 60)):
        for n in range(30):
            write(
                tmp_path / "in" / label / f"plain_{n}.png",
                encoded(Image.new("RGB", (32, 32), (8 * n, 200, shift)), "PNG"),
            )
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    assert counts(tmp_path / "root")["test", 0] == 6 and len({i.group for i in items(tmp_path / "root")}) == 60


def test_a_limit_is_drawn_by_the_seed(plain, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert bring(plain, tmp_path / name, "--limit", "8", "--seed", seed) == 0
        assert Counter(i.label for i in items(tmp_path / name)) == {0: 8, 1: 8}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert {i.file for i in items(tmp_path / "a")} != {i.file for i in items(tmp_path / "c")}
    assert bring(plain, tmp_path / "all", "--limit", "500") == 0 and len(items(tmp_path / "all")) == 40
