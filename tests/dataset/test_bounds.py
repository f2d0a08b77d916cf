"""A folder of 3,000 pictures: the bounded stages read only what the profile's numbers allow, and say so."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from aireal.classifier.train import ensure_classifier
from aireal.config import DatasetRoot
from aireal.core.run import Run, start
from aireal.dataset.audit.run_audit import audit_run, sample_items
from aireal.dataset.bounds import bounded_test_items, draw_items, some_items
from aireal.dataset.importing.disk import open_disk
from aireal.dataset.importing.encoding import Encoding
from aireal.dataset.importing.import_dataset import import_dataset
from aireal.dataset.manifest import Item, load_items
from aireal.stages import evaluate_explanations
from aireal.stages.caption_rows import rows_to_augment
from aireal.stages.predict_testset import caption_split, caption_splits, predict_test_set
from helpers.images import SAMPLE, encoded, noise, write

PICTURES, FRAMES = 3000, 3  # every tenth source has so many pictures


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> DatasetRoot:
    """3,000 pictures with a test split and sources of one or three pictures, imported at 32 px."""
    folder = tmp_path_factory.mktemp("large")
    lines, number, source = ["path,label,group,split,generator"], 0, 0
    while number < PICTURES:
        source += 1
        label, split = source % 2, "test" if source % 3 == 0 else "train"
        for _ in range(FRAMES if source % 10 == 0 else 1):
            number += 1
            write(folder / f"in/{number}.bmp", encoded(noise(number, 16), "BMP"))
            generator = "early" if label and source < 900 else "late" if label else ""
            lines.append(f"{number}.bmp,{label},s{source},{split},{generator}")
    write(folder / "in/pictures.csv", "\n".join(lines).encode())
    import_dataset(open_disk(folder / "in/pictures.csv", None, 7), folder / "root", Encoding(32))
    return DatasetRoot.at(folder / "root")


@pytest.fixture
def bounded(large, tmp_path) -> Run:
    """A run on a copy of the large root, with small bounds, and a classifier that saw a few pictures."""
    shutil.copytree(large.root, tmp_path / "root")
    run = start("bounds", "smoke", tmp_path / "root", out=tmp_path / "out")
    ensure_classifier(run)
    numbers = {"test_images": 24, "audit_images": 40, "caption_images": 12, "overlay_images": 2}
    return replace(run, profile=replace(run.profile, limit=None, **numbers))


def spoil_all_but(kept: list[Item], data: DatasetRoot, *folders: Path) -> None:
    """Make every picture in the folders unreadable but those, so that reading another one would be noticed."""
    paths = {data.root / item.path for item in kept}
    for path in (path for folder in folders for path in folder.rglob("*.jpg") if path not in paths):
        path.write_bytes(b"this picture was not to be read")


def test_within_the_bound_nothing_changes():
    items = load_items(DatasetRoot.at(SAMPLE), "test")
    assert draw_items(items, 2000, 7) == draw_items(items, None, 7) == items


def test_a_draw_has_both_classes_alike_whole_sources_and_follows_the_seed(large):
    items = load_items(large, "test")
    drawn = draw_items(items, 100, 7)
    labels, sources = Counter(item.label for item in drawn), Counter(item.group for item in drawn)
    assert labels == {0: 50, 1: 50}
    assert sources == {item.group: n for item in drawn for n in [sum(i.group == item.group for i in items)]}
    assert set(sources.values()) == {1, FRAMES}, "small and large sources"
    assert drawn == draw_items(items, 100, 7)
    assert set(drawn) != set(draw_items(items, 100, 8))


def test_a_few_pictures_of_a_large_split_are_not_all_from_its_beginning(bounded):
    first = [item for item in load_items(bounded.data, "test") if item.label][:8]
    assert {item.generator for item in first} == {"early"}
    assert {item.generator for item in some_items(bounded, "test", 16) if item.label} == {"early", "late"}


def test_prediction_explanation_and_captions_touch_only_the_bound(bounded, capsys, monkeypatch):
    monkeypatch.setattr(evaluate_explanations, "prepare_quantized", lambda run: None)  # slow, and on validation
    drawn, total = bounded_test_items(bounded), len(load_items(bounded.data, "test"))
    assert f"{len(drawn)} of {total:,} test images are used (test_images of the profile: 24)" in capsys.readouterr().out
    spoil_all_but(drawn, bounded.data, bounded.data.test)
    table, errors = predict_test_set(bounded)
    assert not errors
    assert set(table["image"]) == {item.path for item in drawn}
    assert len(list(bounded.data.result.iterdir())) == len(list(bounded.data.gradcam.iterdir())) == len(drawn) <= 24
    explained, errors = evaluate_explanations.evaluate_test_set(bounded, 2)
    assert not errors
    assert {row["path"] for row in explained} < {item.path for item in drawn}
    capsys.readouterr()
    rows = rows_to_augment(bounded)
    assert 10 <= len(rows) <= 12
    assert "overlays are used (caption_images of the profile: 12)" in capsys.readouterr().out
    assert Counter("1_fake" in row.image for row in rows)[True] * 2 == pytest.approx(len(rows), abs=2)
    counted = Counter(
        row.split for row in rows_to_augment(replace(bounded, profile=replace(bounded.profile, caption_images=None)))
    )
    assert counted["val"] <= 2
    assert counted["test"] <= 2
    assert counted["train"] >= 20


def test_the_audit_touches_only_the_bound(bounded, capsys):
    items = load_items(bounded.data)
    spoil_all_but(sample_items(items, 20, bounded.seed), bounded.data, bounded.data.train, bounded.data.test)
    capsys.readouterr()
    report = audit_run(bounded)
    assert report["images"] == {"0_real": 20, "1_fake": 20}
    assert report["left_out"] == report["problems"] == []
    assert f"at most 40 of {len(items):,} images are audited (audit_images of the profile)" in capsys.readouterr().out


def test_paligemmas_splits_move_whole_sources_beyond_the_bound_to_training(large):
    items = load_items(large, "test")
    splits = caption_splits(items, 40, 7)
    assert {name: n <= 40 for name, n in Counter(splits).items()} == {"train": False, "val": True, "test": True}
    by_source = {}
    for item, split in zip(items, splits):
        assert by_source.setdefault(item.group, split) == split
        assert split in ("train", caption_split(item.group)), "nothing moves into val or test"
    assert caption_splits(items, None, 7) == [caption_split(item.group) for item in items]
