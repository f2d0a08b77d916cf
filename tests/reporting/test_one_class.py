"""README, cards, report and summary of a run whose test has pictures of one class."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from aireal.classifier.metrics import curves, with_intervals
from aireal.classifier.one_class import one_class_note
from aireal.config import REPOSITORY
from aireal.reporting.html.report import render
from aireal.reporting.html.sections import tiles
from aireal.reporting.model_card import model_card
from aireal.reporting.readme import render_blocks
from aireal.reporting.tables.external import external_block, plain_words
from aireal.reporting.tables.metrics import CLASSIFIERS, read_metrics, summary_rows

MISSING = {"real": ("no photographs", "사진이 없으므로"), "fake": ("no AI images", "AI 이미지가 없으므로")}
NONE = {"value": None, "low": None, "high": None}


def measured(missing: str) -> tuple[dict, dict]:
    """Metrics and curves of twelve pictures of one class."""
    fake, labels = np.linspace(0.1, 0.9, 12), np.full(12, int(missing == "real"))
    return with_intervals(fake, labels, [str(k) for k in range(12)], 7, 50), curves(fake, labels)


@pytest.fixture(params=MISSING, ids=lambda name: f"no {name}")
def missing(request):
    return request.param


@pytest.fixture
def folder(tmp_path, missing):
    """The committed metrics, as they are where the test has pictures of one class."""
    path = shutil.copytree(REPOSITORY / "metrics", tmp_path / "metrics")
    test, drawn = measured(missing)
    for name in (*CLASSIFIERS, "predict"):
        if (file := path / f"{name}.json").is_file():
            change = {"test": test, "unseen_generators": None, **drawn}
            file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | change), encoding="utf-8")
    (path / "external.json").unlink(missing_ok=True)  # of another set, which has both classes
    file = path / "comparison.json"
    comparison = json.loads(file.read_text(encoding="utf-8"))
    pairs = [pair | {"difference": NONE} for pair in comparison["pairs"]]
    file.write_text(json.dumps(comparison | {"pairs": pairs}), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_readme_says_what_cannot_be_computed(folder, missing, language):
    blocks = render_blocks(folder, language)
    words = MISSING[missing][language == "ko"]
    assert words in blocks["plain"]
    assert words in blocks["classifiers"]
    assert "None" not in "".join(blocks.values())
    assert "nan" not in "".join(blocks.values()).split()


def test_the_card_has_the_figures_that_there_are_and_no_others(folder, missing):
    card = model_card(folder)
    assert MISSING[missing][0] in card
    assert "AUROC (95% interval" not in card
    assert "accuracy (95% interval" in card
    expected = {"real": "of AI images are called real.", "fake": "of photographs are called AI-made."}[missing]
    assert expected in card


def test_the_report_has_no_tile_of_what_is_missing(folder, missing):
    metrics = read_metrics(folder)
    keys = {tile.key for tile in tiles(metrics)}
    assert keys & {"auroc", "false_alarm", "missed"} == {{"real": "missed", "fake": "false_alarm"}[missing]}
    page = render(metrics, [])
    assert MISSING[missing][0] in page
    assert 'class="forest"' not in page


def test_the_summary_of_a_run_has_a_dash(folder):
    rows = dict(summary_rows(folder))
    assert rows["resnet34, test AUROC"].startswith("–, from")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_pictures_from_elsewhere_of_one_class(missing, language):
    metrics = read_metrics(REPOSITORY / "metrics")
    found, _ = measured(missing)
    rate = {"value": 0.4, "low": 0.3, "high": 0.5}
    metrics["external"] = {
        "classifier": {"architecture": "resnet34", "initial_weights": "random"},
        "device": "cpu", "seed": 7, "versions": {"torch": "2"}, "sources": ["a study"], "used_for_choosing": False,
        "metrics": found, "uncertain": rate, "error_certain": rate, "grouped": False,
    }  # fmt: skip
    text = plain_words(metrics, language)
    assert one_class_note(found, language) in text
    assert "(a study)" in text
    assert "None" not in text + external_block(metrics)
    assert ".." not in text
