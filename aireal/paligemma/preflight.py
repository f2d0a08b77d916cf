"""Pre-flight: what must hold before any training, looked for in one batch and the model. Each failure names the mend."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from transformers import PaliGemmaForConditionalGeneration, PaliGemmaProcessor

from .data import IGNORED
from .model import SMALL_HIDDEN, Format, check_format, check_lora

NEEDED = ("input_ids", "attention_mask", "labels", "pixel_values")
KNOWN = set(inspect.signature(PaliGemmaForConditionalGeneration.forward).parameters) - {"self", "kwargs"}
STEPS = (
    1.0,
    0.1,
    0.01,
)  # of the learning rate: the second and third are for a batch on which the whole step overshoots
LOSS_SCALE = 1024.0  # float16 gradients of one sentence would underflow without


def run_preflight(
    batch: dict[str, torch.Tensor],
    processor: PaliGemmaProcessor,
    model: torch.nn.Module,
    sentences: Sequence[str] | None = None,
    asked: Format | None = None,
    learning_rate: float | None = None,
) -> None:
    """Look at one collated batch and the model before any training.

    The labels must decode to exactly the sentence and its end token; padding must be ignored; `token_type_ids` must mark the sentence; the
    image tokens must be as many as the vision model makes; nothing may be in the batch that the model would swallow unread; LoRA must sit
    where `check_lora` says; weights must have the number format and quantisation that were asked; one step must lower the loss.

    Args:
        sentences: what each row should teach; when None it is read from the ids: all after the prompt's closing newline.
        asked: number format and quantisation (`model.load` keeps them); not looked at when None.
        learning_rate: of the training; when None no step is tried.

    Raises:
        ValueError: what is wrong, and the mend.
    """
    for key in NEEDED:
        if key not in batch:
            raise ValueError(f"the batch has no {key}: make it with Collator, which calls the processor with suffix=")
    if unknown := sorted(set(batch) - KNOWN):
        raise ValueError(
            f"the model takes no {', '.join(unknown)} and would leave it unread: remove it from the batch, or mend its name"
        )
    _check_types(batch)
    _check_images(batch, processor, model)
    _check_labels(batch, processor, sentences)
    check_lora(model)
    if asked is not None:
        check_format(model, asked)
    if learning_rate is not None:
        check_learning(model, batch, learning_rate)


def check_learning(model: torch.nn.Module, batch: dict[str, torch.Tensor], learning_rate: float) -> tuple[float, float]:
    """Take one step on a batch (Adam's first one: the learning rate against each gradient's sign), and look whether its own loss falls.

    Of a large model one row is taken, which needs no more memory than the training. Weights, gradients and the model's mode are put back.

    Returns:
        the loss before and after.

    Raises:
        ValueError: the loss is not finite, no gradient reaches LoRA, or no step down to a hundredth of the learning rate lowers the loss.
    """
    rows = slice(1) if _is_large(model) else slice(None)
    batch = {
        name: value[rows].to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in batch.items()
    }
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kept, training = [parameter.detach().clone() for parameter in learned], model.training
    model.eval()  # without dropout, so that the two losses differ by the step alone
    try:
        before = _loss(model, batch)
        signs = _signs(model, batch, learned)
        for share in STEPS:
            with torch.no_grad():
                for parameter, old, sign in zip(learned, kept, signs, strict=True):
                    parameter.copy_(old - share * learning_rate * sign)
            if (after := _loss(model, batch)) < before:
                return before, after
    finally:
        with torch.no_grad():
            for parameter, old in zip(learned, kept, strict=True):
                parameter.copy_(old)
                parameter.grad = None
        model.train(training)
    raise ValueError(
        f"a step of {STEPS[-1] * learning_rate:.1e} does not lower the loss on its own batch ({before:.4f}, then {after:.4f}): check that "
        "labels and prompt belong together, or take a lower learning rate (lora_learning_rate)"
    )


def _is_large(model: torch.nn.Module) -> bool:
    return model.config.text_config.hidden_size >= SMALL_HIDDEN


def _autocast(model: torch.nn.Module):
    """The context in which Trainer computes (see `train.training_arguments`)."""
    half = model.device.type == "cuda" and model.dtype in (torch.float16, torch.bfloat16)
    return torch.autocast("cuda", model.dtype) if half else nullcontext()


@torch.no_grad()
def _loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    with _autocast(model):
        loss = float(model(**batch).loss)
    if not loss < float("inf"):
        raise ValueError(
            f"the loss of the first batch is {loss}: in float16 numbers can overflow, so take bfloat16 or float32; else the base's weights are "
            "broken and have to be fetched again"
        )
    return loss


def _signs(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], learned: list[torch.nn.Parameter]
) -> list[torch.Tensor]:
    with torch.enable_grad(), _autocast(model):
        (model(**batch).loss * (LOSS_SCALE if model.dtype == torch.float16 else 1)).backward()
    signs = [torch.zeros_like(p) if p.grad is None else p.grad.nan_to_num().sign() for p in learned]
    if not any(sign.any() for sign in signs):
        raise ValueError(
            "no gradient reaches LoRA: attach it with attach_lora to a model that no torch.no_grad() or detach() cuts off"
        )
    return signs


def _check_types(batch: dict[str, torch.Tensor]) -> None:
    mend = "pass on all that the processor returns, called with suffix="
    if "token_type_ids" not in batch:
        raise ValueError(f"the batch has no token_type_ids, so the prefix would be read causally: {mend}")
    if not batch["token_type_ids"].bool().any(dim=1).all():
        raise ValueError(f"token_type_ids mark no sentence in some row: {mend}")


def _check_images(batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, model: torch.nn.Module) -> None:
    vision = model.config.vision_config
    wanted = (vision.image_size // vision.patch_size) ** 2
    counts = (batch["input_ids"] == model.config.image_token_id).sum(dim=1).tolist()
    if set(counts) != {wanted}:
        raise ValueError(
            f"rows have {sorted(set(counts))} image tokens and the vision model makes {wanted}: set image_seq_length={wanted} "
            f"on the processor's image processor (now {processor.image_processor.image_seq_length})"
        )
    if batch["pixel_values"].shape[-1] != vision.image_size:
        raise ValueError(
            f"pictures are {batch['pixel_values'].shape[-1]} px and the vision model reads {vision.image_size}: load the "
            "processor from the same place as the model"
        )


def _check_labels(
    batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, sentences: Sequence[str] | None
) -> None:
    tokenizer = processor.tokenizer
    mend = "let the processor make the labels (suffix=...), as Collator does"
    if (batch["labels"][batch["attention_mask"] == 0] != IGNORED).any():
        raise ValueError(f"the loss covers padding: set its labels to {IGNORED}, or {mend}")
    for index, (ids, labels, mask) in enumerate(
        zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
    ):
        kept = labels[labels != IGNORED].tolist()
        if not kept or kept[-1] != tokenizer.eos_token_id:
            raise ValueError(f"row {index}: the labels do not end with the end token: do not truncate, and {mend}")
        learned = tokenizer.decode(kept[:-1])
        wanted = sentences[index] if sentences else _after_prompt(ids[mask.bool()], tokenizer)
        if learned != wanted:
            raise ValueError(f"row {index}: the labels read {learned[:80]!r} and should read {wanted[:80]!r}: {mend}")
        if ids[labels != IGNORED].tolist() != kept:
            raise ValueError(
                f"row {index}: labels differ from the input ids they stand on; the model shifts them itself: {mend}"
            )


def _after_prompt(ids: torch.Tensor, tokenizer) -> str:
    newline = tokenizer.encode("\n", add_special_tokens=False)[-1]
    ends = (ids == newline).nonzero()
    if not len(ends):
        raise ValueError("a prompt has no closing newline: let the processor build the text from `<image>` + prompt")
    return tokenizer.decode(ids[int(ends[0]) + 1 :].tolist()).removesuffix(tokenizer.eos_token)
