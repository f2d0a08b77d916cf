"""Folders whose names tell the class become a dataset root, whatever their layout."""

from __future__ import annotations

import pytest

from aireal.config import DatasetRoot
from aireal.dataset.check import check
from helpers.images import write
from helpers.importing import counts, fill, items, run_import


def test_cifake_keeps_its_test_and_gives_val_from_train(tmp_path, capsys):
    for k, (part, label, count) in enumerate(
        [("train", "REAL", 24), ("train", "FAKE", 24), ("test", "REAL", 6), ("test", "FAKE", 6)]
    ):
        fill(tmp_path / "cifake" / part / label, 100 * k, count, "{:04d} (10).jpg", side=32)
    assert run_import(tmp_path / "cifake", tmp_path / "root") == 0
    printed = capsys.readouterr().out
    assert "CIFAKE layout (32×32): 4 folders, 60 pictures" in printed
    assert "test/FAKE (6)" in printed
    assert "Lanczos to 48×48 px" in printed
    assert "100% enlarged" in printed
    assert "test split is kept" in printed
    assert counts(tmp_path / "root") == {
        ("train", 0): 21,
        ("train", 1): 21,
        ("val", 0): 3,
        ("val", 1): 3,
        ("test", 0): 6,
        ("test", 1): 6,
    }
    for item in items(tmp_path / "root"):
        assert item.file.startswith("test/") == (item.split == "test")
        assert item.file.endswith("(10).jpg")
        assert item.package == "cifake"
        assert ("REAL" in item.file) == (item.label == 0)
        assert item.path.startswith("test/" if item.split == "test" else "data/train/")
    assert check(DatasetRoot.at(tmp_path / "root")).problems == []


def test_genimage_names_the_generator_and_its_val_is_the_test(tmp_path, capsys):
    for k, generator in enumerate(["stable_diffusion_v_1_4/imagenet_ai_0419", "BigGAN"]):
        for m, part in enumerate(["train", "val"]):
            fill(tmp_path / "GenImage" / generator / part / "ai", 400 * k + 100 * m, 10)
            fill(tmp_path / "GenImage" / generator / part / "nature", 400 * k + 100 * m + 50, 10)
    assert run_import(tmp_path / "GenImage", tmp_path / "root") == 0
    printed = capsys.readouterr().out
    assert "GenImage layout: 8 folders, 80 pictures" in printed
    assert "generators: BigGAN (20), stable_diffusion_v_1_4 (20)" in printed
    assert "its val is the test split" in printed
    for item in items(tmp_path / "root"):
        assert ("/val/" in item.file) == (item.split == "test")
        assert item.generator == (item.file.split("/")[0] if item.label else "")
    assert counts(tmp_path / "root")["test", 1] == 20
    assert counts(tmp_path / "root")["val", 1] > 0


def test_bare_ai_and_nature_take_the_generator_from_the_source(tmp_path):
    fill(tmp_path / "Midjourney/ai", 0, 10)
    fill(tmp_path / "Midjourney/nature", 100, 10)
    assert run_import(tmp_path / "Midjourney", tmp_path / "root") == 0
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
    assert run_import(tmp_path / "in", tmp_path / "root") == 0
    printed = capsys.readouterr().out
    assert layout in printed
    assert f"{10 * len(folders)} pictures" in printed
    assert "*.txt (1)" in printed
    imported = items(tmp_path / "root")
    assert len(imported) == 10 * len(folders)
    assert {i.generator for i in imported if i.label} == generators
    for item in imported:
        assert item.label == ("fake" in item.file.casefold())
        for word, split in (("test", "test"), ("Valid", "val")):
            assert (word in item.file) == (item.split == split) or not any(word in f for f in folders)
    assert {i.split for i in imported} == {"train", "val", "test"}


def test_what_the_folders_above_name_can_be_said(tmp_path):
    for k, folder in enumerate(["biggan/0_real", "biggan/1_fake"]):
        fill(tmp_path / "in" / folder, 100 * k, 6)
    assert run_import(tmp_path / "in", tmp_path / "root", "--above", "generator") == 0
    assert {i.generator for i in items(tmp_path / "root") if i.label} == {"biggan"}


@pytest.mark.parametrize(
    "folders, messages",
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
def test_a_layout_that_is_not_understood_is_one_sentence(tmp_path, capsys, folders, messages):
    (tmp_path / "in").mkdir()
    for k, folder in enumerate(folders):
        fill(tmp_path / "in" / folder, 10 * k, 2)
    assert run_import(tmp_path / "in", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert all(word in error for word in messages)
    assert error.count("\n") == 1
    assert not (tmp_path / "root").exists()


def test_what_is_no_source_is_one_sentence(tmp_path, capsys):
    write(tmp_path / "archive.rar", b"Rar!")
    for source, message in ((tmp_path / "nothing", "does not exist"), (tmp_path / "archive.rar", "unpacked first")):
        assert run_import(source, tmp_path / "root") == 2
        assert message in capsys.readouterr().err
