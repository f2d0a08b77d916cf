"""The check passes the sample and finds planted faults."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from PIL import Image

from aireal.cli import main
from aireal.dataset.check import check
from aireal.dataset.manifest import load_items, read_manifest, write_manifest
from helpers.images import encoded, noise, write


def test_the_sample_is_sound(capsys):
    assert main(["dataset", "check"]) == 0
    assert "no problem found" in capsys.readouterr().out


@pytest.mark.parametrize(
    "fault, message",
    [
        ("missing", "does not exist"),
        ("changed", "differs from its sha256"),
        ("leak", "may be in one split only"),
        ("twin", "near-duplicates"),
        ("stray", "not in the manifest"),
        ("unbalanced", "is unbalanced"),
    ],
)
def test_the_check_finds_a_planted_fault(small_root, fault, message):
    items = read_manifest(small_root.manifest)
    assert check(small_root).problems == []
    train, test = (next(i for i in items if i.split == split) for split in ("train", "test"))
    if fault == "missing":
        (small_root.root / train.path).unlink()
    if fault == "changed":
        Image.open(small_root.root / train.path).rotate(90).save(small_root.root / train.path, quality=90)
    if fault == "leak":
        items = [dataclasses.replace(i, group=train.group) if i == test else i for i in items]
    if fault == "twin":
        picture = Image.open(small_root.root / train.path).resize((250, 250))
        items = [dataclasses.replace(i, sha256="") if i == test else i for i in items]
        write(small_root.root / test.path, encoded(picture, "JPEG", quality=60))
    if fault == "stray":
        write(small_root.test / "0_real" / "extra.jpg", encoded(noise(1), "JPEG"))
    if fault == "unbalanced":
        items = [i for i in items if not (i.split == "test" and i.label == 1)]
        shutil.rmtree(small_root.test / "1_fake")
    write_manifest(small_root.manifest, items)
    problems = check(small_root).problems
    assert problems
    assert message in " ".join(problems)


def test_a_root_that_cannot_be_trained_on_is_noted(small_root):
    items = [item for item in read_manifest(small_root.manifest) if item.split != "val"]
    write_manifest(small_root.manifest, items)
    for path in (small_root.root / "data").rglob("*.jpg"):
        if path.relative_to(small_root.root).as_posix() not in {item.path for item in items}:
            path.unlink()
    report = check(small_root)
    assert report.notes == ["no images of val 0_real, val 1_fake: such a root can be tested on, but not trained on"]
    with pytest.raises(ValueError, match="has no val images: import more pictures, or with other --shares"):
        load_items(small_root, "val")


def test_an_empty_root_and_a_bad_manifest_say_what_to_do(tmp_path, capsys):
    assert main(["dataset", "check", str(tmp_path)]) == 2
    assert "put them in data/train/0_real" in capsys.readouterr().err
    (tmp_path / "manifest.csv").write_text("path,sha256,label,split,group\nx.jpg,,2,train,g\n")
    assert main(["dataset", "check", str(tmp_path)]) == 2
    assert "line 2" in capsys.readouterr().err
