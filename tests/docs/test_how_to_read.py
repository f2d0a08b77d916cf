"""docs/how_to_read*.md: the examples are the published run's, chosen by the checks, and every check has its advice."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from aireal.config import REPOSITORY
from aireal.explain.trust import CHECKS, trust

spec = importlib.util.spec_from_file_location("render_how_to_read", REPOSITORY / "scripts" / "render_how_to_read.py")
script = sys.modules["render_how_to_read"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

ENTRIES = json.loads((REPOSITORY / "metrics" / "demo.json").read_text(encoding="utf-8"))["images"]


@pytest.mark.parametrize("language", script.PAGES)
def test_a_page_shows_the_published_run(language):
    page = script.PAGES[language]
    text = page.read_text(encoding="utf-8")
    assert script.render(page, language, REPOSITORY / "metrics") == text, "run python scripts/render_how_to_read.py"


def test_the_better_example_has_the_most_good_checks_and_the_worse_one_the_most_poor_ones():
    levels = [[statement.level for statement in trust(script.record_of(entry))] for entry in ENTRIES]
    good, bad = (ENTRIES.index(entry) for entry in script.choose(ENTRIES))
    assert good != bad
    assert levels[good].count("good") == max(row.count("good") for row in levels)
    assert levels[bad].count("poor") == max(row.count("poor") for n, row in enumerate(levels) if n != good)


def test_every_level_of_every_check_has_its_advice_in_both_languages():
    levels = {key: {"good", "fair", "poor"} - ({"fair"} if key == "verdict" else set()) for key in CHECKS}
    levels["agreement"].add("contradicted")
    assert set(script.ADVICE) == {(key, level) for key, of_key in levels.items() for level in of_key}
    assert all(len(texts) == 2 and all(texts) for texts in script.ADVICE.values())


def test_a_peak_against_the_verdict_is_not_called_a_disagreement_about_the_place():
    entry = ENTRIES[0] | {"agreement": 0.21, "agreement_chance": 0.12, "peak_contradicted": True}
    assert script.ADVICE["agreement", "contradicted"][0] in script.example(entry, "en")
    assert script.ADVICE["agreement", "poor"][0] not in script.example(entry, "en")


def test_the_page_says_how_often_sure_verdicts_are_wrong_elsewhere_or_nothing():
    record = {"error_certain": {"value": 0.4819, "low": 0.4286, "high": 0.5467}}
    assert "48.2% [42.9, 54.7] of the verdicts" in script.elsewhere(record, "en")
    assert script.elsewhere({}, "en") == script.elsewhere({"error_certain": {"value": None}}, "ko") == ""


def test_one_picture_alone_is_both_examples():
    assert script.choose(ENTRIES[:1]) == (ENTRIES[0], ENTRIES[0])
