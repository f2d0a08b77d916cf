"""Generation is deterministic, independent of the batch size, and consistent with training."""

from __future__ import annotations

import pytest
import torch

from aireal.captions.language.grammar import LANGUAGES, prompt
from aireal.paligemma.data import IGNORED, Collator, OverlayDataset
from aireal.paligemma.generate import describe
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


def test_describe_is_deterministic_and_batch_size_does_not_change_the_text(small, examples):
    model, processor = small
    images, records = zip(*examples[:7])
    prompts = [prompt(record, LANGUAGES[i % 2]) for i, record in enumerate(records)]
    texts = describe(model, processor, images, prompts, batch_size=1, max_new_tokens=40)
    for batch_size in (1, 3, 7):
        assert describe(model, processor, images, prompts, batch_size=batch_size, max_new_tokens=40) == texts


def test_generation_and_training_predict_the_same_next_token(small, rows):
    """The next token after the prompt: from the training batch (right padding) and from generate (left padding)."""
    model, processor = small
    items = [OverlayDataset(rows)[i] for i in range(4)]
    batch = Collator(processor)(items)
    with torch.inference_mode():
        logits = model(**batch).logits
    first = (batch["labels"] != IGNORED).long().argmax(1) - 1
    expected = logits[torch.arange(4), first].argmax(-1)
    images, prompts = [item["image"] for item in items], [item["prompt"] for item in items]
    texts = describe(model, processor, images, prompts, max_new_tokens=1)
    decoded = processor.tokenizer.batch_decode(expected[:, None], skip_special_tokens=True)
    assert texts == [text.strip() for text in decoded]


def test_describe_requires_one_prompt_per_overlay(small, examples):
    with pytest.raises(ValueError, match="one prompt per overlay"):
        describe(*small, [examples[0][0]], [])


@pytest.mark.parametrize("seed", [None, 7])
def test_scores_that_are_not_finite_stop_before_sampling(small, examples, seed):
    model, processor = small
    with torch.no_grad():
        model.model.vision_tower.encoder.layers[0].mlp.fc2.bias.fill_(float("nan"))
    image, record = examples[0]
    with pytest.raises(ValueError, match="score of the first token is not finite"):
        describe(model, processor, [image], [prompt(record, "en")], max_new_tokens=4, seed=seed)
