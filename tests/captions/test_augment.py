"""Augmenting without a key: the offline author, refusals, and base captions that lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aireal.captions.augment import augment
from aireal.captions.diversity import rejections
from aireal.captions.language import validate
from aireal.captions.language.grammar import parse, render
from aireal.captions.table import parsed_json
from helpers.captions import make_record, make_row


def test_without_a_key_the_offline_author_is_named_plainly(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    lines: list[str] = []
    rows = [make_row(i) for i in range(4)]
    result = augment(rows, "auto", n=3, say=lines.append)
    assert "not by Claude" in lines[0]
    assert result.author == "offline"
    assert result.cost_usd == 0
    assert {row.author for row in result.rows} == {"base", "offline"}
    assert len(result.rows) == 4 * 2 * (1 + 3)
    assert [(row.author, row.language) for row in result.rows[:2]] == [("base", "ko"), ("base", "en")]
    for answer in result.rows:
        parsed = parse(answer.sentence)
        assert parsed.label == answer.label
        assert parsed.probability == answer.probability
        assert parsed.region == answer.region
        assert parsed.language == answer.language
        assert answer.parse == parsed_json(parsed)
    assert result.rows == augment(rows, "offline", n=3, say=str).rows


def test_claude_without_a_key_or_journal_is_refused(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ValueError, match="ANTHROPIC_API_KEY"):
        augment([make_row()], "claude")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(ValueError, match="journal_path"):
        augment([make_row()], "claude")
    with pytest.raises(ValueError, match="choose auto, offline, claude"):
        augment([make_row()], "gpt")
    with pytest.raises(ValueError, match="at least one"):
        augment([make_row()], "offline", n=0)


def test_a_base_caption_that_lies_is_left_out_and_the_rest_goes_on():
    lying = make_row(1)
    lying = replace(lying, captions=lying.captions | {"ko": render(make_record(2), "ko")})
    result = augment([make_row(0), lying, make_row(0)], "offline", n=1, say=str)
    assert {row.image for row in result.rows} == {"사진_0.png"}
    assert [(r.image, r.language) for r in result.rejected] == [("사진_1.png", "ko"), ("사진_0.png", "ko")]
    assert "class" in rejections(result)["reason"][0]
    assert "twice" in rejections(result)["reason"][1]


def test_each_sentence_is_parsed_once_on_its_way_to_the_table(monkeypatch):
    texts: Counter = Counter()
    monkeypatch.setattr(validate, "parse", lambda text: texts.update([text]) or parse(text))
    result = augment([make_row(i) for i in range(4)], "offline", n=3, say=str)
    assert {texts[row.sentence] for row in result.rows} == {1}
