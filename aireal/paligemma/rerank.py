"""Rerank the region of a sentence that names the wrong one: take the most likely of the other eight regions.

A second greedy sentence would be the same, and a sampled one nearly always names the same region again, because the
model is confident even where two regions are about equally hot. So the claimed region is excluded. Each of the other
eight regions replaces it in the sentence, and the model scores each version by its likelihood given the overlay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from transformers import PaliGemmaProcessor

from .data import IGNORED, encode
from .generate import describe
from .number_format import not_finite
from .region_words import alternatives

BATCH = 16  # sentences scored at once
SEED = 7  # for sampling a new sentence where the region is not in the grammar's words


def rerank_region(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    prompts: Sequence[str],
    texts: Sequence[str],
    batch_size: int = BATCH,
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


@torch.inference_mode()
def likelihood(
    model, processor: PaliGemmaProcessor, overlays: Sequence[Image.Image], prompts: Sequence[str], texts: Sequence[str]
) -> list[float]:
    """Natural logarithm of each sentence's probability, its end token included, given its overlay and prompt.

    The vocabulary's scores are computed for the sentences' positions alone: with the 256 image tokens of PaliGemma-3B
    they would be 2.5 GiB for sixteen rows, and five more for each copy in float32 (`memory_estimate.rerank_gib`).

    Raises:
        ValueError: a sentence's likelihood is not finite, because the number format overflows.
    """
    training = model.training
    model.eval()
    try:
        batch = encode(processor, overlays, prompts, texts).to(model.device, dtype=model.dtype)
        labels = batch.pop("labels")
        first = int((labels != IGNORED).int().argmax(dim=1).min())  # of the row whose sentence begins first
        # the position before a token predicts it
        logits = model(**batch, logits_to_keep=labels.shape[1] - first + 1).logits[:, :-1]
    finally:
        model.train(training)
    # row by row: a float32 copy of one row's scores at a time
    scores = [
        -cross_entropy(row.float(), wanted, ignore_index=IGNORED, reduction="sum").item()
        for row, wanted in zip(logits, labels[:, first:], strict=True)
    ]
    if not all(map(math.isfinite, scores)):
        raise ValueError(not_finite("a sentence's likelihood"))
    return scores
