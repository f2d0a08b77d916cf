"""Sentences from overlays, what is shown of them, and how often the raw ones are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from PIL import Image
from transformers import PaliGemmaProcessor

from ..captions.language import contradictions, parse, render
from ..captions.parsing import CUES, Parsed
from ..evidence import EvidenceRecord
from ..statistics import wilson
from .data import encode

PALIGEMMA, BASE_CAPTION = "paligemma", "base caption"


@dataclass(frozen=True)
class Sentence:
    """What is shown, and where it comes from: `paligemma`, or `base caption (model sentence contradicted the record: ...)`."""

    text: str
    source: str


@torch.inference_mode()
def describe(model, processor: PaliGemmaProcessor, overlays: Sequence[Image.Image], prompts: Sequence[str], batch_size: int = 16,
             max_new_tokens: int = 128) -> list[str]:
    """One sentence an overlay, in the order given; greedy, so the same call gives the same text.

    Batches are filled with prompts of like length, which keeps padding small. The model's mode is put back.

    Raises:
        ValueError: not one prompt an overlay.
    """
    if len(overlays) != len(prompts):
        raise ValueError(f"{len(overlays)} overlays and {len(prompts)} prompts: give one prompt an overlay")
    training = model.training
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            chosen = order[start:start + batch_size]
            found = _generate(model, processor, [overlays[i] for i in chosen], [prompts[i] for i in chosen], max_new_tokens)
            for index, text in zip(chosen, found, strict=True):
                texts[index] = text
    finally:
        model.train(training)
    return texts


def _generate(model, processor: PaliGemmaProcessor, images: list[Image.Image], prompts: list[str], max_new_tokens: int) -> list[str]:
    batch = encode(processor, images, prompts, side="left")  # generation goes on at the right end, where no padding may stand
    batch.pop("labels")
    batch = batch.to(model.device, dtype=model.dtype)  # casts the pictures, not the ids
    ids = model.generate(**batch, do_sample=False, max_new_tokens=max_new_tokens)
    answers = processor.tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1]:], skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def bind(texts: Sequence[str], records: Sequence[EvidenceRecord], languages: Sequence[str]) -> list[Sentence]:
    """Show a model's sentence only where it agrees with its record, else the rendered base caption, marked as such.

    Class and number of what is shown are therefore always the classifier's, and the region the heatmap's.
    """
    shown = []
    for text, record, language in zip(texts, records, languages, strict=True):
        wrong = contradictions(text, record, language)
        if wrong:
            shown.append(Sentence(render(record, language), f"{BASE_CAPTION} (model sentence contradicted the record: {'; '.join(wrong)})"))
        else:
            shown.append(Sentence(text, PALIGEMMA))
    return shown


def score(texts: Sequence[str], records: Sequence[EvidenceRecord], language: str | None = None) -> dict:
    """How often the raw sentences name class, number and region exactly, and which cues they name rightly.

    A sentence that cannot be parsed is wrong in all. A cue counts as right when it is not named or agrees, as
    `contradictions` sees it; `consistent` is the share of sentences that contradict nothing (in `language`, when given) and
    would be shown.

    Returns:
        n, and for each of class, number, region, colour, brightness, texture, edges, consistent: {value, low, high} with the
        95% interval of Wilson (1927).

    Raises:
        ValueError: nothing to score, or not one record a text.
    """
    if not texts or len(texts) != len(records):
        raise ValueError(f"{len(texts)} sentences and {len(records)} records: give one record a sentence, and at least one")
    parsed = [parse_or_none(text) for text in texts]
    hits = {
        "class": [p is not None and p.label == r.label for p, r in zip(parsed, records)],
        "number": [p is not None and Decimal(str(p.probability)) == Decimal(f"{r.probability:.2f}") for p, r in zip(parsed, records)],
        "region": [p is not None and p.region == r.region for p, r in zip(parsed, records)],
        **{cue: [p is not None and getattr(p, cue) in (None, getattr(r.cues, cue)) for p, r in zip(parsed, records)] for cue in CUES},
        "consistent": [not contradictions(text, record, language) for text, record in zip(texts, records)],
    }
    return {"n": len(texts), **{name: wilson(sum(hit), len(hit)) for name, hit in hits.items()}}


def parse_or_none(text: str) -> Parsed | None:
    """What a sentence claims; None where it cannot be read."""
    try:
        return parse(text)
    except ValueError:
        return None
