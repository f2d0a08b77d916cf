"""Only sentences that are consistent with the record are shown, and rates count every wrong fact."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import LANGUAGES, contradictions, parse, render
from aireal.evidence.record import REGIONS
from aireal.paligemma.consistency import (
    BASE_CAPTION,
    PALIGEMMA,
    REGENERATED,
    consistency_rates,
    select_consistent,
    shown_rates,
)
from aireal.paligemma.small import synthetic
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@st.composite
def records(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    words = [str(rng.choice(options)) for options in synthetic.CUE_WORDS]
    return synthetic.random_verdict(rng, draw(st.sampled_from(REGIONS)), (0.5, 0.5), synthetic.Cues(*words))


@settings(max_examples=80, deadline=None)
@given(
    records(),
    records(),
    st.sampled_from(LANGUAGES),
    st.sampled_from(LANGUAGES),
    st.integers(0, 500),
    st.text(max_size=60),
)
def test_a_wrong_fact_is_never_shown(record, other_record, language, other_language, variant, noise):
    texts = [
        render(record, language, variant),
        render(other_record, other_language, variant),
        noise,
        render(record, other_language, variant) + " " + noise,
        "",
    ]
    checked = select_consistent(texts, [record] * len(texts), [language] * len(texts))
    facts = (record.label, record.probability, record.region, language)
    for text, sentence in zip(texts, checked):
        claim = parse(sentence.text)
        assert (claim.label, claim.probability, claim.region, claim.language) == facts
        assert (sentence.source == PALIGEMMA) == (sentence.text == text and not contradictions(text, record, language))
        if sentence.source != PALIGEMMA:
            reason = "model sentence contradicted the record: " if text.strip() else "the model wrote nothing"
            assert sentence.source.startswith(f"base caption ({reason}")
    assert checked[0].source == PALIGEMMA


def another_region(record):
    return dataclasses.replace(record, region=REGIONS[(REGIONS.index(record.region) + 1) % 9])


def test_rates_count_every_wrong_fact(examples):
    records = [record for _, record in examples]
    right = [render(record, "ko", i) for i, record in enumerate(records)]
    rates = consistency_rates(right, records, "ko")
    for name in ("class", "number", "region", "colour", "consistent"):
        assert rates[name]["value"] == 1
    assert consistency_rates(right, records, "en")["consistent"]["value"] == 0
    wrong_region = [render(another_region(record), "en") for record in records[:9]]
    rates = consistency_rates(wrong_region + right[9:17] + ["nonsense"], records)
    assert rates["n"] == 18
    assert rates["region"]["value"] == round(8 / 18, 4)
    assert rates["region"]["low"] < 8 / 18 < rates["region"]["high"]
    assert rates["number"]["value"] == round(17 / 18, 4)
    assert rates["class"]["value"] == round(17 / 18, 4)


def test_rates_require_sentences():
    with pytest.raises(ValueError, match="at least one"):
        consistency_rates([], [])


def test_only_inconsistent_sentences_are_reranked_in_one_call(examples):
    records = [record for _, record in examples[:4]]
    wrong = [another_region(record) for record in records]
    texts = [render(records[0], "en"), render(wrong[1], "en"), render(wrong[2], "en"), "nonsense"]
    calls = []

    def rerank_fn(indices):
        calls.append(indices)
        return [render(records[1], "en", 3), render(wrong[2], "en", 3), render(records[3], "en", 2)]

    checked = select_consistent(texts, records, ["en"] * 4, rerank_fn)
    assert calls == [[1, 2, 3]]
    sources = [sentence.source.split(" (model")[0] for sentence in checked]
    assert sources == [PALIGEMMA, REGENERATED, BASE_CAPTION, REGENERATED]
    assert checked[1].text == render(records[1], "en", 3)
    assert checked[2].text == render(records[2], "en")
    assert not checked[2].by_model
    rates = shown_rates(checked, records, "en", list("abcd"))
    assert rates["as_written"]["value"] == 0.25
    assert rates["regenerated"]["value"] == 0.5
    assert rates["base_caption"]["value"] == 0.25
    for fact in ("class", "number", "region"):
        assert rates[fact]["value"] == 1


def test_consistent_sentences_are_not_reranked(examples):
    _, record = examples[0]
    checked = select_consistent(
        [render(record, "en")], [record], ["en"], lambda indices: pytest.fail("the sentence is consistent")
    )
    assert checked[0].source == PALIGEMMA
