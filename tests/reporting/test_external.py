"""README, card and docs say plainly how good the classifier is: on the sample's test and, where it was measured, on
pictures from elsewhere."""

from __future__ import annotations

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from aireal.config import REPOSITORY
from aireal.reporting.model_card import model_card
from aireal.reporting.readme import render_blocks, render_pages
from aireal.reporting.tables.external import external_table, plain_words
from aireal.reporting.tables.metrics import read_metrics

STUDIES = ["jane/study-of-faces", "joe/playground"]
MEANING = {
    "en": ("coin toss: never rely on it", "a hint and never a proof"),
    "ko": ("믿고 쓰지 마세요", "증거가 아닙니다"),
}


def estimate(value: float) -> dict:
    return {"value": value, "low": round(value - 0.05, 4), "high": round(value + 0.05, 4)}


def external(auroc: float, **changes) -> dict:
    """A record of `python -m aireal evaluate` with made-up figures."""
    names = ("average_precision", "accuracy", "accuracy_real", "accuracy_fake", "ece")
    metrics = {"n": 276, "groups": 276, "auroc": estimate(auroc), **dict.fromkeys(names, estimate(0.61))}
    return {
        "stage": "evaluate",
        "classifier": {"architecture": "resnet34", "initial_weights": "backbone (this repository)"},
        "device": "cpu",
        "seed": 7,
        "versions": {"torch": "2"},
        "sources": STUDIES,
        "used_for_choosing": True,
        "metrics": metrics,
        "uncertain": estimate(0.42),
        "error_certain": estimate(0.33),
        "grouped": False,
    } | changes


@pytest.fixture
def folder(tmp_path):
    """The committed metrics, with external.json."""
    path = shutil.copytree(REPOSITORY / "metrics", tmp_path / "metrics")
    (path / "external.json").write_text(json.dumps(external(0.71)))
    return path


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_readme_states_both_figures_their_sources_and_what_they_mean(folder, language):
    text = render_blocks(folder, language)["plain"]
    test = read_metrics(folder)["resnet34"]["test"]
    assert f"{test['auroc']['value']:.3f} [" in text
    assert "0.710 [0.660, 0.760]" in text
    assert all(study in text for study in STUDIES)
    assert {"en": "optimistic", "ko": "실제보다 좋게"}[language] in text
    assert MEANING[language][1] in text
    assert {"en": "about 71 of 100", "ko": "약 71쌍"}[language] in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_interval_with_one_half_and_a_low_figure_are_called_a_coin_toss(language):
    metrics = read_metrics(REPOSITORY / "metrics")
    words = {auroc: plain_words(metrics | {"external": external(auroc)}, language) for auroc in (0.54, 0.56, 0.62)}
    assert MEANING[language][0] in words[0.54]
    assert MEANING[language][0] in words[0.56], "better than chance, and no better to rely on"
    assert MEANING[language][1] in words[0.62]
    measurably = {"en": "not measurably better", "ko": "낫다고 할 근거가 없으니"}[language]
    assert [measurably in text for text in words.values()] == [True, False, False]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_readmes_table_has_it_beside_the_classifier_that_was_measured_and_no_other(folder, language):
    lines = render_blocks(folder, language)["classifiers"].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [row for row in rows if "0.710 [0.660, 0.760]" in row] == [
        row for row in rows if row.startswith("| resnet34 | ") and ("backbone" in row or "백본" in row)
    ]
    assert all(row.endswith("| – |") for row in rows if "0.710" not in row)


def test_figures_that_nothing_was_chosen_by_are_not_called_optimistic():
    metrics = read_metrics(REPOSITORY / "metrics") | {"external": external(0.7, used_for_choosing=False, sources=[])}
    assert "optimistic" not in plain_words(metrics, "en")
    assert "optimistic" not in external_table(metrics).markdown()
    assert "elsewhere ()" not in plain_words(metrics, "en")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_without_a_measurement_the_command_is_named_and_no_figure_claimed(language):
    metrics = {name: record for name, record in read_metrics(REPOSITORY / "metrics").items() if name != "external"}
    assert "python -m aireal evaluate DIR" in plain_words(metrics, language)


def test_the_docs_have_test_and_elsewhere_side_by_side(folder):
    table = render_pages(folder)["docs/classifier.md"]["external"]
    rows = {line.split(" | ")[0].strip("| "): line for line in table.splitlines() if line.startswith("|")}
    assert "| 208 | 276 |" in rows["pictures"]
    assert "0.710 [0.660, 0.760]" in rows["AUROC"]
    assert "42.0% [37.0, 47.0]" in rows["verdicts marked uncertain"]
    assert "33.0% [28.0, 38.0]" in rows["error of the other verdicts"]
    assert "no test" in table


def test_where_every_verdict_is_uncertain_there_is_no_error():
    none = {"value": None, "low": None, "high": None}
    metrics = read_metrics(REPOSITORY / "metrics") | {"external": external(0.7, error_certain=none)}
    assert external_table(metrics).rows[-1][-1] == "–"


def test_the_model_card_says_it_too(folder):
    text = model_card(folder)
    assert "The classifier on pictures from elsewhere" in text
    assert "How good is a verdict?" in text
    assert "see the pictures from elsewhere under Figures" in text
    assert "never" in text.split("\n# aireal", 1)[1].split("##", 1)[0], "said before anything else"
    elsewhere = [r for r in ModelCard(text).data.eval_results if r.dataset_split == "external"]
    assert [r.metric_value for r in elsewhere if r.metric_type == "roc_auc"] == [0.71]
    assert all(study in elsewhere[0].dataset_name for study in STUDIES)
    (folder / "external.json").unlink()
    assert "not in training: not measured, and likely worse" in model_card(folder)


def test_a_committed_measurement_is_of_the_committed_classifier():
    metrics = read_metrics(REPOSITORY / "metrics")
    if "external" in metrics:
        classifier, ours = metrics["external"]["classifier"], metrics["resnet34"]
        assert (classifier["temperature"], classifier["bias"]) == (ours["temperature"], ours["bias"])
