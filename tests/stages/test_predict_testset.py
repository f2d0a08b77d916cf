"""Prediction of a test folder: finished rows are reused, and one bad file does not stop the others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from aireal.classifier.train import ensure_classifier
from aireal.config import REPOSITORY
from aireal.core.imagefile import open_rgb
from aireal.core.run import start
from aireal.dataset.manifest import load_items, write_manifest
from aireal.evidence.cues import region_of
from aireal.evidence.record import EvidenceRecord
from aireal.explain.gradcam import overlay
from aireal.explain.predictor import Predictor
from aireal.figures import classifier as plots
from aireal.figures import explanations as plots_explanations
from aireal.stages.evaluate_explanations import evaluate_test_set
from aireal.stages.predict_testset import CAPTION_SHARES, caption_split, predict_test_set, table_metrics
from helpers.images import encoded, noise, write


@pytest.fixture
def run(small_root, tmp_path):
    run = start("predict", "smoke", small_root.root, seed=7, out=tmp_path / "out")
    ensure_classifier(run)
    return run


@pytest.mark.fault(
    "files",
    "a damaged picture among those that are predicted for the sentences",
    "its path and the reason",
    "the rows of all others",
)
def test_a_bad_file_is_listed_and_the_rest_is_predicted(run):
    files = sorted((run.data.root / "test").rglob("*.jpg"))
    files[0].write_bytes(b"no image")
    table, errors = predict_test_set(run)
    assert len(errors) == 1
    assert errors[0]["path"].endswith(files[0].name)
    assert "no image" in errors[0]["error"]
    assert len(table) == len(files) - 1
    for row in table.itertuples():
        record = EvidenceRecord.from_dict(json.loads(row.evidence))
        if row.overlay:  # few training pictures may leave a test picture without evidence for its class
            assert record.region == row.region == region_of(row.peak_x, row.peak_y)
        assert f"{row.probability:.2f}%" in row.caption_ko
        assert f"{row.probability:.2f}%" in row.caption_en
    metrics = table_metrics(table, seed=1)
    assert metrics["test"]["n"] == len(table)
    assert sum(map(sum, metrics["confusion"])) == len(table)


@pytest.mark.fault(
    "processes", "a kill while the test set is predicted", "", "finished rows and figures are not made again"
)
def test_a_stopped_run_is_resumed(run):
    predict_test_set(run)
    journal = run.data.table.with_suffix(".jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[:2]) + lines[2][:40], encoding="utf-8")  # killed while writing the third
    before = {p.name: os.stat(p).st_mtime_ns for p in run.data.result.iterdir()}
    table, errors = predict_test_set(run)
    assert len(table) == len(lines)
    assert not errors
    again = [p.name for p in run.data.result.iterdir() if os.stat(p).st_mtime_ns != before[p.name]]
    assert len(again) == len(lines) - 2


@pytest.mark.fault(
    "weights", "rows of another classifier in the journal", "", "they are predicted again, and not mixed in"
)
def test_rows_of_another_classifier_are_not_reused(run):
    table, _ = predict_test_set(run)
    journal = run.data.table.with_suffix(".jsonl")
    lines = [json.loads(line) | {"classifier": "another"} for line in journal.read_text(encoding="utf-8").splitlines()]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    before = {p.name: os.stat(p).st_mtime_ns for p in run.data.result.iterdir()}
    again, _ = predict_test_set(run)
    assert again.equals(table)
    assert all(os.stat(p).st_mtime_ns != before[p.name] for p in run.data.result.iterdir())


def test_what_the_manifest_says_today_stands_in_the_rows_of_a_run_that_goes_on(run):
    before = predict_test_set(run)[0].set_index("image")
    items = load_items(run.data)
    changed = [replace(item, label=1 - item.label, group=f"new {item.group}", generator="G") for item in items]
    write_manifest(run.data.manifest, changed)
    after = predict_test_set(run)[0].set_index("image").loc[before.index]
    assert list(after["label_true"]) == [{"real": "fake", "fake": "real"}[label] for label in before["label_true"]]
    assert list(after["group"]) == [f"new {group}" for group in before["group"]]
    assert set(after["generator"]) == {"G"}
    assert list(after["probability_fake"]) == list(before["probability_fake"])


def test_a_picture_whose_file_was_replaced_is_predicted_again(run):
    before, _ = predict_test_set(run)
    path = run.data.root / before["image"][0]
    write(path, encoded(noise(3, 200), "JPEG"))
    after, _ = predict_test_set(run)
    assert after["probability_fake"][0] != before["probability_fake"][0]
    assert list(after["probability_fake"][1:]) == list(before["probability_fake"][1:])


def test_a_picture_that_was_replaced_and_put_back_has_its_own_figure_again(run):
    before, _ = predict_test_set(run)
    path, figure = run.data.root / before["image"][0], run.data.result / f"{Path(before['image'][0]).stem}.png"
    original, drawn = path.read_bytes(), figure.read_bytes()
    write(path, encoded(noise(3, 200), "JPEG"))
    predict_test_set(run)
    assert figure.read_bytes() != drawn
    path.write_bytes(original)
    after, _ = predict_test_set(run)
    assert after.equals(before)
    assert figure.read_bytes() == drawn


def test_caption_splits_have_their_shares_and_keep_a_source_together():
    splits = [caption_split(f"group-{i}") for i in range(4000)]
    for name, share in CAPTION_SHARES:
        assert splits.count(name) / len(splits) == pytest.approx(share, abs=0.03)
    assert len({caption_split("one source") for _ in range(5)}) == 1


@pytest.mark.people_have(
    "a test folder of AI images alone", "read", "verdict, heatmap and row of each; no AUROC, and why"
)
def test_notebook_04_goes_through_on_a_test_folder_of_one_class(run, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    items = [item for item in load_items(run.data) if (item.split, item.label) != ("test", 0)]
    write_manifest(run.data.manifest, items)
    names = {"run": run, "seed": 7, "plots": plots, "plots_explanations": plots_explanations}
    for cell in cells_with("predict_test_set(run)", "display(Image", "table_metrics(table", "nlargest(4", "regions ="):
        exec(cell, names)
    assert len(names["table"]) == 3
    assert len(shown) == 1
    assert "hold no photographs, so there is no AUROC" in capsys.readouterr().out
    record = json.loads((run.out / "metrics/predict.json").read_text(encoding="utf-8"))
    assert (record["test"]["auroc"]["value"], record["roc"]) == (None, None)
    assert record["test"]["accuracy_fake"]["value"] is not None
    explained, errors = evaluate_test_set(run, 2)
    assert explained or errors


def cells_with(*words: str) -> list[str]:
    """The code cells of notebook 04 that hold one of the words, in their order; `table_metrics` is imported earlier."""
    notebook = nbformat.read(REPOSITORY / "notebooks/04_predict_gradcam.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [source for source in sources if any(word in source for word in words)]


def test_a_test_folder_of_bad_files_alone_is_one_sentence(run):
    for path in (run.data.root / "test").rglob("*.jpg"):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match="none of the 6 test images can be used; test/"):
        predict_test_set(run)


@pytest.fixture
def twins(run):
    """The run on a root without manifest whose test pictures have the same names in both classes."""
    run.data.manifest.unlink()
    for folder in (run.data.test / "0_real", run.data.test / "1_fake"):
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(path.with_name(f"{number:04d}.jpg"))
    return run


@pytest.mark.people_have(
    "test/0_real/0000.jpg and test/1_fake/0000.jpg", "read", "each row has a figure and an overlay of its own"
)
def test_pictures_of_one_name_in_both_classes_do_not_share_an_overlay(twins):
    table, _ = predict_test_set(twins)
    drawn = table[table["overlay"] != ""]
    assert len(drawn)
    assert drawn["overlay"].is_unique
    assert len(list(twins.data.gradcam.iterdir())) == len(drawn)
    assert len(list(twins.data.result.iterdir())) == len(table)
    with Predictor(twins.data.model, twins.device) as predictor:
        for row in drawn.itertuples():
            own = predictor.predict(["x"], [open_rgb(twins.data.root / row.image)])[0]
            stored = np.asarray(Image.open(twins.data.products / row.overlay), np.int16)
            # a batch and a single picture differ by rounding, two pictures by half the range
            assert np.abs(stored - overlay(own.pixels, own.heatmap)).mean() < 2


def test_rows_whose_overlay_another_picture_has_used_are_drawn_again(twins):
    table, _ = predict_test_set(twins)
    journal = twins.data.table.with_suffix(".jsonl")
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    for line in lines:  # as versions did that named figures by the stem alone
        line["row"]["overlay"] = f"gradcam/{line['path'].rsplit('/', 1)[1].rsplit('.', 1)[0]}.png"
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    again, _ = predict_test_set(twins)
    assert again.equals(table)


def test_names_of_a_root_that_share_nothing_stay_the_pictures_own(run):
    table, _ = predict_test_set(run)
    drawn = table[table["overlay"] != ""]
    assert len(drawn)
    assert [f"gradcam/{path.rsplit('/', 1)[1].rsplit('.', 1)[0]}.png" for path in drawn["image"]] == list(
        drawn["overlay"]
    )
