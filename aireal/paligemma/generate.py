"""Sentences from overlays: batched, greedy, or drawn from a seed where a second one is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from transformers import PaliGemmaProcessor

from .data import encode


@torch.inference_mode()
def describe(
    model,
    processor: PaliGemmaProcessor,
    overlays: Sequence[Image.Image],
    prompts: Sequence[str],
    batch_size: int = 16,
    max_new_tokens: int = 128,
    seed: int | None = None,
    static_cache: bool = False,
) -> list[str]:
    """One sentence an overlay, in the order given; greedy, so the same call gives the same text.

    With `seed` each sentence is drawn from what the model thinks possible (temperature 1), which is another sentence where it was not sure; the
    same call gives the same text again, and the generators of the process are left as they were.

    With `static_cache` the memory for keys and values is set aside at the start, and transformers compiles the decoding on GPUs, which pays for
    many sentences; on a CPU it does not (`benchmarks/caption.py`).

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
            chosen = order[start : start + batch_size]
            found = _generate(
                model,
                processor,
                [overlays[i] for i in chosen],
                [prompts[i] for i in chosen],
                max_new_tokens,
                seed,
                static_cache,
            )
            for index, text in zip(chosen, found, strict=True):
                texts[index] = text
    finally:
        model.train(training)
    return texts


def _generate(
    model,
    processor: PaliGemmaProcessor,
    images: list[Image.Image],
    prompts: list[str],
    max_new_tokens: int,
    seed: int | None,
    static_cache: bool,
) -> list[str]:
    batch = encode(
        processor, images, prompts, side="left"
    )  # generation goes on at the right end, where no padding may stand
    batch.pop("labels")
    batch = batch.to(model.device, dtype=model.dtype)  # casts the pictures, not the ids
    how = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    if static_cache:
        how["cache_implementation"] = "static"
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        ids = model.generate(**batch, **how, max_new_tokens=max_new_tokens)
    answers = processor.tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [answer.strip() for answer in answers]
