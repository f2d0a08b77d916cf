"""Metrics of variety on cases computed by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from aireal.captions.augment import augment
from aireal.captions.diversity import counts, distinct, diversity, rejections, self_bleu, similarity
from aireal.reporting.tables.captions import caption_table
from helpers.captions import make_row


def test_distinct_and_similarity_on_cases_done_by_hand():
    assert distinct(["a b a b", "a b"], 1) == pytest.approx(2 / 6)
    assert distinct(["a b a b", "a b"], 2) == pytest.approx(2 / 4)
    assert distinct(["at 98.67% now", "at 51.00% now"], 1) == pytest.approx(3 / 6), "numbers are no variety"
    assert math.isnan(distinct([], 1))
    assert math.isnan(similarity([["alone"]]))
    assert similarity([["the same words", "the same words"]]) == pytest.approx(1)
    assert similarity([["abcdef", "uvwxyz"]]) == pytest.approx(0)
    assert similarity([["abcdef", "abcdef", "uvwxyz"]]) == pytest.approx(1 / 3)


def test_self_bleu_is_the_mean_bleu_of_each_sentence_against_the_others():
    """The sentences of Papineni et al. 2002; NLTK documents 0.5046 for the first against the other three."""
    sentences = [
        "It is a guide to action which ensures that the military always obeys the commands of the party",
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ]
    # by nltk.translate.bleu_score.sentence_bleu on the words in lower case, with SmoothingFunction().method1
    expected = [0.5045666840058485, 0.488923022434901, 0.11062798553579699, 0.12175790049611575]
    assert self_bleu(sentences) == pytest.approx(sum(expected) / 4)


def test_self_bleu_by_hand():
    clipped = (
        2 / 7 * 0.1 / 6 * 0.1 / 5 * 0.1 / 4
    ) ** 0.25  # "the" counts twice of seven times; no longer n-gram matches
    other_way = math.exp(1 - 7 / 6) * (2 / 6 * 0.1 / 5 * 0.1 / 4 * 0.1 / 3) ** 0.25  # shorter than its reference
    assert self_bleu([" ".join(["the"] * 7), "the cat is on the mat"]) == pytest.approx((clipped + other_way) / 2)
    short = math.exp(1 - 8 / 4)  # all n-grams match, and half the length of its reference
    long = (4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** 0.25
    assert self_bleu(["a b c d", "a b c d e f g h"]) == pytest.approx((short + long) / 2)


def test_self_bleu_knows_copies_from_strangers():
    assert self_bleu(["a b c d e", "a b c d e", "a b c d e"]) == pytest.approx(1)
    assert self_bleu(["a b c d e", "f g h i j"]) == 0
    assert self_bleu(["at 98.67% it is so", "at 51.00% it is so"]) == pytest.approx(1), "numbers are no variety"
    assert self_bleu(["98.67% 확률로 가짜인 이미지입니다.", "51.00% 확률로 가짜인 이미지입니다"]) == pytest.approx(1)
    assert math.isnan(self_bleu(["alone"]))


def test_self_bleu_of_many_sentences_is_close_to_each_against_all_others():
    result = augment([make_row(i) for i in range(20)], "offline", n=4, say=str)
    for language in ("ko", "en"):
        sentences = [row.sentence for row in result.rows if row.author == "offline" and row.language == language]
        assert len(sentences) == 80
        assert self_bleu(sentences) == pytest.approx(self_bleu(sentences, folds=80), abs=0.02)


def test_authors_are_measured_on_equally_many_sentences_and_images_in_turn():
    result = augment([make_row(i) for i in range(6)], "offline", n=3, say=str)
    table = diversity(result.rows, sample=7).set_index(["author", "language"])
    assert set(table["measured"]) == {6}
    assert table.loc[("offline", "en"), "different"] == 1, "one sentence of each image"
    assert set(table.loc["offline", "sentences"]) == {18}
    pd.testing.assert_frame_equal(diversity(result.rows, sample=7), diversity(result.rows[::-1], sample=7))


def test_tables_for_the_notebook():
    result = augment([make_row(i) for i in range(3)], "offline", n=2, say=str)
    assert counts(result.rows).to_dict() == {"en": {"base": 3, "offline": 6}, "ko": {"base": 3, "offline": 6}}
    table = diversity(result.rows).set_index(["author", "language"])
    assert table.loc[("offline", "ko"), "sentences"] == 6
    assert 0 < table.loc[("offline", "ko"), "similarity"] < 1
    assert 0 < table.loc[("offline", "ko"), "self-BLEU"] < 1
    assert table.loc[("offline", "en"), "distinct-2"] > 0
    assert math.isnan(table.loc[("base", "en"), "similarity"])
    assert list(rejections(result).columns) == ["image", "language", "author", "sentence", "reason"]
    assert rejections(result).empty


def test_the_table_of_a_run_shows_what_cannot_be_measured_as_a_dash():
    rows = augment([make_row(i) for i in range(3)], "offline", n=2, say=str).rows
    report = {"authors": {"base": 6, "offline": 12}, "rejected": 0, "cost_usd": None}
    report["diversity"] = diversity(rows).round(4).to_dict("records")
    table = caption_table({"captions": report}, "en")
    assert [row[-1] for row in table.rows if row[0] == "base caption"] == ["–", "–"]
    assert "nan" not in table.markdown()
