"""Pictures without a heatmap: one colour, or evidence that is negative everywhere. They keep their verdict."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aireal import load_explainer
from aireal.captions.table import Rows, read_rows
from aireal.cli import main
from aireal.core.run import Run
from aireal.explain import gradcam
from aireal.explain.predictor import Predictor
from aireal.explain.trust import NO_HEATMAP
from aireal.stages.demo import demonstrate
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from aireal.stages.predict_table import predict_table
from aireal.stages.predict_testset import predict_test_set
from helpers.images import SAMPLE, encoded, write

COLOURS = {"gray": (128, 128, 128), "black": (0, 0, 0), "white": (255, 255, 255), "green": (90, 120, 90)}
COMMAND = ["--profile", "smoke", "--root", str(SAMPLE)]


def one_colour(name: str) -> bytes:
    return encoded(Image.new("RGB", (256, 200), COLOURS[name]), "PNG")


@pytest.fixture
def flat_folder(tmp_path):
    for name in COLOURS:
        write(tmp_path / "in" / f"{name}.png", one_colour(name))
    return tmp_path / "in"


@pytest.fixture
def explainer(smoke_run):
    with Explainer(Predictor(smoke_run.data.model, smoke_run.device), lime_samples=32) as ready:
        yield ready


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.people_have(
    "a picture of one colour: constant gray, a black frame, white",
    "read",
    "There is no heatmap, because no place in this picture stands out. The verdict is not affected.",
)
def test_the_command_gives_each_its_verdict_and_a_sentence(smoke_run, flat_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["explain", str(flat_folder), "--out", str(out), "--report", *COMMAND]) == 0
    lines = lines_of(out / "explain.jsonl")
    assert [line["label"] in ("real", "fake") for line in lines] == [True] * len(COLOURS)
    assert "no heatmap" in capsys.readouterr().out
    for line in lines:
        assert (line["region"], line["peak"], line["cues"], line["overlay"]) == (None, None, None, None)
        assert NO_HEATMAP[1] in line["note"]
        assert "one flat area" in line["note"], "LIME's reason stands there, too"
        assert f"{line['probability']:.2f}%" in line["sentence_en"]
        assert "there is no heatmap" in line["sentence_en"]
        assert "히트맵은 없습니다" in line["sentence_ko"]
        assert not re.search(r"\(\w\)", line["sentence_ko"]), "no particle is left undecided"
        with Image.open(out / line["panel"]) as panel:
            assert panel.width > 700
    assert NO_HEATMAP[1] in (out / "report.html").read_text(encoding="utf-8")


def test_predict_and_explain_give_the_same_verdict(smoke_run, explainer, flat_folder, tmp_path):
    files = sorted(flat_folder.iterdir())
    for row, path in zip(
        predict_table(files, smoke_run.data.model, tmp_path / "p.csv", exact=True), files, strict=True
    ):
        record = explainer.explain_without_lime(path).record
        assert row["error"] == ""
        assert row["label"] == record.label
        assert float(row["probability"]) == pytest.approx(record.probability, abs=0.02)


def test_a_second_call_explains_nothing_again(explainer, flat_folder, tmp_path):
    files, out, lines = sorted(flat_folder.iterdir()), tmp_path / "out", tmp_path / "l.jsonl"
    explain_files(files, out, explainer, lines)
    first = lines.read_text(encoding="utf-8")
    explain_files(files, out, explainer, lines)
    assert lines.read_text(encoding="utf-8") == first


def test_the_api_has_no_overlay_and_says_why(smoke_run, small_root):
    shutil.copytree(smoke_run.data.model, small_root.model)
    with load_explainer(small_root.root, "sample", captions=False) as explainer:
        explanation = explainer.explain(one_colour("gray"), "gray.png")
    assert explanation.record.probability >= 50
    assert explanation.overlay is None
    assert explanation.picture.heatmap is None
    assert explanation.lime is None
    assert NO_HEATMAP[1] in explanation.note
    assert json.loads(json.dumps(explanation.to_dict()))["region"] is None


@pytest.mark.people_have(
    "a photograph whose heatmap is zero everywhere",
    "read",
    "There is no heatmap, because no place in this picture stands out. The verdict is not affected.",
)
def test_a_flat_map_leaves_verdict_lime_and_its_test(explainer, photograph, monkeypatch):
    expected = explainer.explain(encoded(photograph, "PNG")).record
    flat = lambda maps: (np.zeros_like(np.asarray(maps)), np.zeros(len(maps), bool))  # noqa: E731
    monkeypatch.setattr(gradcam, "_flat_as_zero", flat)
    explanation = explainer.explain(encoded(photograph, "PNG"))
    record = explanation.record
    assert (record.label, record.probability) == (expected.label, expected.probability)
    assert record.lime == expected.lime
    assert record.lime_removal == expected.lime_removal
    assert (record.region, record.region_removal, record.agreement) == (None, None, None)
    keys = [statement["key"] for statement in explanation.to_dict()["trust"]]
    assert "heatmap" in keys
    assert explanation.panel().get_size_inches()[0] > 8, "LIME's picture is on the panel"


def nearly_flat() -> dict[str, Image.Image]:
    gray = np.full((200, 200, 3), 128, np.uint8)
    pixel, halves, ramp = gray.copy(), gray.copy(), gray.copy()
    pixel[100, 100] = 255
    halves[:, 100:] = 0
    ramp[:] = np.linspace(0, 255, 200, dtype=np.uint8)[:, None]
    return {"one other pixel": pixel, "two halves": halves, "a gradient": ramp}


@pytest.mark.people_have(
    "a picture that is nearly one colour: two halves, a gradient, one other pixel",
    "read",
    "verdict, heatmap and superpixels as for any picture",
)
@pytest.mark.parametrize("name", nearly_flat())
def test_a_nearly_flat_picture_is_explained_as_any_other(explainer, name):
    explanation = explainer.explain(encoded(Image.fromarray(nearly_flat()[name]), "PNG"), "x.png")
    assert explanation.record.label in ("real", "fake")
    assert explanation.lime, explanation.note
    assert np.isfinite([feature.weight for feature in explanation.lime.features]).all()
    assert explanation.panel()


@pytest.fixture
def flat_test_run(smoke_run, small_root, tmp_path) -> Run:
    """A run whose test split holds one more picture, of one colour."""
    shutil.copytree(smoke_run.data.model, small_root.model)
    rows = small_root.manifest.read_text(encoding="utf-8-sig").splitlines()
    sample = next(row for row in csv.DictReader(rows) if row["split"] == "test")
    path = sample["path"].rsplit("/", 1)[0] + "/flat.png"
    write(small_root.root / path, one_colour("black"))
    values = sample | {"path": path, "group": "flat"}
    with small_root.manifest.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, list(sample), lineterminator="\n").writerow(values)
    return replace(smoke_run, data=small_root, out=tmp_path / "out", profile=replace(smoke_run.profile, limit=None))


def test_a_test_set_keeps_the_verdict_and_writes_no_sentence_to_learn_from(flat_test_run):
    table, errors = predict_test_set(flat_test_run)
    assert errors == []
    row = next(row for row in table.to_dict("records") if row["image"].endswith("flat.png"))
    assert row["label"] in ("real", "fake")
    assert not row["overlay"]
    assert "there is no heatmap" in row["caption_en"]
    every = [row.image for row in Rows(flat_test_run.data.table, without_heatmap=True)]
    assert set(every) - {row.image for row in read_rows(flat_test_run.data.table)} == {row["image"]}


def test_notebook_07_shows_a_folder_with_a_flat_picture(flat_test_run, tmp_path, photograph):
    write(tmp_path / "mine" / "1.png", one_colour("white"))
    write(tmp_path / "mine" / "2.png", encoded(photograph, "PNG"))
    flat, other = demonstrate(flat_test_run, str(tmp_path / "mine"))
    assert flat["region"] is None
    assert flat["features_en"] == []
    assert NO_HEATMAP[1] in flat["note"]
    assert len(other["features_en"]) >= 6
    figures = flat_test_run.out / "readme_images"
    assert (figures / "1_x.png").is_file()
    assert (figures / "2_lime.png").is_file()
    assert not (figures / "1_lime.png").exists()
