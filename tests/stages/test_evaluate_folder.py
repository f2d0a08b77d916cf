"""The classifier on labelled pictures from elsewhere: frozen, resumed, and recorded without a path of this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from aireal.classifier.batch_inference import FastClassifier, predict_folder
from aireal.classifier.model import read_config
from aireal.cli import main
from aireal.core.files import MACHINE_PATH
from aireal.core.picture_files import find_images
from aireal.stages.evaluate_folder import evaluate_folder
from helpers.images import encoded, noise, write


@pytest.fixture
def run(smoke_run, tmp_path):
    """The smoke classifier with an `out` of its own."""
    return dataclasses.replace(smoke_run, stage="evaluate", out=tmp_path / "out")


@pytest.fixture
def labelled(tmp_path, photograph):
    """Six pictures a class; names end in numbers, which are no groups."""
    for number in range(6):
        part = photograph.resize((300, 200 + 10 * number))
        write(tmp_path / f"elsewhere/0_real/a{number:03}.webp", encoded(part, "WEBP"))
        write(tmp_path / f"elsewhere/1_fake/a{number:03}.png", encoded(noise(number, 120), "PNG"))
    return tmp_path / "elsewhere"


def test_the_figures_are_those_of_the_exact_predictions(run, labelled):
    record, failed = evaluate_folder(run, labelled, "external", ["a study"], used_for_choosing=True)
    files = find_images([labelled])
    fake = np.array([p.probability_fake for p in predict_folder(files, run.data.model, exact=True)])
    labels = np.array([int(p.parent.name == "1_fake") for p in files])
    metrics = record["metrics"]
    assert failed == []
    assert (metrics["n"], metrics["groups"], record["grouped"]) == (12, 12, False), "each picture is a group"
    assert metrics["auroc"]["value"] == pytest.approx(roc_auc_score(labels, fake), abs=1e-3)
    assert metrics["average_precision"]["value"] == pytest.approx(average_precision_score(labels, fake), abs=1e-3)
    assert metrics["accuracy_real"]["value"] == pytest.approx((fake[labels == 0] < 0.5).mean(), abs=1e-4)
    limit = read_config(run.data.model).uncertain_below
    assert record["uncertain"]["value"] == pytest.approx((np.maximum(fake, 1 - fake) < limit).mean(), abs=1e-4)
    assert record["uncertain"]["low"] <= record["uncertain"]["value"] <= record["uncertain"]["high"]
    assert (record["sources"], record["used_for_choosing"]) == (["a study"], True)


def test_the_command_writes_a_record_with_its_settings_and_no_path(run, labelled, capsys):
    arguments = ["evaluate", str(labelled), "--root", str(run.data.root), "--profile", "smoke", "--out", str(run.out)]
    shutil.copytree(run.data.model, run.out / "products/data/model")
    assert main(arguments) == 0
    assert "12 pictures: AUROC" in capsys.readouterr().out
    text = (run.out / "metrics/external.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert {"seed", "versions", "device", "wall_seconds", "files_sha256", "classifier"} <= set(record)
    assert record["stage"] == "evaluate"
    assert not MACHINE_PATH.search(text)
    assert str(labelled) not in text
    bad = write(labelled / "0_real/late.jpg", b"x")
    assert main(arguments) == 1
    assert f"{bad}: the file is no image" in capsys.readouterr().out
    assert json.loads((run.out / "metrics/external.json").read_text(encoding="utf-8"))["failed"] == 1


def test_a_second_call_predicts_nothing_again(run, labelled, monkeypatch):
    first, _ = evaluate_folder(run, labelled, "external")
    monkeypatch.setattr(FastClassifier, "predict", lambda *_: pytest.fail("predicted before"))
    assert evaluate_folder(run, labelled, "external")[0] == first


def test_the_hash_follows_contents_and_labels_and_not_the_place(run, labelled, tmp_path):
    hashes = [evaluate_folder(run, labelled, "external")[0]["files_sha256"]]
    moved = shutil.copytree(labelled, tmp_path / "moved")
    hashes.append(evaluate_folder(run, moved, "external")[0]["files_sha256"])
    shutil.move(moved / "1_fake/a000.png", moved / "0_real/a000.png")
    hashes.append(evaluate_folder(run, moved, "external")[0]["files_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_pictures_of_the_training_are_left_out(run, labelled):
    trained_on = next((run.data.root / "data/train/1_fake").iterdir())
    shutil.copy(trained_on, labelled / "1_fake/copy.jpg")
    record, _ = evaluate_folder(run, labelled, "external")
    assert (record["left_out"], record["metrics"]["n"]) == (1, 12)


def test_so_are_those_of_a_root_without_manifest(run, small_root, labelled):
    small_root.manifest.unlink()
    own = dataclasses.replace(run, data=dataclasses.replace(run.data, root=small_root.root))
    shutil.copy(next((small_root.train / "1_fake").iterdir()), labelled / "1_fake/copy.jpg")
    record, _ = evaluate_folder(own, labelled, "external")
    assert (record["left_out"], record["metrics"]["n"]) == (1, 12)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(run, labelled):
    os.mkfifo(labelled / "0_real/pipe.jpg")
    _, failed = evaluate_folder(run, labelled, "external")
    assert ["no regular file" in row["error"] for row in failed] == [True]


def test_other_layouts_are_understood_and_of_splits_the_test_is_taken(run, labelled, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(labelled / "0_real", tmp_path / f"cifake/{split}/REAL")
        shutil.copytree(labelled / "1_fake", tmp_path / f"cifake/{split}/FAKE")
    assert evaluate_folder(run, tmp_path / "cifake", "cifake")[0]["metrics"]["n"] == 12
    table = tmp_path / "list.csv"
    rows = [f"elsewhere/{p.parent.name}/{p.name},{p.parent.name[0]},{p.stem}" for p in find_images([labelled])]
    table.write_text("\n".join(["path,label,group", *rows]))
    record, _ = evaluate_folder(run, table, "listed")
    assert record["grouped"]
    assert record["metrics"]["groups"] == 6


@pytest.mark.parametrize(
    "name, sources, message",
    [
        ("resnet34", (), "holds the metrics of another command"),
        ("../x", (), "is no name for metrics"),
        ("external", ("/home/me/pictures",), "names a path of this machine"),
    ],
)
def test_names_that_cannot_be_published_are_refused(run, labelled, name, sources, message):
    write(run.out / "metrics/resnet34.json", b'{"stage": "resnet34"}')
    with pytest.raises(ValueError, match=message):
        evaluate_folder(run, labelled, name, sources)


@pytest.mark.people_have(
    "a labelled folder in which the pictures of one class cannot be read",
    "read",
    "the accuracy on the other class, and that there is no AUROC",
)
def test_of_one_class_what_can_be_computed_is(run, labelled, capsys):
    for path in (labelled / "1_fake").iterdir():
        path.write_bytes(b"x")
    shutil.copytree(run.data.model, run.out / "products/data/model")
    arguments = ["evaluate", str(labelled), "--root", str(run.data.root), "--profile", "smoke", "--out", str(run.out)]
    assert main(arguments) == 1
    output = capsys.readouterr().out
    assert "6 pictures: AUROC –" in output
    assert "hold no AI images, so there is no AUROC" in output
    record = json.loads((run.out / "metrics/external.json").read_text(encoding="utf-8"))
    assert record["failed"] == 6
    assert record["metrics"]["auroc"] == {"value": None, "low": None, "high": None}
    assert record["metrics"]["accuracy_real"]["value"] is not None


@pytest.mark.people_have(
    "a folder that holds photographs alone, or AI images alone, to measure the classifier on",
    "read",
    "the accuracy on that class; an import and training still ask for both",
)
@pytest.mark.parametrize("gone, there", [("0_real", "fake"), ("1_fake", "real")])
def test_a_folder_of_one_class_is_measured(run, labelled, gone, there, capsys):
    shutil.rmtree(labelled / gone)
    metrics = evaluate_folder(run, labelled, "external")[0]["metrics"]
    assert f"all are {there}" in capsys.readouterr().out
    assert metrics["n"] == 6
    assert metrics["auroc"]["value"] is None


def test_beside_a_folder_of_an_unknown_class_one_class_is_not_enough(run, labelled):
    (labelled / "0_real").rename(labelled / "monday")
    with pytest.raises(ValueError, match="found only fake pictures"):
        evaluate_folder(run, labelled, "external")


def test_a_test_split_of_one_class_is_measured(run, labelled, tmp_path):
    shutil.copytree(labelled, tmp_path / "splits/train")
    shutil.copytree(labelled / "1_fake", tmp_path / "splits/test/1_fake")
    metrics = evaluate_folder(run, tmp_path / "splits", "splits")[0]["metrics"]
    assert metrics["n"] == 6
    assert metrics["accuracy_real"]["value"] is None


def test_a_folder_without_any_usable_picture_is_one_sentence(run, labelled):
    for path in labelled.rglob("*.*"):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match="elsewhere has no usable picture: "):
        evaluate_folder(run, labelled, "external")
    for label in ("0_real", "1_fake"):
        shutil.rmtree(labelled / label)
    with pytest.raises(ValueError, match="layout is not understood"):
        evaluate_folder(run, labelled, "external")
