"""The pictures of the demonstration: proposals, or test pictures where a dataset has none."""

from __future__ import annotations

from dataclasses import replace

from aireal.config import DatasetRoot
from aireal.core.run import Run, start
from aireal.dataset.manifest import load_items
from aireal.stages.demo import select_pictures
from aireal.stages.predict_testset import caption_split
from helpers.images import SAMPLE


def with_root(run: Run, root: DatasetRoot, count: int = 4) -> Run:
    return replace(run, data=replace(run.data, root=root.root), profile=replace(run.profile, demo_images=count))


def test_the_samples_proposals_alternate(tmp_path):
    run = start("demo", "sample", SAMPLE, out=tmp_path)
    pictures = select_pictures(run)
    assert [truth for _, truth in pictures] == ["fake", "real"] * 2
    assert all(path.parent.name == "proposal_images" for path, _ in pictures)


def test_a_dataset_without_proposals_shows_test_pictures_that_paligemma_does_not_learn(small_root, tmp_path, capsys):
    run = with_root(start("demo", "smoke", SAMPLE, out=tmp_path), small_root)
    pictures = select_pictures(run)
    items = {small_root.root / item.path: item for item in load_items(small_root)}
    assert pictures
    assert all(items[path].split == "test" for path, _ in pictures)
    unseen = [caption_split(items[path].group) == "test" for path, _ in pictures]
    said = capsys.readouterr().out
    assert "has no proposal images, so test pictures are shown" in said
    assert all(unseen) == ("not trained on" in said)
