"""The offline author: true, different and repeatable sentences."""

from __future__ import annotations

import pytest

from aireal.captions.language.grammar import contradictions, parse, render, shape_count, variant_count
from aireal.captions.offline import paraphrase
from helpers.captions import make_record


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("n", [1, 4, 12, 60])
def test_offline_sentences_are_true_different_and_repeatable(language, n):
    for i in range(9):
        record = make_record(i)
        sentences = paraphrase(record, language, n, seed=7)
        texts = [sentence.text for sentence in sentences]
        assert len(set(texts)) == n
        assert render(record, language) not in texts
        for sentence in sentences:
            assert contradictions(sentence.text, record, language) == []
            assert sentence.parsed == parse(sentence.text)
        assert sentences == paraphrase(record, language, n, seed=7)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_forty_offline_sentences_have_forty_shapes(language):
    shapes = shape_count(language)
    for i in range(3):
        record = make_record(i)
        variants = range(variant_count(record, language))
        shape_of = {render(record, language, variant): variant % shapes for variant in variants}
        used = {shape_of[sentence.text] for sentence in paraphrase(record, language, 40)}
        assert len(used | {shape_of[render(record, language)]}) == 41


def test_offline_sentences_depend_on_image_and_seed_and_use_many_shapes():
    record = make_record(0)
    assert paraphrase(record, "ko", 8, seed=1) != paraphrase(record, "ko", 8, seed=2)
    openings = {sentence.text.split()[0] for sentence in paraphrase(record, "en", 12)}
    assert len(openings) >= 5


def test_the_grammar_is_not_endless():
    with pytest.raises(ValueError, match="has only"):
        paraphrase(make_record(0), "ko", 100_000)
