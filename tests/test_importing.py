"""Importing what people have: every layout becomes the same dataset root, a killed import goes on, and nothing is lost in silence."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import encoded, noise, write
from PIL import Image

from aireal.cli import main
from aireal.config import REPOSITORY, DatasetRoot
from aireal.dataset import importing
from aireal.dataset.check import check
from aireal.dataset.grouping import near
from aireal.dataset.manifest import Item, read_manifest

SMALL = ["--no-audit", "--size", "48"]


def bring(source, root, *more: str) -> int:
    return main(["dataset", "import", str(source), "--to", str(root), *SMALL, *more])


def picture(seed: int, side: int = 40) -> Image.Image:
    """Coarse noise, so that scaling and compression leave a picture like itself."""
    return noise(seed, 8).resize((side, side), Image.Resampling.BICUBIC)


def fill(folder: Path, first: int, count: int, name: str = "{}.png", side: int = 40) -> None:
    for number in range(first, first + count):
        path = folder / name.format(number)
        write(path, encoded(picture(number, side), "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else path.suffix[1:].upper()))


def items(root) -> list[Item]:
    return read_manifest(Path(root) / "manifest.csv")


def counts(root) -> dict:
    return dict(Counter((i.split, i.label) for i in items(root)))


def tree(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def left_out(root: Path) -> dict[str, str]:
    with (root / "import_left_out.csv").open(encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture
def plain(tmp_path) -> Path:
    """20 pictures a class, unsplit."""
    fill(tmp_path / "plain/0_real", 0, 20)
    fill(tmp_path / "plain/1_fake", 100, 20)
    return tmp_path / "plain"


# layouts


def test_cifake_keeps_its_test_and_gives_val_from_train(tmp_path, capsys):
    for k, (part, label, count) in enumerate([("train", "REAL", 24), ("train", "FAKE", 24), ("test", "REAL", 6), ("test", "FAKE", 6)]):
        fill(tmp_path / "cifake" / part / label, 100 * k, count, "{:04d} (10).jpg", side=32)
    assert bring(tmp_path / "cifake", tmp_path / "root") == 0
    said = capsys.readouterr().out
    assert "CIFAKE layout (32×32): 4 folders, 60 pictures" in said and "test/FAKE (6)" in said
    assert "Lanczos to 48×48 px" in said and "100% enlarged" in said and "test split is kept" in said
    assert counts(tmp_path / "root") == {("train", 0): 21, ("train", 1): 21, ("val", 0): 3, ("val", 1): 3, ("test", 0): 6, ("test", 1): 6}
    for item in items(tmp_path / "root"):
        assert item.file.startswith("test/") == (item.split == "test") and item.file.endswith("(10).jpg") and item.package == "cifake"
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
    assert "GenImage layout: 8 folders, 80 pictures" in said and "generators: BigGAN (20), stable_diffusion_v_1_4 (20)" in said
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


@pytest.mark.parametrize("folders, layout, generators", [
    (["0_real", "1_fake"], "class folders: 2 folders", {""}),
    (["Real", "FAKE"], "class folders: 2 folders", {""}),
    (["airplane/0_real", "airplane/1_fake", "train/0_real", "train/1_fake"], "ForenSynths layout: 4 folders", {""}),
    (["progan/cat/0_real", "progan/cat/1_fake", "stargan/x/0_real", "stargan/x/1_fake"], "ForenSynths layout: 4 folders", {"progan", "stargan"}),
    (["Train/real", "Train/fake", "Valid/real", "Valid/fake", "test/real", "test/fake"], "class folders: 6 folders", {""}),
    (["real/training", "fake/training", "real/testing", "fake/testing"], "class folders: 2 folders", {""}),
])
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


@pytest.mark.parametrize("head, row, real, fake", [
    ("path,label", "{path},{label}", "0", "1"),
    ("Path, Label", "{path},{label}", "real", "FAKE"),
    ("label;path;split", "{label};{path};", "Real", "fake"),
    ("path\tlabel\tlicense", "{path}\t{label}\tMIT", "0_real", "1_fake"),
    ('path,label,generator', '"{path}",{label},"SDXL, 1.0"', "nature", "ai"),
])
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
    rows += [f"{n}.png,{n % 2},{'test' if n < 8 else 'train'},{'video' if n < 8 else 'g'} {n // 8}-{n % 2}" for n in range(40)]
    write(tmp_path / "list.csv", "\n".join(rows).encode())
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 0
    splits: dict = {}
    for item in items(tmp_path / "root"):
        assert splits.setdefault(item.group, item.split) == item.split
        assert (int(Path(item.file).stem) < 8) == (item.split == "test")
    assert splits["video 0-0"] == "test" and {"train", "val"} <= set(splits.values()) and len(splits) == 10


@pytest.mark.parametrize("text, says", [
    ("file,label\na.png,0\n", "has no column path, only file, label"),
    ("path,label\n0.png,maybe\n", "line 2: label 'maybe' is none of 0, 1, real, fake"),
    ("path,label,split\n0.png,0,dev\n", "line 2: split 'dev'"),
    ("path,label\n0.png,0\n,1\n", "line 3: there is no path"),
    ("path,label\n0.png,0\n", "only real"),
    ("path,label\n", "names no pictures"),
    ("", "has no column label and no column path"),
    ("path,label\n사진.png,0\n".encode("cp949"), "is not in UTF-8"),
])
def test_a_bad_table_is_one_sentence(tmp_path, capsys, text, says):
    write(tmp_path / "list.csv", text if isinstance(text, bytes) else text.encode())
    assert bring(tmp_path / "list.csv", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("aireal: ") and not (tmp_path / "root").exists()


def test_a_dataset_root_is_imported_by_its_manifest(small_root, tmp_path):
    before = {(i.path, i.split, i.group) for i in items(small_root.root)}
    assert bring(small_root.root, tmp_path / "again") == 0
    assert {(i.file, i.split, i.group) for i in items(tmp_path / "again")} == before


@pytest.mark.parametrize("folders, says", [
    (["cats", "dogs"], ["found no class folder", "cats/ (2)", "dogs/ (2)", "understood are: train/REAL", "ai and nature", ".csv"]),
    (["real"], ["only real pictures, in real (2)", "understood are"]),
    (["real/fake", "fake"], ["ambiguous", "real/fake/", "rename"]),
    ([], ["found no class folder"]),
])
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
            forms[image.format, image.size, image.mode, str(image.layer), str(image.quantization), len(image.getexif()), "icc_profile" in image.info] += 1
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
        "turned.jpg": encoded(split, "JPEG", quality=95, exif=exif), "고양이 사진 (1).png": encoded(base.quantize(64), "PNG"),
        "cmyk & more.jpg": encoded(picture(4, 64).convert("CMYK"), "JPEG"), "16 bit.png": encoded(deep, "PNG"), "ünïcode.PNG": encoded(alpha, "PNG"),
        "wide.tif": encoded(picture(5, 64).resize((96, 48)), "TIFF"), "gray.gif": encoded(picture(6, 64).convert("L"), "GIF"),
        "comma, \"quote\".bmp": encoded(picture(7, 64), "BMP"),
    }
    for name, data in odd.items():
        write(tmp_path / "in" / "0_real" / name, data)
    fill(tmp_path / "in/1_fake", 100, len(odd), "a {}.png")
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    found = {Path(i.file).name: Image.open(tmp_path / "root" / i.path) for i in items(tmp_path / "root") if i.label == 0}
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
    write(plain / "1_fake/cut off.png", whole[:len(whole) // 2])
    assert bring(plain, tmp_path / "root") == 1
    assert "not usable: 3 files" in capsys.readouterr().out
    assert {name: reason.split(";")[0][:20] for name, reason in left_out(tmp_path / "root").items()} == {
        "0_real/empty.png": "the file is empty (0", "0_real/text.jpg": "the file is no image", "1_fake/cut off.png": "the image is damaged"}
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
    assert counts(tmp_path / "a") == {(s, label): n for s, n in (("train", 10), ("val", 4), ("test", 6)) for label in (0, 1)}
    assert bring(plain, tmp_path / "b", "--shares", "0.5", "0.2", "0.3", "--seed", "8") == 0
    assert {i.file: i.split for i in items(tmp_path / "a")} != {i.file: i.split for i in items(tmp_path / "b")}
    assert bring(plain, tmp_path / "c", "--shares", "0.5", "0.2", "0.3", "--workers", "7") == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "c")


def test_copies_and_look_alikes_stay_together(plain, tmp_path):
    rng = np.random.default_rng(5)
    for k in range(12):  # the same pixels in another file, and a scaled and compressed copy
        original = Image.open(plain / "0_real" / f"{k}.png")
        write(plain / "0_real" / f"copy-{rng.integers(10**9)}-of-{k}-.bmp", encoded(original, "BMP"))
        write(plain / "0_real" / f"small-{rng.integers(10**9)}-of-{k}-.jpg", encoded(original.resize((36, 36)), "JPEG", quality=80))
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
    assert "in another split: 1;" in capsys.readouterr().out and list(left_out(tmp_path / "root")) == ["train/real/leak.bmp"]
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
                write(tmp_path / "in" / label / f"DSC{shot}-{frame:02d}.png", encoded(Image.fromarray(np.roll(scene, frame, 1)), "PNG"))
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
            write(tmp_path / "in" / label / f"plain_{n}.png", encoded(Image.new("RGB", (32, 32), (8 * n, 200, shift)), "PNG"))
    assert bring(tmp_path / "in", tmp_path / "root") == 0
    assert counts(tmp_path / "root")["test", 0] == 6 and len({i.group for i in items(tmp_path / "root")}) == 60


def test_a_limit_is_drawn_by_the_seed(plain, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert bring(plain, tmp_path / name, "--limit", "8", "--seed", seed) == 0
        assert Counter(i.label for i in items(tmp_path / name)) == {0: 8, 1: 8}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert {i.file for i in items(tmp_path / "a")} != {i.file for i in items(tmp_path / "c")}
    assert bring(plain, tmp_path / "all", "--limit", "500") == 0 and len(items(tmp_path / "all")) == 40


# stopping, going on, refusing


def test_a_killed_import_goes_on_and_ends_with_the_same_bytes(tmp_path):
    fill(tmp_path / "in/real", 0, 100, "{}.jpg", side=500)
    fill(tmp_path / "in/fake", 1000, 100, "{}.jpg", side=500)
    write(tmp_path / "in/real/75 broken.jpg", b"no image")
    command = [sys.executable, "-m", "aireal", "dataset", "import", str(tmp_path / "in"), "--to", str(tmp_path / "root"), *SMALL, "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal, began = tmp_path / "root/.import/journal.jsonl", time.time()
    while process.poll() is None and time.time() - began < 300 and not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "killed in the middle"
    done = json.loads(journal.read_bytes().rpartition(b"\n")[0].splitlines()[-1])["pictures"]
    assert 0 < done < 201 and not (tmp_path / "root/manifest.csv").exists()
    laid = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "root/.import").rglob("*.jpg") if int(p.stem[-6:]) <= done}
    assert bring(tmp_path / "in", tmp_path / "root") == 1
    again = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*.jpg")}
    assert laid.items() <= again.items() and len(again) == 200, "what was done is not done again"
    assert bring(tmp_path / "in", tmp_path / "whole") == 1
    assert tree(tmp_path / "root") == tree(tmp_path / "whole") and not (tmp_path / "root/.import").exists()


@pytest.mark.parametrize("after", [0, 17, 39])
def test_an_import_stopped_while_moving_goes_on(plain, tmp_path, monkeypatch, after):
    moved, replace = [], Path.replace

    def stop(self, target):
        if self.suffix == ".jpg":
            if len(moved) == after:
                raise KeyboardInterrupt
            moved.append(self)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            bring(plain, tmp_path / "root")
    assert len(list((tmp_path / "root/test").rglob("*.jpg"))) + len(list((tmp_path / "root/data").rglob("*.jpg"))) == after
    assert bring(plain, tmp_path / "root") == 0 and bring(plain, tmp_path / "whole") == 0
    assert tree(tmp_path / "root") == tree(tmp_path / "whole")


def test_a_full_disk_is_one_sentence_and_the_import_goes_on_later(plain, tmp_path, monkeypatch, capsys):
    write_bytes, count = Path.write_bytes, []

    def full(self, data):
        count.append(self)
        if len(count) > 10 and self.suffix == ".jpg":
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert bring(plain, tmp_path / "root") == 2
    assert "No space left on device" in (error := capsys.readouterr().err) and "run the same command again" in error
    assert bring(plain, tmp_path / "root") == 0 and len(items(tmp_path / "root")) == 40


def test_a_finished_import_is_not_done_again_and_another_is_refused(plain, tmp_path, capsys):
    assert bring(plain, tmp_path / "root") == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*")}
    assert bring(plain, tmp_path / "root") == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "root").rglob("*")}
    capsys.readouterr()
    assert bring(plain, tmp_path / "root", "--seed", "9") == 2
    assert "seed was 7, now 9" in capsys.readouterr().err
    fill(plain / "0_real", 900, 1)
    assert bring(plain, tmp_path / "root") == 2
    assert "the source has changed" in capsys.readouterr().err


def test_going_on_with_other_arguments_is_refused(plain, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(importing, "assign", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bring(plain, tmp_path / "root")
    assert main(["dataset", "import", str(plain), "--to", str(tmp_path / "root"), "--no-audit", "--size", "64"]) == 2
    assert "size was 48, now 64" in capsys.readouterr().err
    assert bring(plain, tmp_path / "root") == 0


@pytest.mark.parametrize("held", ["manifest.csv", "test/0_real/a.jpg", "data/train/1_fake/b.jpg"])
def test_a_root_that_holds_another_dataset_is_refused(plain, tmp_path, capsys, held):
    write(tmp_path / "root" / held, b"something")
    assert bring(plain, tmp_path / "root") == 2
    assert "already holds a dataset" in capsys.readouterr().err and (tmp_path / "root" / held).read_bytes() == b"something"


@pytest.mark.parametrize("arguments, says", [
    (["--size", "3"], "--size 3"), (["--shares", "0.5", "0.5", "0.5"], "add up to 1"), (["--limit", "0"], "--limit"), (["--workers", "0"], "--workers"),
])
def test_arguments_that_make_no_sense_are_one_sentence(plain, tmp_path, capsys, arguments, says):
    assert bring(plain, tmp_path / "root", *arguments) == 2
    assert says in capsys.readouterr().err


def test_a_root_inside_the_source_is_refused(plain, capsys):
    assert bring(plain, plain / "root") == 2
    assert "lies inside the source" in capsys.readouterr().err


def test_the_audit_runs_after_an_import(plain, tmp_path, capsys):
    assert main(["dataset", "import", str(plain), "--to", str(tmp_path / "root"), "--size", "64"]) == 0
    said = capsys.readouterr().out
    assert "40 images checked" in said and "told apart by" in said and "AUROC" in said


MEMORY = """
import resource, sys
from pathlib import Path
from aireal.dataset.form import Form
from aireal.dataset.importing import import_dataset
from aireal.dataset.readers import open_disk

for count in (500, 5000):
    source = open_disk(Path(sys.argv[1]) / str(count), None, 7)
    assert import_dataset(source, Path(sys.argv[1]) / f"root{count}", Form(32), workers=2).counts["train"][0] > count / 4
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for count in (500, 5000):
        for n in range(count):
            pixels = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            write(tmp_path / str(count) / ("real", "fake")[n % 2] / f"{n:x}z.bmp", encoded(pixels, "BMP"))
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, env={**os.environ, "TQDM_DISABLE": "1"})
    few, many = map(int, done.stdout.split())
    assert many - few < 8 * 1024, f"{(many - few) / 1024:.1f} MiB more for 4,500 pictures more"


# the hub


def test_the_hub_needs_its_library_and_a_connection(tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "datasets", None)
        assert bring("hf:owner/name", tmp_path / "root") == 2
    assert "pip install datasets" in capsys.readouterr().err
    pytest.importorskip("datasets")
    assert bring("hf:owner/name", tmp_path / "root") == 2  # the tests are offline
    assert "could not be reached" in (error := capsys.readouterr().err) and error.count("\n") == 1


@pytest.fixture
def hub(tmp_path) -> Path:
    """A dataset as the hub has them: parquet files with the pictures' bytes and a class label."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"picture": datasets.Image(), "label": datasets.ClassLabel(names=["AiArt", "RealArt"]), "generator": datasets.Value("string")})
    for part, first, count in (("train", 0, 40), ("test", 1000, 10)):
        rows = [{"picture": {"bytes": encoded(picture(n), "PNG"), "path": None}, "label": int(n % 2 == 0), "generator": "SDXL" if n % 2 else None}
                for n in range(first, first + count)]
        (tmp_path / "hub/data").mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "hub/data" / f"{part}-00000-of-00001.parquet")
    return tmp_path / "hub"


def test_a_dataset_of_the_hub_is_read_as_a_stream(hub, tmp_path, capsys):
    assert bring(f"hf:{hub}", tmp_path / "root") == 2
    assert "which label is real is not clear" in (error := capsys.readouterr().err) and "AiArt, RealArt" in error
    assert bring(f"hf:{hub}", tmp_path / "root", "--real-label", "Real") == 2
    assert "no label is called 'Real'" in capsys.readouterr().err
    assert bring(f"hf:{hub}", tmp_path / "root", "--real-label", "RealArt") == 0
    assert "splits train, test; pictures in 'picture', classes in 'label' (RealArt is real, all else fake)" in capsys.readouterr().out
    found = counts(tmp_path / "root")
    assert found["test", 0] == found["test", 1] == 5 and found["train", 0] + found["val", 0] == 20
    for item in items(tmp_path / "root"):
        number = int(item.file.split("/")[1]) + (1000 if item.split == "test" else 0)
        got = np.asarray(Image.open(tmp_path / "root" / item.path), dtype=int)
        assert abs(got - np.asarray(picture(number).resize((48, 48)), dtype=int)).mean() < 12 and item.label == number % 2
        assert item.generator == ("SDXL" if item.label else "")


def test_a_limited_and_stopped_stream_goes_on(hub, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.1, raising=False)  # 5 s at the end of each shuffled stream
    more = ["--real-label", "realart", "--limit", "10"]
    assert bring(f"hf:{hub}", tmp_path / "whole", *more) == 0
    assert Counter(i.label for i in items(tmp_path / "whole")) == {0: 10, 1: 10} and Counter(i.split for i in items(tmp_path / "whole"))["test"] == 4
    monkeypatch.setattr(importing, "BATCH", 4)
    apply, calls = importing.Form.apply, []

    def stop(self, data, name):
        calls.append(name)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return apply(self, data, name)

    with monkeypatch.context() as patch:
        patch.setattr(importing.Form, "apply", stop)
        with pytest.raises(KeyboardInterrupt):
            bring(f"hf:{hub}", tmp_path / "root", *more, "--workers", "1")
    assert len((tmp_path / "root/.import/journal.jsonl").read_text().splitlines()) == 3
    assert bring(f"hf:{hub}", tmp_path / "root", *more) == 0 and tree(tmp_path / "root") == tree(tmp_path / "whole")


def test_an_image_folder_in_the_hubs_layout(tmp_path, capsys):
    pytest.importorskip("datasets")
    for k, (part, label) in enumerate([("train", "REAL"), ("train", "FAKE"), ("test", "REAL"), ("test", "FAKE")]):
        fill(tmp_path / "folder" / part / label, 100 * k, 6)
    assert bring(f"hf:{tmp_path / 'folder'}", tmp_path / "root", "--keep-bytes") == 0
    assert "FAKE is fake, REAL is real" in capsys.readouterr().out
    found = items(tmp_path / "root")
    originals = {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in (tmp_path / "folder").rglob("*.png")}
    assert {i.sha256 for i in found} == originals.keys()
    assert all((originals[i.sha256].parent.name == "FAKE") == bool(i.label) for i in found)


# the stand-in for CIFAKE


def test_the_cifake_standin_has_cifakes_layout_and_says_what_it_is(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, part in [(f"data_batch_{k}.png", "train") for k in range(1, 6)] + [("test_batch.png", "test")]:
        rows = np.stack([np.asarray(picture(int(rng.integers(2**31)), 32)).reshape(1024, 3) for _ in range(12)])
        write(tmp_path / "package" / name, encoded(Image.fromarray(rows), "PNG"))
        write(tmp_path / "package" / f"{part}_lables.json", json.dumps([n % 10 for n in range(60)]).encode())
    script = runpy.run_path(str(REPOSITORY / "scripts/make_cifake_standin.py"))
    script["main"]([str(tmp_path / "package"), str(tmp_path / "out"), "--per-class", "30", "--components", "10"])
    folders = {p: sorted((tmp_path / "out" / p).iterdir()) for p in ("train/REAL", "train/FAKE", "test/REAL", "test/FAKE")}
    assert [len(files) for files in folders.values()] == [25, 25, 5, 5] and all(Image.open(f).size == (32, 32) for f in folders["test/FAKE"])
    first = np.asarray(Image.open(tmp_path / "package/data_batch_1.png")).reshape(-1, 32, 32, 3)[0]
    assert abs(np.asarray(Image.open(folders["train/REAL"][0]), dtype=int) - first).mean() < 12, "a picture is a row of the package"
    assert "NOT AI-generated" in (tmp_path / "out/README.txt").read_text() and "NOT made by an AI" in script["__doc__"]
    assert bring(tmp_path / "out", tmp_path / "root") == 0 and "CIFAKE layout (32×32)" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="not empty"):
        script["main"]([str(tmp_path / "package"), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="but .* are needed"):
        script["main"]([str(tmp_path / "package"), str(tmp_path / "more"), "--per-class", "500"])
