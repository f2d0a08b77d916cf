"""Generation is deterministic, independent of the batch size, and consistent with training."""

from __future__ import annotations

import functools

import pytest
import torch

from aireal.captions.language.grammar import LANGUAGES, prompt, render
from aireal.paligemma import consistency
from aireal.paligemma.data import IGNORED, Collator, OverlayDataset
from aireal.paligemma.generate import describe
from aireal.paligemma.model import attach_lora, load, save_adapter
from aireal.paligemma.writer import Writer
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


def with_scores(model, monkeypatch, change) -> None:
    """Let `change(scores [B, L, V], tokens generated so far)` alter what the model computes."""
    forward, lengths = type(model).forward, []

    @functools.wraps(forward)  # generate() reads the signature
    def altered(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        lengths.append(output.logits.shape[1])
        change(output.logits, len(lengths) - 1)
        return output

    monkeypatch.setattr(type(model), "forward", altered)


def test_scores_that_overflow_after_the_first_token_are_an_error(small, examples, monkeypatch):
    model, processor = small
    with_scores(model, monkeypatch, lambda scores, step: scores.fill_(float("nan")) if step == 3 else None)
    image, record = examples[0]
    with pytest.raises(ValueError, match="score of a token is not finite.*Set dtype"):
        describe(model, processor, [image], [prompt(record, "en")], max_new_tokens=8)


def only(token: int):
    """Make one token certain."""

    def change(scores, step):
        scores.fill_(-100)
        scores[..., token] = 100

    return change


@pytest.fixture
def writer(folder, tmp_path):
    return Writer(str(folder), no_adapter_in(folder, tmp_path), torch.device("cpu"))


def no_adapter_in(folder, place):
    """A saved adapter that changes nothing, which a model other than the embedded one needs."""
    save_adapter(attach_lora(load(folder, "cpu")[0], 4), place)
    return place


@pytest.mark.people_have(
    "a PaliGemma that overflows or is damaged and writes only padding",
    "refused",
    "PaliGemma (...) writes empty sentences, so its weights, its adapter or their number format are broken",
)
@pytest.mark.parametrize("token", ["pad_token_id", "eos_token_id"])
def test_a_model_that_writes_nothing_is_named_and_not_replaced(writer, examples, monkeypatch, token):
    with_scores(writer.model.get_base_model(), monkeypatch, only(getattr(writer.processor.tokenizer, token)))
    images, records = zip(*examples[:2])
    with pytest.raises(ValueError, match=r"PaliGemma \(.*with adapter\) writes empty sentences.*--no-caption"):
        writer.write(images, records)


@pytest.mark.people_have(
    "a PaliGemma in float16 whose scores are infinite", "refused", "A score of the first token is not finite"
)
def test_a_model_with_infinite_scores_is_named(writer, examples, monkeypatch):
    with_scores(writer.model.get_base_model(), monkeypatch, lambda scores, step: scores.fill_(float("inf")))
    image, record = examples[0]
    with pytest.raises(ValueError, match="score of the first token is not finite.*Set dtype"):
        writer.write([image], [record])


def test_one_empty_sentence_among_others_gets_the_base_caption_and_says_why(writer, examples, monkeypatch):
    monkeypatch.setattr(consistency, "describe", lambda model, processor, overlays, *_: ["" for _ in overlays])
    monkeypatch.setattr(consistency, "rerank_region", lambda *arguments: ["", render(examples[1][1], "en")])
    images, records = zip(*examples[:2])
    written = writer.write(images, records)
    assert written[0]["en"].source == "base caption (the model wrote nothing)"
    assert written[1]["en"].source == consistency.REGENERATED
