"""The tables below the notebooks' cells: every column has a name, every language its own, and texts are whole."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from aireal.captions.claude.cost_estimate import CostEstimate
from aireal.config import REPOSITORY
from aireal.stages.notebook_tables import (
    classifier_table,
    comparison_table,
    cost_table,
    feature_table,
    show_table,
    text_table,
    to_markdown,
    trust_table,
    verdict_table,
)


def metrics(name: str) -> dict:
    """A published record."""
    return json.loads((REPOSITORY / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def entry() -> dict:
    return metrics("demo")["images"][0]


def test_a_cell_ends_no_table_and_begins_no_html():
    table = to_markdown(["a|b"], [["<img src=x>\nnew line | more"]])
    assert table.splitlines() == [r"| a\|b |", "| --- |", r"| &lt;img src=x> new line \| more |"]


def test_a_table_is_shown_as_markdown_with_whole_texts(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_table(pd.DataFrame({"sentence": ["word " * 40], "n": [3]}))
    assert shown[0]["text/markdown"] == shown[0]["text/plain"]
    assert ("word " * 40).strip() in shown[0]["text/markdown"]


def test_a_classifier_has_its_quality_with_intervals_and_its_cost():
    (row,) = classifier_table([metrics("resnet34")]).to_dict("records")
    assert row["classifier"] == "resnet34"
    assert row["test AUROC"].count(",") == 1
    assert row["accuracy, AI images"].endswith("]")
    assert row["training, probe included"].endswith(" s")


@pytest.mark.parametrize(
    ("low", "high", "favours"), [(0.1, 0.3, "A"), (-0.3, -0.1, "B"), (-0.1, 0.3, "undecided: the interval includes 0")]
)
def test_a_difference_favours_one_or_decides_nothing(low, high, favours):
    comparison = metrics("comparison")
    pair = comparison["pairs"][0] | {"difference": {"value": (low + high) / 2, "low": low, "high": high}}
    (row,) = comparison_table(comparison | {"pairs": [pair]}).to_dict("records")
    assert row["favours"] == favours


def test_a_test_of_one_class_has_no_difference():
    comparison = metrics("comparison")
    pair = comparison["pairs"][0] | {"difference": {"value": None, "low": None, "high": None}}
    assert comparison_table(comparison | {"pairs": [pair]})["favours"].tolist() == ["not measured"]


def test_a_model_without_a_price_has_tokens_and_no_dollars():
    table = cost_table(CostEstimate("claude-new", False, 3, True, 100, 20, 60, None, None, None))
    values = dict(zip(table["quantity"], table["value"]))
    assert values["input tokens per image"] == "100"
    assert values["ceiling without max_usd"] == "unknown: no listed price"
    assert values["model"] == "claude-new"


def test_both_languages_of_a_picture_have_a_column_of_their_own(entry):
    for table in (text_table(entry), trust_table(entry)):
        korean, english = table["Korean"], table["English"]
        assert all(any("가" <= letter <= "힣" for letter in text) for text in korean if text != "PaliGemma")
        assert not any("가" <= letter <= "힣" for text in english for letter in text)


def test_each_check_of_the_trust_keeps_its_mark(entry):
    table = trust_table(entry)
    assert len(table) == len(entry["trust_en"])
    assert set(table["level"]) <= {"●", "◐", "○"}


def test_a_superpixel_says_what_it_speaks_for(entry):
    table = feature_table(entry)
    assert table["superpixel"].tolist() == [str(feature["superpixel"]) for feature in entry["lime"]]
    assert table["speaks for"].tolist() == ["fake" if f["weight"] > 0 else "real" for f in entry["lime"]]


def test_a_picture_of_unknown_truth_is_neither_right_nor_wrong(entry):
    rows = verdict_table([entry, entry | {"truth": "unknown"}, entry | {"truth": "real", "label": "fake"}])
    assert rows["correct"].tolist()[1:] == ["–", "no"]
