"""The pictures of the demonstration: proposals, or test pictures where a dataset has none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from aireal.config import DatasetRoot
from aireal.core.run import Run, start
from aireal.dataset.manifest import load_items
from aireal.stages.demo import find_candidates, select_pictures
from aireal.stages.predict_testset import caption_split
from helpers.images import SAMPLE


def with_root(run: Run, root: DatasetRoot, count: int = 4) -> Run:
    return replace(run, data=replace(run.data, root=root.root), profile=replace(run.profile, demo_images=count))


def test_the_samples_proposals_alternate(tmp_path):
    run = start("demo", "sample", SAMPLE, out=tmp_path)
    pictures = find_candidates(run)
    assert [truth for _, truth in pictures] == ["fake", "real"] * 4
    assert [path.name for path, truth in pictures if truth == "fake"] == [f"fake_0{k}.jpg" for k in range(345, 349)]
    assert all(path.parent.name == "proposal_images" for path, _ in pictures)


def test_a_dataset_without_proposals_shows_test_pictures_that_paligemma_does_not_learn(small_root, tmp_path, capsys):
    run = with_root(start("demo", "smoke", SAMPLE, out=tmp_path), small_root)
    pictures = find_candidates(run)
    items = {small_root.root / item.path: item for item in load_items(small_root)}
    assert pictures
    assert all(items[path].split == "test" for path, _ in pictures)
    unseen = [caption_split(items[path].group) == "test" for path, _ in pictures]
    said = capsys.readouterr().out
    assert "has no proposal images, so test pictures are shown" in said
    assert all(unseen) == ("not trained on" in said)


class Verdicts:
    """A predictor whose verdicts are known by name: (label, uncertain)."""

    def __init__(self, verdicts: dict[str, tuple[str, bool]]):
        self.verdicts = verdicts

    def predict(self, names, images) -> list:
        found = [self.verdicts.get(name, ("fake", True)) for name in names]
        return [SimpleNamespace(record=SimpleNamespace(label=label, uncertain=uncertain)) for label, uncertain in found]


def test_right_and_sure_comes_first_then_right_and_uncertain_then_wrong(tmp_path):
    run = start("demo", "sample", SAMPLE, out=tmp_path)
    # of the others each is called an uncertain fake
    predictor = Verdicts({"real_0345.jpg": ("real", True), "real_0347.jpg": ("real", False)})
    chosen = select_pictures(find_candidates(run), predictor, 4)
    assert [path.name for path, _ in chosen] == ["real_0347.jpg", "fake_0345.jpg", "real_0346.jpg", "real_0345.jpg"]


def test_a_trained_classifier_chooses_as_many_as_are_asked_for(smoke_run):
    from aireal.explain.predictor import Predictor

    with Predictor(smoke_run.data.model, smoke_run.device) as predictor:
        chosen = select_pictures(find_candidates(start("demo", "sample", SAMPLE, out=smoke_run.out)), predictor, 3)
    assert len(set(chosen)) == 3
