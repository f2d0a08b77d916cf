"""Roots without a manifest: groups by names, both classes in both splits, and how to group otherwise."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.cli import main
from aireal.config import DatasetRoot
from aireal.dataset.grouping import Grouping, group_by_names, held_out
from aireal.dataset.manifest import load_items, read_manifest
from helpers.images import encoded, noise, write

PICTURE = encoded(noise(1), "JPEG")


def root_of(folder, names: dict[str, list[str]]) -> DatasetRoot:
    for label, files in names.items():
        for name in files:
            write(folder / "data/train" / label / name, PICTURE)
    write(folder / "test/0_real/y.jpg", PICTURE)
    write(folder / "test/1_fake/z.jpg", PICTURE)
    return DatasetRoot.at(folder)


def numbered(form: str, count: int = 30, first: int = 1) -> list[str]:
    return [form.format(number) for number in range(first, first + count)]


@pytest.mark.people_have(
    "a root without manifest whose files are all numbered: img_0001 to img_0030 in both class folders",
    "read",
    "would be most of a class, so there each picture is a source of its own",
)
@pytest.mark.parametrize(
    "real, fake",
    [
        (numbered("img_{:04d}.jpg"), numbered("img_{:04d}.jpg")),
        (numbered("real_{:04d}.jpg"), numbered("fake_{:04d}.jpg")),
        (numbered("IMG_{}.jpg", first=1000), numbered("ComfyUI_{:05d}_.png")),
        (numbered("n01440764_{}.jpg"), numbered("000_sdv4_{:05d}.png")),
        (numbered("{:06d}.jpg"), numbered("{}.jpg")),
        (
            numbered("a_{}.jpg", 15) + numbered("b_{}.jpg", 15),
            numbered("a/{:03d}.jpg", 15) + numbered("b/{:03d}.jpg", 15),
        ),
        (numbered("a_{}.jpg", 2), numbered("b_{}.jpg", 2)),
        (
            [f"{n:012d}.jpg" for n in range(139, 581_000, 20_000)],
            [f"id_{n}.png" for n in range(10**10, 2 * 10**10, 10**9)],
        ),
    ],
)
def test_both_classes_are_in_both_splits(tmp_path, capsys, real, fake):
    items = load_items(root_of(tmp_path / "mine", {"0_real": real, "1_fake": fake}))
    counts = Counter((item.split, item.label) for item in items)
    for split in ("train", "val"):
        for label in (0, 1):
            assert counts[split, label] > 0
    splits: dict = {}
    for item in items:
        assert splits.setdefault(item.group, item.split) == item.split
    capsys.readouterr()


def test_it_says_how_it_grouped_and_how_to_switch_that_off(tmp_path, capsys):
    real = [f"{clip}_{frame}.jpg" for clip in "abcdef" for frame in range(3)]
    data = root_of(tmp_path / "mine", {"0_real": real, "1_fake": numbered("img_{:04d}.jpg")})
    load_items(data)
    said = capsys.readouterr().out
    assert "18 of 50 pictures count as 6 sources" in said
    assert "0_real/a: 3" in said
    assert "1_fake/img: 30 would be most of a class" in said
    assert "--no-group-names" in said
    load_items(data, "val")
    assert capsys.readouterr().out == "", "once is enough"


def test_names_that_group_nothing_need_no_word(tmp_path, capsys):
    load_items(root_of(tmp_path / "mine", {"0_real": ["cat.jpg", "dog.jpg"], "1_fake": ["v.jpg", "w.jpg"]}))
    assert capsys.readouterr().out == ""


def test_ids_are_no_counters_and_counters_behind_zeros_are():
    ids = [f"{n:012d}.jpg" for n in (139, 285, 100_632, 184_791, 581_357)] + ["IMG_20240101_123456.jpg"]
    assert len(set(group_by_names(ids, "0_real", Grouping()))) == len(ids)
    frames = [f"{clip}_{frame:06d}.png" for clip in "abc" for frame in range(3)]
    assert len(set(group_by_names(frames, "0_real", Grouping()))) == 3


def test_pictures_of_one_name_in_train_and_test_are_two_sources_and_a_clip_in_both_is_one(tmp_path, capsys):
    data = root_of(tmp_path / "mine", {"0_real": ["0001.jpg", "0002.jpg", "0003.jpg"], "1_fake": ["a.jpg", "b.jpg"]})
    for name in ("0_real/0001.jpg", "1_fake/a.jpg"):
        write(data.test / name, encoded(noise(5), "JPEG"))
    splits: dict = {}
    for item in load_items(data):
        splits.setdefault(item.group, set()).add(item.split == "test")
    assert all(len(found) == 1 for found in splits.values())
    clips = root_of(
        tmp_path / "clips", {"0_real": numbered("clip_{}.jpg", 4) + numbered("b_{}.jpg", 5), "1_fake": ["a.jpg"]}
    )
    write(clips.test / "0_real/clip_7.jpg", encoded(noise(5), "JPEG"))
    load_items(clips)
    assert "1 sources are in two splits" in capsys.readouterr().out


def test_grouping_is_switched_off_by_a_manifest(tmp_path, capsys):
    real = [f"{clip}_{frame}.jpg" for clip in "abcdef" for frame in range(3)]
    data = root_of(tmp_path / "mine", {"0_real": real, "1_fake": numbered("img_{:04d}.jpg")})
    assert main(["dataset", "manifest", str(data.root), "--no-group-names"]) == 0
    assert "50 pictures of 50 sources" in capsys.readouterr().out
    items = read_manifest(data.manifest)
    assert len({item.group for item in items}) == 50
    assert all(len(item.sha256) == 64 for item in items)
    assert load_items(data) == items
    assert main(["dataset", "manifest", str(data.root)]) == 2
    assert "manifest.csv exists" in capsys.readouterr().err


def test_the_manifest_keeps_groups_and_splits_of_the_names(tmp_path):
    data = root_of(
        tmp_path / "mine", {"0_real": numbered("a_{}.jpg", 4) + numbered("b_{}.jpg", 4), "1_fake": ["x.jpg"]}
    )
    before = {item.path: (item.group, item.split) for item in load_items(data)}
    assert main(["dataset", "manifest", str(data.root)]) == 0
    assert {item.path: (item.group, item.split) for item in load_items(data)} == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.from_regex(r"[ab]{0,2}(_|/)?[0-9]{1,3}\.jpg", fullmatch=True), unique=True, min_size=2))
def test_no_group_is_most_of_a_class_and_something_is_held_out(paths):
    paths = [path.lstrip("/") for path in paths]
    groups = group_by_names(paths, "0_real", Grouping())
    sizes = Counter(groups)
    stems = {path.rpartition(".")[0] for path in paths}
    if len(stems) > 1:
        assert 2 * max(sizes.values()) <= len(paths) or len(sizes) == len(stems)
        assert 0 < len(held_out(groups, 0.2)) < len(sizes)


@pytest.mark.people_have(
    "`._*`, `.ipynb_checkpoints` and `__MACOSX` in the class folders of a root without manifest",
    "passed over",
    "neither trained on nor tested on",
)
def test_companions_in_class_folders_are_no_pictures(tmp_path):
    junk = ["._cat.jpg", ".ipynb_checkpoints/cat-checkpoint.jpg", "__MACOSX/cat.jpg"]
    data = root_of(tmp_path / "mine", {"0_real": ["cat.jpg", *junk], "1_fake": ["x.jpg", "Thumbs.db"]})
    assert [item.path for item in load_items(data)] == [
        "data/train/0_real/cat.jpg",
        "data/train/1_fake/x.jpg",
        "test/0_real/y.jpg",
        "test/1_fake/z.jpg",
    ]


@pytest.mark.people_have(
    "a root without manifest with names that are not UTF-8",
    "refused",
    "rename them, or make a root of copies with `python -m aireal dataset import`",
)
def test_names_that_no_table_can_hold_are_one_sentence(tmp_path):
    data = root_of(tmp_path / "mine", {"0_real": ["a.jpg"], "1_fake": ["b.jpg"]})
    write(data.train / "0_real" / "\udcbb\udce7.jpg", PICTURE)
    with pytest.raises(
        ValueError, match="1 pictures of .* not UTF-8, data/train/0_real/\ufffd\ufffd.jpg among them: rename"
    ):
        load_items(data)


@pytest.mark.people_have(
    "a manifest in composed Hangul whose files a Mac has stored decomposed", "read", "found by the normalised name"
)
def test_a_manifest_finds_files_in_the_other_unicode_form(tmp_path):
    data = root_of(tmp_path / "mine", {"0_real": [unicodedata.normalize("NFC", "사진.jpg")], "1_fake": ["x.jpg"]})
    assert main(["dataset", "manifest", str(data.root)]) == 0
    stored = data.train / "0_real" / unicodedata.normalize("NFC", "사진.jpg")
    stored.rename(stored.with_name(unicodedata.normalize("NFD", stored.name)))
    assert all((data.root / item.path).exists() for item in load_items(data))
