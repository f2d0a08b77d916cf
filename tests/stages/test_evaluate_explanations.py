"""The selected heatmap method is stored with its classifier, and a stopped evaluation is resumed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageOps

from aireal.classifier.data import to_batch
from aireal.commands.stages import Measure
from aireal.config import DatasetRoot
from aireal.core.imagefile import open_rgb
from aireal.dataset.manifest import load_items, write_manifest
from aireal.evidence.record import EvidenceRecord
from aireal.explain.faithfulness import select_method
from aireal.explain.fast_classifier import FastClassifier
from aireal.explain.predictor import METHOD_FILE, Predictor, selected_method
from aireal.stages import evaluate_explanations as evaluation
from helpers.images import SAMPLE, encoded, noise, write


@pytest.fixture
def own_run(smoke_run, tmp_path):
    """The smoke run's classifier with products of its own."""
    shutil.copytree(smoke_run.data.model, tmp_path / "products" / "data" / "model")
    return replace(smoke_run, data=DatasetRoot.at(SAMPLE, tmp_path / "products"), out=tmp_path)


def test_a_selection_is_used_until_the_classifier_changes(own_run):
    folder = own_run.data.model
    with Predictor(folder, own_run.device) as predictor:
        fingerprint = predictor.config.fingerprint
        assert (predictor.method, predictor.layer) == ("gradcam", "")
    (folder / METHOD_FILE).write_text(
        json.dumps({"fingerprint": fingerprint, "method": "layercam", "layer": "layer3.5"})
    )
    item = load_items(own_run.data, "test", 1)[0]
    with Predictor(folder, own_run.device) as predictor:
        assert (predictor.method, predictor.layer) == ("layercam", "layer3.5")
        assert predictor.predict([item.name], [open_rgb(SAMPLE / item.path)])[0].heatmap.max() == pytest.approx(1)
    assert selected_method(folder, "of another training") == ("gradcam", "")


def test_the_predictor_uses_the_selected_heatmap_method(own_run):
    selection = evaluation.select_heatmap_method(own_run)
    stored = json.loads((own_run.data.model / METHOD_FILE).read_text())
    assert {key: stored[key] for key in ("method", "layer")} == selection["winner"]
    assert len(selection["words"]) == 2
    assert sum(row["control"] for row in selection["rows"]) == 2
    with Predictor(own_run.data.model, own_run.device) as predictor:
        assert predictor.method == selection["winner"]["method"]


def test_a_winner_that_does_not_depend_on_the_learnt_weights_is_not_selected(own_run, monkeypatch):
    below, above = {"value": 0.0, "low": -0.1, "high": 0.1}, {"value": 0.2, "low": 0.1, "high": 0.3}
    rows = [{"method": "gradcam", "layer": "layer4.2", "difference": below}]
    rows += [{"method": "layercam", "layer": "layer4.2", "difference": above}]
    words = {"choice": "LayerCAM.", "controls": "It beats both."}
    scored = {"rows": rows, "winner": rows[1], "beats_controls": True, "words": words, "n": 4}
    failed = {"steps": [{"correlation": {"value": 0.5}}]}
    monkeypatch.setattr(evaluation, "select_heatmap", lambda *_, **__: scored)
    monkeypatch.setattr(evaluation, "cascading_randomisation", lambda *_, **__: failed)
    selection = evaluation.select_heatmap_method(own_run)
    assert selection["winner"]["method"] == "gradcam"
    assert "sanity check" in selection["words"]["choice"]
    assert not selection["beats_controls"], "that is said of the map in use"
    assert "4 pictures do not show" in selection["words"]["controls"]
    assert json.loads((own_run.data.model / METHOD_FILE).read_text())["method"] == "gradcam"


def test_the_command_scores_heatmaps_on_more_pictures_without_a_new_selection(own_run, capsys):
    stored = own_run.data.model / METHOD_FILE
    stored.unlink(missing_ok=True)
    assert Measure(root=SAMPLE, profile="smoke", images=2, sanity=False, heatmaps=4, mosaics=0, out=own_run.out)() == 0
    scored = json.loads((own_run.out / "metrics" / "heatmap_all.json").read_text())
    assert scored["n"] == 4
    assert len(scored["rows"]) == 16
    assert scored["words"]["controls"] in capsys.readouterr().out
    assert (own_run.out / "readme_images" / "heatmaps.png").stat().st_size > 10_000
    assert json.loads((own_run.out / "metrics" / "explanations_all.json").read_text())["n"] == 2
    assert not stored.exists()


@pytest.mark.fault(
    "processes", "a stop while heatmap methods are scored", "", "none is scored twice, and the scores are the same"
)
def test_stopped_scoring_of_heatmaps_is_resumed_and_gives_the_same_scores(own_run, monkeypatch):
    scored, road = [], select_method.road

    def stops(*of, **how):
        if len(scored) == 3:
            raise KeyboardInterrupt
        scored.append(1)
        return road(*of, **how)

    monkeypatch.setattr(select_method, "road", stops)
    with pytest.raises(KeyboardInterrupt):
        evaluation.rescore_heatmap_methods(own_run, 2)
    monkeypatch.setattr(select_method, "road", lambda *of, **how: scored.append(1) or road(*of, **how))
    resumed = evaluation.rescore_heatmap_methods(own_run, 2)
    assert len(scored) == sum(row["same_as"] is None for row in resumed["rows"]), "none is scored twice"
    (own_run.data.products / "heatmaps.jsonl").unlink()
    again = evaluation.rescore_heatmap_methods(own_run, 2)
    assert [row["road"] for row in again["rows"]] == [row["road"] for row in resumed["rows"]]
    assert again["words"] == resumed["words"]


def test_scores_of_other_pictures_are_not_used(own_run, monkeypatch):
    before, open_item = evaluation.rescore_heatmap_methods(own_run, 2), evaluation.open_item
    monkeypatch.setattr(evaluation, "open_item", lambda *of: ImageOps.flip(open_item(*of)))
    after = evaluation.rescore_heatmap_methods(own_run, 2)
    assert after["rows"][0]["road"] != before["rows"][0]["road"]


def test_masked_pictures_are_classified_as_the_same_pictures_composed_by_hand(own_run):
    item = load_items(own_run.data, "test", 1)[0]
    with Predictor(own_run.data.model, own_run.device) as predictor:
        fast, prediction = FastClassifier(predictor), predictor.predict([item.name], [open_rgb(SAMPLE / item.path)])[0]
        pixels = prediction.pixels
        segments = (np.arange(predictor.size**2).reshape(predictor.size, -1) // (predictor.size * 24)).astype(int)
        kept = np.array([[True] * 4, [True, False, True, True], [False] * 4])
        fake = fast.predict_kept(pixels, segments, fast.floating)(kept)
        by_hand = pixels.copy()
        by_hand[24:48] = pixels[24:48].reshape(-1, 3).mean(axis=0).astype(np.uint8)
        expected = predictor.predict_fake(predictor.tensors(to_batch([pixels, by_hand]))).numpy()
    assert fake[0] == pytest.approx(prediction.probability_fake, abs=0.02), "fast and full precision are close"
    assert fake[:2] == pytest.approx(expected, abs=1e-3)


@pytest.mark.fault(
    "processes",
    "a stop while explanations are measured",
    "",
    "no picture is measured twice, and the metrics are the same",
)
def test_a_stopped_evaluation_is_resumed_and_gives_the_same_metrics(own_run, monkeypatch):
    completed = []
    complete_record = evaluation.complete_record

    def stops(picture, *more):
        if len(completed) == 2:
            raise KeyboardInterrupt
        return counted(picture, *more)

    def counted(picture, *more):
        completed.append(picture.prediction.record.image)
        return complete_record(picture, *more)

    monkeypatch.setattr(evaluation, "complete_record", stops)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate_test_set(own_run, 4)
    monkeypatch.setattr(evaluation, "complete_record", counted)
    rows, errors = evaluation.evaluate_test_set(own_run, 4)
    assert len(rows) == 4
    assert not errors
    assert len(completed) == len(set(completed)) == 4
    metrics = evaluation.explanation_metrics(rows, 7)
    assert metrics["all"]["region"]["n"] == 4
    assert metrics["all"]["lime"]["n"] == metrics["lists"]["n"] == 4
    assert 0 < metrics["all"]["agreement"]["chance"] < 0.5
    assert len(evaluation.describe_metrics(metrics)) == 9
    record = EvidenceRecord.from_dict(rows[0]["record"])
    assert record.lime
    assert record.lime[0].low <= record.lime[0].weight <= record.lime[0].high
    assert record.region_removal.random_low <= record.region_removal.random_high


@pytest.mark.fault(
    "files",
    "a damaged picture among those whose explanations are measured",
    "its path and the reason",
    "the others are measured",
)
def test_an_unreadable_test_picture_is_named_and_the_others_are_measured(own_run, small_root):
    broken = load_items(small_root, "test")[0]
    (small_root.root / broken.path).write_bytes(b"no picture")
    run = replace(own_run, data=replace(own_run.data, root=small_root.root))
    rows, errors = evaluation.evaluate_test_set(run, 2)
    assert [error["path"] for error in errors] == [broken.path]
    assert len(rows) == 1


def test_groups_of_today_count_and_a_replaced_picture_is_measured_again(own_run, small_root, monkeypatch):
    own = replace(own_run, data=DatasetRoot.at(small_root.root, own_run.data.products))
    before, _ = evaluation.evaluate_test_set(own, 2)
    items = [replace(item, group=f"new {item.group}") for item in load_items(own.data)]
    write_manifest(own.data.manifest, items)
    write(own.data.root / before[0]["path"], encoded(noise(4, 200), "JPEG"))
    measured = []
    real = evaluation._completed
    monkeypatch.setattr(
        evaluation, "_completed", lambda run, item, fast: measured.append(item.path) or real(run, item, fast)
    )
    after, _ = evaluation.evaluate_test_set(own, 2)
    assert measured == [before[0]["path"]]
    assert [row["group"] for row in after] == [f"new {row['group']}" for row in before]
