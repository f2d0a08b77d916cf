"""Layouts of folders that people download, and how to say which folder holds the photographs."""

from __future__ import annotations

import pytest

from aireal.dataset.importing.class_words import class_of_name, is_generator, is_wrapper
from helpers.images import write
from helpers.importing import fill, items, run_import


def make(tmp_path, folders: list[str], count: int = 6):
    for k, folder in enumerate(folders):
        fill(tmp_path / "in" / folder, 100 * k, count)
    return tmp_path / "in"


@pytest.mark.people_have(
    "folders as data sets name them: real beside adm and ddpm, human and ai, RealArt and AiArtData, 0_fake and 1_real",
    "read",
    "read as photographs: ...; as AI images: ... (--real-folder changes that)",
)
@pytest.mark.parametrize(
    "folders, real, generators, words",
    [
        (
            ["lsun_bedroom/real", "lsun_bedroom/adm", "lsun_bedroom/ddpm"],
            "real",
            {"adm", "ddpm"},
            "as AI images: adm, ddpm",
        ),
        (["human", "ai"], "human", {""}, "photographs: human; as AI images: ai"),
        (["RealArt", "AiArtData"], "RealArt", {""}, "photographs: RealArt; as AI images: AiArtData"),
        (["training_real", "training_fake"], "training_real", {""}, "training_real"),
        (["0_fake", "1_real"], "1_real", {""}, "photographs: 1_real; as AI images: 0_fake"),
        (["archive/실제사진", "archive/생성 이미지"], "실제사진", {""}, "실제사진"),
        (
            ["real_images", "StyleGAN2", "stable-diffusion-xl"],
            "real_images",
            {"StyleGAN2", "stable-diffusion-xl"},
            "real",
        ),
    ],
)
def test_layouts_of_the_field(tmp_path, capsys, folders, real, generators, words):
    assert run_import(make(tmp_path, folders), tmp_path / "root") == 0
    assert words in capsys.readouterr().out
    imported = items(tmp_path / "root")
    assert len(imported) == 6 * len(folders)
    for item in imported:
        assert (item.label == 0) == (item.file.split("/")[-2] == real)
    assert {item.generator for item in imported if item.label} == generators


@pytest.mark.people_have(
    "an archive's folders around the splits: real_vs_fake/real-vs-fake/train/real ...",
    "read",
    "the wrapping folders are no generators",
)
def test_folders_that_only_wrap_are_no_generators(tmp_path, capsys):
    wrapped = [f"real_vs_fake/real-vs-fake/{part}/{c}" for part in ("train", "valid", "test") for c in ("real", "fake")]
    assert run_import(make(tmp_path, wrapped), tmp_path / "root") == 0
    imported = items(tmp_path / "root")
    assert {item.generator for item in imported} == {""}
    assert {item.split for item in imported} == {"train", "val", "test"}
    assert all((item.split == "test") == ("/test/" in item.file) for item in imported)
    assert "kinds of pictures" not in capsys.readouterr().out


def test_splits_in_the_names_of_class_folders_are_kept(tmp_path):
    assert run_import(make(tmp_path, ["train_real", "train_fake", "test_real", "test_fake"]), tmp_path / "root") == 0
    assert all((item.split == "test") == item.file.startswith("test_") for item in items(tmp_path / "root"))


@pytest.mark.people_have(
    "real beside folders whose names say nothing",
    "asked",
    "if one of these folders holds photographs and those beside it AI images, name it with --real-folder",
)
@pytest.mark.parametrize("folders", [["real", "batch1"], ["0", "1"], ["coco", "fake_set_of_ours", "masks"]])
def test_folders_that_say_too_little_are_asked_about(tmp_path, capsys, folders):
    assert run_import(make(tmp_path, folders), tmp_path / "root") == 2
    assert "name it with --real-folder" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    "folders, option, real, generators",
    [
        (["real", "batch1", "batch2"], "real", {"real"}, {"batch1", "batch2"}),
        (["0", "1"], "1", {"1"}, {"0"}),
        (["x/coco", "x/fake", "y/coco", "y/sdxl"], "COCO", {"coco"}, {"", "sdxl"}),
        (["x/coco", "x/sd", "y/coco", "y/sdxl"], "x/coco", {"coco"}, {"sd"}),
    ],
)
def test_the_folder_of_photographs_can_be_named(tmp_path, folders, option, real, generators):
    assert run_import(make(tmp_path, folders), tmp_path / "root", "--real-folder", option) == 0
    imported = items(tmp_path / "root")
    assert {item.file.split("/")[-2] for item in imported if item.label == 0} == real
    assert {item.generator for item in imported if item.label} == generators


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert run_import(make(tmp_path, ["a", "b"]), tmp_path / "root", "--real-folder", "photos") == 2
    error = capsys.readouterr().err
    assert "the folders are a/, b/; name a folder" in error
    assert error.count("\n") == 1


def test_own_figures_and_companions_are_not_imported(tmp_path):
    source = make(tmp_path, ["0_real", "1_fake"])
    for name in ("explained/9-1a2b3c.png", "explained/overlays/9-1a2b3c.png", ".ipynb_checkpoints/1-checkpoint.png"):
        write(source / "0_real" / name, (source / "0_real/1.png").read_bytes())
    write(source / "0_real/Thumbs.db", b"x")
    assert run_import(source, tmp_path / "root") == 0
    assert len(items(tmp_path / "root")) == 12


@pytest.mark.people_have(
    "folders whose file names say the other class, in both",
    "asked",
    "the file names contradict the folders; say which folder holds the photographs, with --real-folder",
)
def test_file_names_that_contradict_the_folders_are_asked_about(tmp_path, capsys):
    fill(tmp_path / "in/0_real", 0, 6, "fake_{}.png")
    fill(tmp_path / "in/1_fake", 100, 6, "real_{}.png")
    assert run_import(tmp_path / "in", tmp_path / "root") == 2
    assert "12 of 12 names say the other class" in capsys.readouterr().err
    assert run_import(tmp_path / "in", tmp_path / "root", "--real-folder", "1_fake") == 0
    assert all((item.label == 0) == item.file.startswith("1_fake/real") for item in items(tmp_path / "root"))


@pytest.mark.parametrize(
    "name, label",
    [
        ("0_fake", 1),
        ("1_real", 0),
        ("AI-generated", 1),
        ("AIArt", 1),
        ("realimages", 0),
        ("가짜", 1),
        ("real_vs_fake", None),
        ("not_real", None),
        ("realism", None),
        ("RealESRGAN_x4", None),
        ("real_esrgan", None),
        ("airplane", None),
        ("train", None),
        ("surreal", None),
        ("fair", None),
    ],
)
def test_words_of_names(name, label):
    assert class_of_name(name) == label


def test_generators_are_known_by_name_and_categories_are_not():
    assert all(
        map(is_generator, ["adm", "ddpm", "BigGAN", "sdv1", "SDXL", "Midjourney", "dalle2", "LDM_200", "flux.1-dev"])
    )
    assert not any(map(is_generator, ["airplane", "masks", "docs", "bedroom", "sdss", "giraffe", "vegan", "iffy"]))


def test_wrapping_folders_say_both_classes_or_nothing():
    assert all(
        map(is_wrapper, ["real_vs_fake", "cifake-real-and-ai-generated-images", "archive", "Data", "ai_vs_human"])
    )
    assert not any(map(is_wrapper, ["progan", "airplane", "real", "ai"]))
