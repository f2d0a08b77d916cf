"""Groups stay in one split, shares are met, and copies do not leak."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from aireal.config import DatasetRoot
from aireal.dataset.check import check
from aireal.dataset.importing.split import near_hashes
from helpers.images import encoded, write
from helpers.importing import counts, fill, items, left_out, picture, run_import, tree


def test_the_shares_are_met_and_the_seed_decides(plain, tmp_path):
    assert run_import(plain, tmp_path / "a", "--shares", "0.5", "0.2", "0.3") == 0
    assert counts(tmp_path / "a") == {
        (s, label): n for s, n in (("train", 10), ("val", 4), ("test", 6)) for label in (0, 1)
    }
    assert run_import(plain, tmp_path / "b", "--shares", "0.5", "0.2", "0.3", "--seed", "8") == 0
    assert {i.file: i.split for i in items(tmp_path / "a")} != {i.file: i.split for i in items(tmp_path / "b")}
    assert run_import(plain, tmp_path / "c", "--shares", "0.5", "0.2", "0.3", "--workers", "7") == 0
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
    assert run_import(plain, tmp_path / "root") == 0
    places = {}
    for item in (i for i in items(tmp_path / "root") if i.label == 0):
        stem = Path(item.file).stem
        places.setdefault(stem.split("-")[-2] if "-" in stem else stem, set()).add((item.group, item.split))
    assert len(places) == 20
    assert all(len(pairs) == 1 for pairs in places.values())
    assert len({split for pairs in places.values() for _, split in pairs}) == 3
    assert check(DatasetRoot.at(tmp_path / "root")).leaks == []


def test_pictures_that_a_table_marks_train_stay_in_train(tmp_path, capsys):
    rows = []
    for label in (0, 1):
        fill(tmp_path / "in" / str(label), 100 * label, 20)
        files = [f"{label}/{n}.png" for n in range(100 * label, 100 * label + 20)]
        rows += [f"{file},{label},{'train' if k < 10 else ''}" for k, file in enumerate(files)]
    (tmp_path / "in/list.csv").write_text("\n".join(["path,label,split", *rows]))
    assert run_import(tmp_path / "in/list.csv", tmp_path / "root") == 0
    assert "the pictures marked train stay in train" in capsys.readouterr().out
    splits = {item.file: item.split for item in items(tmp_path / "root")}
    assert {splits[row.split(",")[0]] for row in rows if row.endswith("train")} == {"train"}
    assert Counter(splits[row.split(",")[0]] for row in rows if row.endswith(",")) == {"train": 14, "val": 2, "test": 4}


def test_a_copy_of_a_test_picture_is_left_out_of_train(tmp_path, capsys):
    for k, (part, label) in enumerate([("train", "real"), ("train", "fake"), ("test", "real"), ("test", "fake")]):
        fill(tmp_path / "in" / part / label, 100 * k, 10)
    write(tmp_path / "in/train/real/leak.bmp", encoded(picture(203), "BMP"))
    assert run_import(tmp_path / "in", tmp_path / "root") == 0, "left out by design: no failure"
    assert "in another split: 1;" in capsys.readouterr().out
    assert list(left_out(tmp_path / "root")) == ["train/real/leak.bmp"]
    assert len([i for i in items(tmp_path / "root") if i.split == "test"]) == 20
    assert "leak" not in "".join(tree(tmp_path / "root"))
    assert len(items(tmp_path / "root")) == 40


def test_a_picture_in_both_classes_is_reported(plain, tmp_path, capsys):
    write(plain / "0_real/x.png", encoded(picture(105), "PNG"))
    assert run_import(plain, tmp_path / "root") == 0
    assert "in both classes, pixel for pixel: 1;" in capsys.readouterr().out


def test_frames_of_a_video_stay_together_and_numbered_pictures_do_not(tmp_path):
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
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    groups: dict = {}
    for item in items(tmp_path / "root"):
        folder, name = item.file.split("/")
        key = (folder, name[:6] if name.startswith("clip") else name.split("-")[0] if name.startswith("DSC") else name)
        groups.setdefault(key, set()).add((item.group, item.split))
    assert all(len(pairs) == 1 for pairs in groups.values())
    assert len({group for pairs in groups.values() for group, _ in pairs}) == len(groups) == 2 * (8 + 6 + 30)


def test_near_pairs_are_those_of_a_comparison_of_all():
    rng = np.random.default_rng(3)
    hashes = rng.integers(1, 2**63, 400, dtype=np.uint64)
    for k in range(60):  # neighbours at 1 to 8 bits
        flips = rng.choice(64, 1 + k % 8, replace=False).astype(np.uint64)
        hashes[k + 100] = hashes[k] ^ np.bitwise_or.reduce(np.uint64(1) << flips)
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = {(a, b) for a, b in zip(*np.nonzero(distance <= 6)) if a < b}
    assert {(min(p), max(p)) for p in zip(*(e.tolist() for e in near_hashes(hashes, 10)))} == expected
    assert len(expected) == 46
    assert len(near_hashes(np.full(50, 12345, np.uint64), 10)[0]) == 0, "a hash that so many share tells nothing"


def test_flat_pictures_do_not_fall_into_one_group(tmp_path):
    for label, shift in (("real", 0), ("fake", 60)):
        for n in range(30):
            write(
                tmp_path / "in" / label / f"plain_{n}.png",
                encoded(Image.new("RGB", (32, 32), (8 * n, 200, shift)), "PNG"),
            )
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    assert counts(tmp_path / "root")["test", 0] == 6
    assert len({i.group for i in items(tmp_path / "root")}) == 60


def test_a_limit_is_drawn_by_the_seed(plain, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run_import(plain, tmp_path / name, "--limit", "8", "--seed", seed) == 0
        assert Counter(i.label for i in items(tmp_path / name)) == {0: 8, 1: 8}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert {i.file for i in items(tmp_path / "a")} != {i.file for i in items(tmp_path / "c")}
    assert run_import(plain, tmp_path / "all", "--limit", "500") == 0
    assert len(items(tmp_path / "all")) == 40
