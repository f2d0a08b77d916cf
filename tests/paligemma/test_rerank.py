"""Reranking: alternatives differ in the region alone, and the most likely one is chosen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import LANGUAGES, parse, prompt, render, variant_count
from aireal.evidence.record import REGIONS
from aireal.paligemma.data import IGNORED, encode
from aireal.paligemma.region_words import alternatives
from aireal.paligemma.rerank import likelihood, rerank_region
from aireal.paligemma.small import synthetic
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(REGIONS), st.sampled_from(LANGUAGES), st.integers(0, 10_000), st.integers(0, 999))
def test_alternatives_differ_in_the_region_alone(region, language, variant, seed):
    rng = np.random.default_rng(seed)
    cues = synthetic.Cues(*(str(rng.choice(words)) for words in synthetic.CUE_WORDS))
    record = synthetic.random_verdict(rng, region, (0.5, 0.5), cues)
    text = render(record, language, variant % variant_count(record, language))
    claims = [parse(version) for version in alternatives(text)]
    assert {claim.region for claim in claims} == set(REGIONS) - {region}
    facts = {(claim.label, claim.probability, claim.colour, claim.language) for claim in claims}
    assert facts == {(record.label, record.probability, record.cues.colour, language)}


def test_the_most_likely_other_region_is_chosen_and_unknown_words_are_sampled_anew(small, examples):
    model, processor = small
    image, record = examples[0]
    text, prompt_text = render(record, "en"), prompt(record, "en")
    candidates = alternatives(text)
    n = len(candidates)
    scores = likelihood(model, processor, [image] * n, [prompt_text] * n, candidates)

    def rerank():
        return rerank_region(model, processor, [image] * 2, [prompt_text] * 2, [text, "what is this?"])

    reranked, sampled = rerank()
    assert reranked == candidates[int(np.argmax(scores))]
    assert parse(reranked).region != record.region
    assert sampled
    assert rerank() == [reranked, sampled]


def test_the_likelihood_does_not_depend_on_the_batch(small, examples):
    model, processor = small
    image, record = examples[0]
    candidates, prompt_text = alternatives(render(record, "en")), prompt(record, "en")
    n = len(candidates)
    scores = likelihood(model, processor, [image] * n, [prompt_text] * n, candidates)
    assert max(scores) < 0
    alone = likelihood(model, processor, [image], [prompt_text], [candidates[3]])[0]
    assert alone == pytest.approx(scores[3], abs=1e-3)


def test_only_the_positions_of_the_sentences_are_scored(small, examples):
    """PaliGemma-3B has 257,216 words: scores for its 256 image tokens too would not fit on a T4."""
    model, processor = small
    image, record = examples[0]
    candidates, question = alternatives(render(record, "en")), prompt(record, "en")
    inputs = ([image] * len(candidates), [question] * len(candidates), candidates)
    scored = []
    hook = model.lm_head.register_forward_pre_hook(lambda module, args: scored.append(args[0].shape[1]))
    scores = likelihood(model, processor, *inputs)
    hook.remove()
    batch = encode(processor, *inputs)
    positions = (batch["labels"] != IGNORED).any(dim=0).sum()  # prompts are equal here, so all sentences begin together
    assert scored == [int(positions) + 1]
    assert scores == pytest.approx(whole_likelihood(model, batch), abs=1e-4)


def test_sentences_after_prompts_of_different_lengths_are_scored_as_a_whole(small, examples):
    model, processor = small
    images, records = zip(*examples[:4])
    prompts = [prompt(record, LANGUAGES[i % 2]) for i, record in enumerate(records)]
    texts = [render(record, LANGUAGES[i % 2]) for i, record in enumerate(records)]
    scores = likelihood(model, processor, images, prompts, texts)
    assert scores == pytest.approx(whole_likelihood(model, encode(processor, images, prompts, texts)), abs=1e-4)


def whole_likelihood(model, batch) -> list[float]:
    """The same numbers from the scores of all positions."""
    batch = dict(batch)
    labels = batch.pop("labels")[:, 1:]
    with torch.inference_mode():
        tokens = model(**batch).logits[:, :-1].log_softmax(-1).gather(-1, labels.clamp_min(0)[..., None])[..., 0]
    return (tokens * (labels != IGNORED)).sum(dim=1).tolist()


def test_a_likelihood_that_is_not_finite_is_an_error(small, examples):
    model, processor = small
    with torch.no_grad():
        model.lm_head.weight[5] = float("inf")
    image, record = examples[0]
    with pytest.raises(ValueError, match="likelihood is not finite.*dtype = 'bfloat16'"):
        likelihood(model, processor, [image], [prompt(record, "en")], [render(record, "en")])
