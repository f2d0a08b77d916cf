"""Rerank the region of a sentence that names the wrong one: take the most likely of the other eight regions.

A second greedy sentence would be the same, and a sampled one nearly always names the same region again, because the
model is confident even where two regions are about equally hot. So the claimed region is excluded. Each of the other
eight regions replaces it in the sentence, and the model scores each version by its likelihood given the overlay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from PIL import Image
from transformers import PaliGemmaProcessor

from aireal.captions.language.grammar import parse
from aireal.captions.language.korean import particles
from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.captions.language.parsing import Parsed

from .data import IGNORED, encode
from .generate import describe

SEED = 7  # for sampling a new sentence where the region is not in the grammar's words


def rerank_region(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    prompts: Sequence[str],
    texts: Sequence[str],
    batch_size: int = 16,
) -> list[str]:
    """For each rejected sentence, the most likely version with another region.

    A sentence without a known phrase for the region is sampled anew from a seed.
    """
    candidates = [alternatives(text) for text in texts]
    scores = _score_candidates(model, processor, overlays, prompts, candidates, batch_size)
    unknown = [i for i, versions in enumerate(candidates) if not versions]
    sampled = {}
    if unknown:
        inputs = ([values[i] for i in unknown] for values in (overlays, prompts))
        sampled = dict(zip(unknown, describe(model, processor, *inputs, batch_size, seed=SEED), strict=True))
    return [
        sampled[i] if i in sampled else candidates[i][max(range(len(values)), key=values.__getitem__)]
        for i, values in enumerate(scores)
    ]


def _score_candidates(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    prompts: Sequence[str],
    candidates: list[list[str]],
    batch_size: int,
) -> list[list[float]]:
    """The log-likelihood of each candidate, in the same nesting, computed in batches over all sentences."""
    flat = [(i, candidate) for i, versions in enumerate(candidates) for candidate in versions]
    scores: list[list[float]] = [[] for _ in candidates]
    for start in range(0, len(flat), batch_size):
        batch = flat[start : start + batch_size]
        values = likelihood(
            model,
            processor,
            [overlays[i] for i, _ in batch],
            [prompts[i] for i, _ in batch],
            [candidate for _, candidate in batch],
        )
        for (i, _), value in zip(batch, values, strict=True):
            scores[i].append(value)
    return scores


def alternatives(text: str) -> list[str]:
    """The sentence with each of the other eight regions in place of its own.

    Empty where the sentence names no region, or not in the grammar's words.
    """
    try:
        claim = parse(text)
    except ValueError:
        return []
    phrases, lower = REGION_WRITTEN[claim.language], text.lower()
    claimed_phrases = phrases[claim.region]
    index = max(
        (k for k, phrase in enumerate(claimed_phrases) if phrase in lower),
        key=lambda k: len(claimed_phrases[k]),
        default=None,
    )
    if index is None:
        return []
    versions = [
        _replace_phrase(text, claimed_phrases[index], region_phrases[index])
        for region, region_phrases in phrases.items()
        if region != claim.region
    ]
    return [version for version in versions if _differs_in_region_only(version, claim)]


def _replace_phrase(text: str, phrase: str, replacement: str) -> str:
    """Replace a region's phrase, with the Korean particle that fits or the capital letter that the original had."""

    def substitute(match: re.Match) -> str:
        if match[2]:
            return particles(replacement + "을(를)")
        return replacement[0].upper() + replacement[1:] if match[1][0].isupper() else replacement

    return re.sub(f"({re.escape(phrase)})([을를]?)", substitute, text, flags=re.IGNORECASE)


def _differs_in_region_only(text: str, original: Parsed) -> bool:
    try:
        claim = parse(text)
    except ValueError:
        return False
    facts = (claim.label, claim.probability, claim.language)
    return claim.region != original.region and facts == (original.label, original.probability, original.language)


@torch.inference_mode()
def likelihood(
    model, processor: PaliGemmaProcessor, overlays: Sequence[Image.Image], prompts: Sequence[str], texts: Sequence[str]
) -> list[float]:
    """Natural logarithm of each sentence's probability, its end token included, given its overlay and prompt."""
    training = model.training
    model.eval()
    try:
        batch = encode(processor, overlays, prompts, texts).to(model.device, dtype=model.dtype)
        labels = batch.pop("labels")[:, 1:]
        logits = model(**batch).logits[:, :-1].float()
    finally:
        model.train(training)
    token_scores = logits.log_softmax(-1).gather(-1, labels.clamp_min(0)[..., None])[..., 0]
    return (token_scores * (labels != IGNORED)).sum(dim=1).tolist()
