"""Generate sentences from overlays in batches: greedily, or sampled from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from transformers import LogitsProcessor, LogitsProcessorList, PaliGemmaProcessor

from .data import encode
from .number_format import not_finite


class ScoresFinite(LogitsProcessor):
    """Checks that the scores of every new token are finite, and leaves them as they are.

    Sampling from scores that are not finite is an assertion on a GPU, after which the process can do nothing more
    there. Overflow shows in the prompt with its picture already, so the first token is checked at once. For the others
    the processor only keeps whether all were finite, because reading an answer from a GPU at every token costs time.
    """

    def __init__(self):
        self.finite: torch.Tensor | None = None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        finite = torch.isfinite(scores.amax(dim=-1)).all()  # a single -inf is a suppressed word
        if self.finite is None and not finite:
            raise ValueError(not_finite("a score of the first token"))
        self.finite = finite if self.finite is None else self.finite & finite
        return scores

    def check(self) -> None:
        """Raise ValueError if a score was not finite."""
        if self.finite is not None and not self.finite:
            raise ValueError(not_finite("a score of a token"))


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
    """One sentence per overlay, in the order given. Decoding is greedy, so the same call returns the same text.

    Batches hold prompts of similar length, which keeps padding small. The model's mode is restored.

    Args:
        seed: sample each sentence from this seed at temperature 1, which gives another sentence where the model is not
            certain. The same call returns the same text, and the random generators of the process stay unchanged.
        static_cache: allocate the memory for keys and values at the start. transformers then compiles the decoding on
            GPUs, which pays off for many sentences; on a CPU it does not (`benchmarks/caption.py`).

    Raises:
        ValueError: not one prompt per overlay, or the scores of a token are not finite.
    """
    if len(overlays) != len(prompts):
        raise ValueError(f"There are {len(overlays)} overlays and {len(prompts)} prompts. Give one prompt per overlay.")
    training = model.training
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            indices = order[start : start + batch_size]
            batch_texts = _generate(
                model,
                processor,
                [overlays[i] for i in indices],
                [prompts[i] for i in indices],
                max_new_tokens,
                seed,
                static_cache,
            )
            for index, text in zip(indices, batch_texts, strict=True):
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
    batch = encode(processor, images, prompts, side="left")  # new tokens follow the right end, so padding goes left
    batch.pop("labels")
    batch = batch.to(model.device, dtype=model.dtype)  # casts the pictures, not the ids
    kwargs = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    if static_cache:
        kwargs["cache_implementation"] = "static"
    scores = ScoresFinite()
    kwargs["logits_processor"] = LogitsProcessorList([scores])
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        ids = model.generate(**batch, **kwargs, max_new_tokens=max_new_tokens)
    scores.check()
    texts = processor.tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in texts]
