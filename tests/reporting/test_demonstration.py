"""The pictures of the demonstration in READMEs and docs: which are shown, and what is said below each."""

from __future__ import annotations

import re

import pytest

from aireal.reporting.publish import READMES
from aireal.reporting.tables.demonstration import full_results, three_results


def pictures(*kinds: tuple[str, str, bool]) -> dict:
    """A demonstration with pictures a, b, c, ... of (truth, label, uncertain)."""
    texts = {f"{name}_{language}": name for name in ("verdict", "sentence") for language in READMES}
    lists = {f"{name}_{language}": [name] for name in ("features", "trust") for language in READMES}
    images = [
        {"image": "abcdef"[k], "truth": truth, "label": label, "uncertain": uncertain, **texts, **lists}
        for k, (truth, label, uncertain) in enumerate(kinds)
    ]
    return {"demo": {"images": images}}


@pytest.mark.parametrize(
    "language, titles",
    [("en", ("Right and sure", "Right, but uncertain", "Wrong")), ("ko", ("맞음 · 확실", "맞음 · 불확실", "틀림"))],
)
def test_the_readme_shows_one_right_and_sure_one_uncertain_one_wrong(language, titles):
    metrics = pictures(("fake", "real", False), ("real", "real", True), ("fake", "fake", True), ("real", "real", False))
    shown = three_results(metrics, language)
    assert re.findall(r"`(\w)`", shown) == ["d", "b", "a"]
    assert [shown.index(title) for title in titles] == sorted(shown.index(title) for title in titles)
    assert re.findall(r"readme_images/(\w+)\.png", shown) == ["4_x", "4_lime", "2_x", "2_lime", "1_x", "1_lime"]


@pytest.mark.parametrize("language", READMES)
def test_a_check_that_failed_stands_below_the_sentence_that_it_speaks_of(language):
    metrics = pictures(("real", "real", False))
    lines = ["◐ mixed", "● sure", "○ not there", "○ nor there"]
    metrics["demo"]["images"][0][f"trust_{language}"] = lines
    for shown, expected in (
        (three_results(metrics, language), lines[2:]),
        (full_results(metrics, language, "readme_images"), [lines[0], *lines[2:]]),
    ):
        assert [text for text in re.split("<br>|\n", shown) if text[:1] in "●◐○" and text] == expected


def test_a_picture_that_lime_could_not_explain_has_no_figure_of_it():
    metrics = pictures(("real", "real", False))
    metrics["demo"]["images"][0]["features_en"] = []
    assert "lime" not in three_results(metrics, "en")
