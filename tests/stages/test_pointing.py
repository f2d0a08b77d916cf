"""The pointing game on files: a known answer is found, a stopped run resumes, and the command writes its metrics."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageFilter

from aireal.commands.stages import Measure
from aireal.config import LABELS, PROFILES, REPOSITORY, DatasetRoot
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items, write_manifest
from aireal.figures.pointing import plot_pointing
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.metrics import read_metrics
from aireal.reporting.tables.pointing import pointing_figure, pointing_rows
from aireal.stages import pointing as stage
from helpers.images import SAMPLE
from helpers.planted_models import PlantedPredictor, Speckles, speckled

SIDE = 48


@pytest.fixture
def planted(tmp_path, monkeypatch) -> Run:
    """A root of eight photographs (green speckles) and eight AI images (red ones), and a classifier that sees them."""
    write_pictures(tmp_path / "root", {0: lambda k: speckled(k, 0), 1: lambda k: speckled(20 + k, 1)}, own_groups=True)
    monkeypatch.setattr(stage, "Predictor", lambda *_: PlantedPredictor(Speckles(), SIDE))
    monkeypatch.setattr(stage, "prepare_quantized", lambda *_: None)
    profile = replace(PROFILES["smoke"], lime_samples=200)
    data = DatasetRoot.at(tmp_path / "root", tmp_path / "products")
    return Run("tests", profile, data, tmp_path, 7, torch.device("cpu"))


def write_pictures(root, of_class: dict, own_groups: bool, count: int = 8) -> DatasetRoot:
    items = []
    for label, picture in of_class.items():
        for k in range(count):
            path = f"test/{LABELS[label]}/{k}.png"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(k)).save(root / path)
            items.append(Item(path, "", label, "test", f"{label}/{k}" if own_groups else str(k)))
    write_manifest(root / "manifest.csv", items)
    return DatasetRoot.at(root)


def in_use(rows: list[dict]) -> dict:
    return next(row for row in rows if row["chosen"])


def lime(rows: list[dict]) -> dict:
    return next(row for row in rows if row["name"] == "lime")


def test_the_odd_one_is_found_in_mosaics_of_files(planted):
    record, errors = stage.pointing_game(planted, 8, 8)
    assert not errors
    assert (record["size"], record["quarter"], record["fully_convolutional"]) == (2 * SIDE, SIDE, True)
    for pool in ("all", "confident"):
        row = in_use(record[pool]["rows"])
        assert row["n"] == 8
        assert row["share"]["low"] > 0.95
        assert lime(record[pool]["rows"])["share"]["low"] > 0.95


def test_the_replaced_half_is_found_and_its_control_is_chance(planted, tmp_path):
    aligned = {0: lambda k: speckled(k, None), 1: lambda k: speckled(20 + k, 1)}
    record = stage.half_and_half(planted, write_pictures(tmp_path / "aligned", aligned, own_groups=False), 8, 4)
    row = in_use(record["rows"])
    assert row["share"]["low"] > 0.95
    assert row["encoded_again"]["value"] == 0.5
    assert lime(record["rows"])["n"] == 4
    fake = {name: estimate["value"] for name, estimate in record["fake"].items()}
    assert fake["photograph"] == pytest.approx(fake["encoded_again"], abs=0.01)
    assert fake["photograph"] < fake["half"] < fake["round_trip"]


@pytest.mark.fault(
    "processes", "a stop of the pointing game", "", "none is explained twice, and the figures are the same"
)
def test_a_stopped_game_is_resumed_and_gives_the_same_figures(planted, monkeypatch):
    heatmaps, explained = stage.PositiveEvidence.heatmaps, []

    def stops(*of):
        if len(explained) == 3:
            raise KeyboardInterrupt
        return counted(*of)

    def counted(*of):
        explained.append(of)
        return heatmaps(*of)

    monkeypatch.setattr(stage.PositiveEvidence, "heatmaps", stops)
    with pytest.raises(KeyboardInterrupt):
        stage.pointing_game(planted, 8, 0)
    monkeypatch.setattr(stage.PositiveEvidence, "heatmaps", counted)
    resumed = stage.pointing_game(planted, 8, 0)
    computed = len(explained)
    assert stage.pointing_game(planted, 8, 0) == resumed
    assert len(explained) == computed, "none is explained twice"
    (planted.data.products / "pointing.jsonl").unlink()
    assert stage.pointing_game(planted, 8, 0) == resumed


@pytest.mark.fault(
    "files", "a damaged picture among those of the pointing game", "its path and the reason", "the others are used"
)
def test_an_unreadable_picture_is_named_and_the_others_are_used(planted):
    broken = load_items(planted.data, "test")[0]
    (planted.data.root / broken.path).write_bytes(b"no picture")
    record, errors = stage.pointing_game(planted, 8, 0)
    assert [error["path"] for error in errors] == [broken.path]
    assert record["pictures"] == 15


def test_pictures_of_too_few_sources_are_one_sentence(planted):
    items = [replace(item, group=str(item.label)) for item in load_items(planted.data)]
    write_manifest(planted.data.manifest, items)
    with pytest.raises(ValueError, match="at least 4 sources of each class, and found 1 .* --mosaics 0"):
        stage.pointing_game(planted, 8, 0)


def test_a_classifier_that_is_rarely_right_has_no_confident_mosaics(planted, monkeypatch):
    monkeypatch.setattr(PlantedPredictor, "predict_fake", lambda self, batch: torch.zeros(len(batch)))
    record, _ = stage.pointing_game(planted, 8, 0)
    assert "found 0 of class fake" in record["confident"]["left_out"]
    sentences = stage.describe_pointing({"mosaics": record, "halves": None})
    assert "left out" in sentences[0]
    assert [row[0] for row in pointing_rows({"mosaics": record, "halves": None}, "en")] == [
        "The same with all test pictures, also those that are called wrong (8)"
    ]
    assert plot_pointing({"mosaics": record, "halves": None}).axes


def test_the_command_writes_metrics_figure_and_rows(smoke_run, tmp_path, capsys):
    shutil.copytree(smoke_run.data.model, tmp_path / "products" / "data" / "model")
    photographs = [item for item in load_items(DatasetRoot.at(SAMPLE), "test", 4) if item.label == 0]
    items = []
    for item in photographs:
        picture = Image.open(SAMPLE / item.path)
        for label, version in enumerate((picture, picture.filter(ImageFilter.GaussianBlur(1)))):
            path = f"test/{LABELS[label]}/{item.name}.png"
            (tmp_path / "aligned" / path).parent.mkdir(parents=True, exist_ok=True)
            version.save(tmp_path / "aligned" / path)
            items.append(replace(item, path=path, label=label))
    write_manifest(tmp_path / "aligned" / "manifest.csv", items)
    options = {"images": 2, "sanity": False, "heatmaps": 0, "mosaics": 8, "mosaics_lime": 0}
    command = Measure(root=SAMPLE, profile="smoke", aligned=tmp_path / "aligned", out=tmp_path, **options)
    assert command() == 0
    record = json.loads((tmp_path / "metrics" / "pointing.json").read_text())
    assert {"seed", "versions", "device"} <= set(record)
    assert len(record["mosaics"]["all"]["rows"]) == 15
    assert record["halves"]["n"] == 4
    assert (tmp_path / "readme_images" / "pointing.png").stat().st_size > 10_000
    assert set(stage.describe_pointing(record)) <= set(capsys.readouterr().out.splitlines())


@pytest.fixture
def record() -> dict:
    estimate = {"value": 0.6, "low": 0.5, "high": 0.7}
    row = {"layer": "", "control": False, "same_as": None, "flat": 0, "n": 8}
    rows = [
        row | {"name": "gradcam at x", "method": "gradcam", "layer": "x", "chosen": True, "n": 64},
        row | {"name": "layercam at x", "method": "layercam", "layer": "x", "chosen": False, "n": 64},
        row | {"name": "lime", "method": "lime", "chosen": False},
    ]
    played = {"n": 64, "rows": [of | dict.fromkeys(("share", "real", "fake"), estimate) for of in rows]}
    halves = {"rows": [of | dict.fromkeys(("share", "encoded_again", "difference"), estimate) for of in rows]}
    return {"mosaics": {"chance": 0.25, "confident": played, "all": played}, "halves": halves | {"chance": 0.5}}


@pytest.mark.parametrize("language, method", [("en", "heatmap"), ("ko", "히트맵")])
def test_the_table_has_the_heatmap_in_use_and_lime_beside_chance(record, language, method):
    metrics = read_metrics(REPOSITORY / "metrics") | {"pointing": record}
    confident, _, half = explanation_table(metrics, language).rows[-3:]
    assert "64" in confident[0]
    assert confident[1:] == (f"{method} 60.0% [50.0, 70.0], LIME 60.0% [50.0, 70.0]", "25%")
    assert f"{method} 60.0% [50.0, 70.0]" in half[2], "the control stands beside it"
    assert "pointing.png" in pointing_figure(record, language)


def test_what_was_not_measured_has_no_rows_and_no_figure(record):
    assert pointing_rows(None, "en") == []
    assert pointing_figure(None, "en") == ""
    assert len(pointing_rows(record | {"halves": None}, "en")) == 2


def test_the_figure_has_a_row_for_each_explanation_and_a_panel_for_each_test(record):
    axes = plot_pointing(record).axes
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["LIME", "gradcam · x (in use)", "layercam · x"]
    assert len(axes) == 2
    assert "n = 64, LIME 8" in axes[0].get_legend().get_texts()[0].get_text()
    assert len(plot_pointing(record | {"halves": None}).axes) == 1
