"""A picture that cannot be read is named: all of them before the first step of a training, and before its test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aireal.classifier import evaluate as evaluate_module
from aireal.classifier import train as train_module
from aireal.classifier.data import ImageDataset
from aireal.classifier.evaluate import compare, evaluate_classifier
from aireal.classifier.train import train_architecture
from aireal.cli import main
from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError
from aireal.dataset.manifest import load_items
from aireal.dataset.readable import LISTED, readable_items, require_readable, unreadable
from aireal.figures.classifier import plot_examples
from helpers.images import jpeg, noise, write
from helpers.one_class import planted_classifier, root_of
from helpers.training import BATCH_NORM, command, make_root, run_in


@pytest.fixture
def root(tmp_path) -> Path:
    return make_root(tmp_path / "root")


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path.relative_to(path.parents[3]).as_posix()


def spoil(root: Path) -> list[str]:
    """Cut a training picture in half, remove one of validation, make one a web page, and one a Git LFS pointer."""
    fake, real = (sorted((root / f"data/train/{name}").iterdir()) for name in ("1_fake", "0_real"))
    bad = [cut(fake[0])]
    for path, content in (
        (fake[1], b"<!doctype html><html>"),
        (real[0], b"version https://git-lfs.github.com/spec/v1\n"),
    ):
        path.write_bytes(content)
        bad.append(path.relative_to(root).as_posix())
    missing = next(item.path for item in load_items(DatasetRoot.at(root), "val") if item.path not in bad)
    (root / missing).unlink()
    return [*bad, missing]


@pytest.mark.fault(
    "files",
    "training pictures that were damaged since the dataset was made",
    "4 pictures of root cannot be read, so nothing was trained",
    "all are named before the first step, with their reasons",
)
@pytest.mark.people_have(
    "training pictures that are cut off, missing, web pages or Git LFS pointers",
    "refused",
    "4 pictures of root cannot be read, so nothing was trained: each with its path and the reason",
)
def test_all_bad_files_are_named_before_the_first_step(root, tmp_path, monkeypatch):
    bad = spoil(root)
    monkeypatch.setattr(train_module, "_train", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match="4 pictures of root cannot be read, so nothing was trained") as caught:
        train_architecture(run_in(root, tmp_path), BATCH_NORM)
    named = [line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert sorted(named) == sorted(bad)


def test_the_command_says_it_without_a_traceback(root, tmp_path, capsys):
    bad = spoil(root)
    assert main(command(root, tmp_path / "out", BATCH_NORM, 1)) == 2
    error = capsys.readouterr().err
    assert error.startswith("aireal: 4 pictures of root cannot be read")
    assert all(path in error for path in bad)
    assert "Traceback" not in error


@pytest.mark.people_have(
    "a folder without a manifest in which one training picture is cut off", "refused", "the path of that picture"
)
def test_a_root_without_a_manifest_is_looked_at_as_well(tmp_path):
    for number in range(20):
        for name in ("0_real", "1_fake"):
            word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:02}")
            write(tmp_path / f"root/data/train/{name}/{word}.jpg", jpeg(noise(number)))
    bad = cut(tmp_path / "root/data/train/1_fake/ab.jpg")
    items = load_items(DatasetRoot.at(tmp_path / "root"))
    assert list(unreadable(tmp_path / "root", items)) == [bad]


def test_nothing_is_said_where_all_can_be_read(root, capsys):
    require_readable(unreadable(root, load_items(DatasetRoot.at(root))), root)
    assert capsys.readouterr().out == ""


def test_a_long_list_is_cut():
    bad = {f"{number}.png": "the file is empty" for number in range(LISTED + 5)}
    with pytest.raises(ValueError, match="and 5 more$") as caught:
        require_readable(bad, Path("root"))
    assert len(str(caught.value).splitlines()) == LISTED + 2


@pytest.mark.fault(
    "files",
    "a picture that is damaged while it is trained on",
    "the path of the picture, and the reason",
    "the training stops at a name and not at a traceback of a decoder",
)
def test_a_picture_that_breaks_while_it_is_trained_on_is_named(root):
    items = load_items(DatasetRoot.at(root), "train")
    (root / items[3].path).write_bytes(b"x")
    dataset = ImageDataset(items, root, 32)
    dataset[0]
    with pytest.raises(ImageError, match=f"^{items[3].path}: "):
        dataset[3]


def test_examples_pass_over_what_cannot_be_read(root):
    items = load_items(DatasetRoot.at(root), "train")
    first = next(item for item in items if item.label == 0)
    (root / first.path).write_bytes(b"x")
    figure = plot_examples(items, root, count=2)
    assert sum(bool(axes.images) for axes in figure.axes) == 4


@pytest.mark.fault(
    "files",
    "a damaged picture in a test set",
    "left out: its path and the reason",
    "the others are measured, and n says how many",
)
@pytest.mark.people_have(
    "a test folder in which a picture cannot be read", "passed over", "its path and the reason; the others are measured"
)
def test_bad_files_of_the_test_are_left_out_named_and_counted_in_no_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate_module, "cost", lambda *_: {"gmacs": 1.0})
    run = root_of(tmp_path, {"val": (4, 4), "test": (5, 5)})
    items = load_items(run.data, "test")
    (run.data.root / items[2].path).write_bytes(b"x")
    report = evaluate_classifier(run, planted_classifier(), items)
    assert report["test"]["n"] == len(report["probabilities"]) == 9
    assert [entry["path"] for entry in report["failed"]] == [items[2].path]
    assert f"left out: {items[2].path}: " in capsys.readouterr().out
    json.dumps(report, allow_nan=False)
    pairs = compare(items, {"resnet34": report, "again": report}, seed=7)["pairs"]
    assert pairs[0]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_test_of_bad_files_alone_is_one_sentence(tmp_path):
    run = root_of(tmp_path, {"test": (1, 1)})
    items = load_items(run.data, "test")
    for item in items:
        (run.data.root / item.path).write_bytes(b"x")
    with pytest.raises(ValueError, match="none of the 2 pictures can be read"):
        readable_items(run.data.root, items)
