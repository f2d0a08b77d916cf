"""A second sentence where the first one names a cell that the heatmap does not: the model's next best cell, by its own likelihood.

A second greedy sentence would be the first one again, and one drawn at random nearly always names the same cell, because the model is sure of
its words even where two cells are about equally hot. So the claimed cell is excluded: each of the other eight is put into the sentence in its
place, and the one is taken that the model, looking at the overlay, finds most likely.
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

from .data import IGNORED, encode
from .generate import describe

SEED = 7  # of a sentence that has to be drawn, because its words for the cell are not the grammar's


def rerank_region(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    prompts: Sequence[str],
    texts: Sequence[str],
    batch_size: int = 16,
) -> list[str]:
    """For each sentence that was refused another one, with another cell; one whose place words are unknown is drawn anew from a seed."""
    choices = [alternatives(text) for text in texts]
    flat = [(i, choice) for i, found in enumerate(choices) for choice in found]
    scores: list[list[float]] = [[] for _ in texts]
    for start in range(0, len(flat), batch_size):
        part = flat[start : start + batch_size]
        found = likelihood(
            model,
            processor,
            [overlays[i] for i, _ in part],
            [prompts[i] for i, _ in part],
            [choice for _, choice in part],
        )
        for (i, _), value in zip(part, found, strict=True):
            scores[i].append(value)
    unknown = [i for i, found in enumerate(choices) if not found]
    drawn = (
        describe(model, processor, [overlays[i] for i in unknown], [prompts[i] for i in unknown], batch_size, seed=SEED)
        if unknown
        else []
    )
    again = dict(zip(unknown, drawn, strict=True))
    return [
        again[i] if i in again else choices[i][max(range(len(values)), key=values.__getitem__)]
        for i, values in enumerate(scores)
    ]


def alternatives(text: str) -> list[str]:
    """The sentence with each of the other cells in place of the one it names; empty where it names none, or not in the grammar's words."""
    try:
        claimed = parse(text)
    except ValueError:
        return []
    words, plain = REGION_WRITTEN[claimed.language], text.lower()
    index = max(
        (k for k, word in enumerate(words[claimed.region]) if word in plain),
        key=lambda k: len(words[claimed.region][k]),
        default=None,
    )
    if index is None:
        return []
    found = [
        _replaced(text, words[claimed.region][index], others[index])
        for region, others in words.items()
        if region != claimed.region
    ]
    return [choice for choice in found if _differs_in_region_only(choice, claimed)]


def _replaced(text: str, word: str, other: str) -> str:
    """Another place in the sentence, with the Korean particle, or the capital letter, that goes with it."""

    def place(found: re.Match) -> str:
        if found[2]:
            return particles(other + "을(를)")
        return other[0].upper() + other[1:] if found[1][0].isupper() else other

    return re.sub(f"({re.escape(word)})([을를]?)", place, text, flags=re.IGNORECASE)


def _differs_in_region_only(text: str, claimed) -> bool:
    try:
        found = parse(text)
    except ValueError:
        return False
    return found.region != claimed.region and (found.label, found.probability, found.language) == (
        claimed.label,
        claimed.probability,
        claimed.language,
    )


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
    found = logits.log_softmax(-1).gather(-1, labels.clamp_min(0)[..., None])[..., 0]
    return (found * (labels != IGNORED)).sum(dim=1).tolist()
