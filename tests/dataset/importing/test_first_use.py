"""The parameter `dataset`: imported once, resumed, reused without its source, and bounded by `limit`."""

from __future__ import annotations

import shlex
import shutil
import sys

import pytest

from aireal.cli import main
from aireal.config import PROFILES
from aireal.dataset.importing import first_use, open_source
from aireal.dataset.importing.encoding import Encoding
from aireal.dataset.importing.first_use import dataset_root
from helpers.images import encoded
from helpers.importing import counts, fill, items, picture, tree
from helpers.interruption import stopped_after


@pytest.fixture(autouse=True)
def _imported_here(tmp_path, monkeypatch):
    monkeypatch.setattr(first_use, "IMPORTED", tmp_path / "imported")


@pytest.fixture
def cifake(tmp_path):
    """CIFAKE's four folders, with 14 pictures a class to train on and 6 to test on."""
    for k, (split, count) in enumerate((("train", 14), ("test", 6))):
        fill(tmp_path / "cifake" / split / "REAL", 100 * k, count, side=32)
        fill(tmp_path / "cifake" / split / "FAKE", 1000 + 100 * k, count, side=32)
    return tmp_path / "cifake"


def test_without_a_dataset_the_root_is_used():
    assert dataset_root("", "somewhere") == "somewhere"
    assert dataset_root(None, "") == ""


def test_the_first_use_imports_and_the_next_one_needs_no_source(cifake, tmp_path, capsys):
    root = dataset_root(str(cifake))
    assert root.parent == tmp_path / "imported"
    assert "CIFAKE layout" in (printed := capsys.readouterr().out)
    assert "re-encoded, both classes the same way" in printed
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    shutil.rmtree(cifake)
    assert dataset_root(str(cifake)) == root
    assert f"{cifake} is in {root} already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_runtime_says_that_keep_does_not_hold_the_pictures_and_a_new_one_imports_the_same(
    cifake, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    first = (dataset_root(str(cifake), limit=5) / "manifest.csv").read_bytes()
    assert "a new runtime imports them again" in capsys.readouterr().out
    monkeypatch.setattr(first_use, "IMPORTED", tmp_path / "another runtime")
    assert (dataset_root(str(cifake), limit=5) / "manifest.csv").read_bytes() == first


def test_a_root_of_ones_own_and_a_server_get_no_such_line(cifake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    dataset_root(str(cifake), tmp_path / "mine", limit=5)
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    dataset_root(str(cifake), limit=5)
    assert "a new runtime" not in capsys.readouterr().out


def test_the_limit_is_a_class_and_split_and_the_profile_has_one(cifake):
    limited = counts(dataset_root(str(cifake), limit=5))
    assert limited["test", 0] == limited["test", 1] == 5
    assert limited["train", 1] + limited["val", 1] == 5
    assert len(items(dataset_root(str(cifake), profile="smoke"))) == 40, "smoke takes up to 20"
    assert [PROFILES[name].import_images for name in ("smoke", "sample", "full")] == [20, 5000, 50_000]
    with pytest.raises(ValueError, match="limit is 0"):
        dataset_root(str(cifake), limit=0)


@pytest.mark.fault(
    "processes",
    "a stop during the first import of a dataset by a notebook or command",
    "",
    "what was imported; the next run completes it",
)
def test_a_stopped_import_resumes(cifake, tmp_path, monkeypatch):
    with stopped_after(35, Encoding, "apply"):
        dataset_root(str(cifake), tmp_path / "root", limit=14)
    assert not (tmp_path / "root/manifest.csv").exists()
    encoded_again, apply = [], Encoding.apply
    monkeypatch.setattr(Encoding, "apply", lambda *a: encoded_again.append(a) or apply(*a))
    dataset_root(str(cifake), tmp_path / "root", limit=14)
    assert len(encoded_again) == 8, "32 pictures were in the journal"
    assert tree(tmp_path / "root") == tree(dataset_root(str(cifake), tmp_path / "whole", limit=14))


def test_a_root_with_another_dataset_or_limit_is_refused(cifake, tmp_path, plain):
    dataset_root(str(cifake), tmp_path / "root", limit=4)
    with pytest.raises(ValueError, match="limit was 4, now 5.*choose another folder as root$"):
        dataset_root(str(cifake), tmp_path / "root", limit=5)
    with pytest.raises(ValueError, match="source was .*cifake, now .*plain"):
        dataset_root(str(plain), tmp_path / "root", limit=4)


def test_a_dataset_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="does not exist; give a folder, a .zip, a .csv, or hf:owner/name$"):
        dataset_root(str(tmp_path / "nothing"))


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    monkeypatch.setattr(open_source, "KAGGLE_INPUT", tmp_path / "input")
    return tmp_path / "input"


@pytest.mark.parametrize("place", ["cifake", "datasets/somebody/cifake"])
def test_kaggles_input_is_the_dataset_that_was_added(cifake, kaggle, place, capsys):
    shutil.copytree(cifake, kaggle / place)
    assert len(items(dataset_root(str(kaggle)))) == 40
    assert "CIFAKE layout" in capsys.readouterr().out
    with pytest.raises(ValueError, match=f"added to this Kaggle notebook: .*{place}"):
        dataset_root(str(kaggle / "cifar"))


def test_of_several_datasets_on_kaggle_one_has_to_be_named(cifake, kaggle):
    kaggle.mkdir()
    with pytest.raises(ValueError, match="is empty; add a dataset first"):
        dataset_root(str(kaggle))
    shutil.copytree(cifake, kaggle / "a")
    shutil.copytree(cifake, kaggle / "b")
    with pytest.raises(ValueError, match="input/a, .*input/b; name one of them"):
        dataset_root(str(kaggle))
    assert len(items(dataset_root(str(kaggle / "b")))) == 40


@pytest.mark.parametrize("names", [["FAKE", "REAL"], ["ai_art", "photo"]])
def test_a_dataset_of_the_hub_is_imported_once_and_then_needs_no_library(tmp_path, monkeypatch, names):
    datasets = pytest.importorskip("datasets")
    # the library sleeps for 5 s at the end of each shuffled stream
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.1, raising=False)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    for split, first, count in (("train", 0, 24), ("test", 1000, 12)):
        rows = [
            {"image": {"bytes": encoded(picture(n), "PNG"), "path": None}, "label": n % 2}
            for n in range(first, first + count)
        ]
        (tmp_path / "hub/data").mkdir(parents=True, exist_ok=True)
        stored = datasets.Dataset.from_list(rows, features=features)
        stored.to_parquet(tmp_path / f"hub/data/{split}-00000-of-00001.parquet")
    name = f"hf:{tmp_path / 'hub'}"
    if names[0] == "ai_art":
        with pytest.raises(
            ValueError, match="--real-label. In a notebook: run `!cd .* && python -m aireal dataset import hf:/"
        ):
            dataset_root(name, limit=5)
        spaced = shutil.copytree(tmp_path / "hub", tmp_path / "my hub")
        with pytest.raises(ValueError) as caught:
            dataset_root(f"hf:{spaced}", limit=5)
        command = str(caught.value).split("`")[1]
        assert shlex.split(command)[-3:] == [f"hf:{spaced}", "--to", "FOLDER"]
        return
    imported = counts(root := dataset_root(name, limit=5))
    assert imported["test", 0] == imported["test", 1] == 5
    assert imported["train", 0] + imported["val", 0] == 5
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert dataset_root(name, limit=5) == root


def test_commands_take_a_dataset(cifake, tmp_path, capsys):
    asked = ["train", "--profile", "smoke", "--dataset", str(cifake), "--limit", "6", "--out", str(tmp_path / "out")]
    assert main([*asked, "--root", str(tmp_path / "root")]) == 0
    assert "new one is trained" in capsys.readouterr().out
    assert len(items(tmp_path / "root")) == 24
    assert main([*asked, "--root", str(tmp_path / "root")]) == 0
    assert "is used" in capsys.readouterr().out
    assert main(["train", "--limit", "6"]) == 2
    assert "--limit belongs to --dataset" in capsys.readouterr().err
