"""Pre-flight: check one batch and the model before any training. Each message says what is wrong and what to do."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from transformers import PaliGemmaForConditionalGeneration, PaliGemmaProcessor

from .data import IGNORED
from .model import check_lora
from .number_format import SMALL_HIDDEN, Format, check_format, compute_dtype, not_finite

REQUIRED = ("input_ids", "attention_mask", "labels", "pixel_values")
ACCEPTED = set(inspect.signature(PaliGemmaForConditionalGeneration.forward).parameters) - {"self", "kwargs"}
STEP_SHARES = (
    1.0,
    0.1,
    0.01,
)  # of the learning rate; the smaller ones are for a batch on which the full step overshoots
LOSS_SCALE = 1024.0  # without it, float16 gradients of one sentence underflow


def run_preflight(
    batch: dict[str, torch.Tensor],
    processor: PaliGemmaProcessor,
    model: torch.nn.Module,
    sentences: Sequence[str] | None = None,
    weight_format: Format | None = None,
    learning_rate: float | None = None,
) -> None:
    """Check one collated batch and the model before any training.

    - The labels decode to exactly the sentence and its end token, and padding is ignored.
    - `token_type_ids` mark the sentence and nothing else, as the labels do.
    - The number of image tokens is that of the vision model.
    - The batch has no key that the model would ignore.
    - LoRA is on the modules that `check_lora` expects.
    - The weights have the requested number format and quantisation.
    - One step lowers the loss.

    Args:
        sentences: the sentence that each row should teach; None: read from the ids, after the prompt's closing newline.
        weight_format: requested number format and quantisation (`model.load` records them); None: not checked.
        learning_rate: of the training; None: no step is tried.

    Raises:
        ValueError: what is wrong, and what to do.
    """
    for key in REQUIRED:
        if key not in batch:
            raise ValueError(f"The batch has no {key}. Make it with Collator, which calls the processor with suffix=.")
    if unknown := sorted(set(batch) - ACCEPTED):
        raise ValueError(
            f"The model takes no {', '.join(unknown)} and would ignore it. Remove it from the batch or rename it."
        )
    _check_types(batch)
    _check_images(batch, processor, model)
    _check_labels(batch, processor, sentences)
    _check_types_fit_labels(batch)
    check_lora(model)
    if weight_format is not None:
        check_format(model, weight_format)
    if learning_rate is not None:
        check_learning(model, batch, learning_rate)


def check_learning(model: torch.nn.Module, batch: dict[str, torch.Tensor], learning_rate: float) -> tuple[float, float]:
    """Take one step on a batch and check that the loss on this batch falls.

    The step is Adam's first one: the learning rate against each gradient's sign. A large model uses only the first row,
    which needs no more memory than the training. Weights, gradients and the model's mode are restored.

    Returns:
        The loss before and after the step.

    Raises:
        ValueError: the loss is not finite, LoRA gets no gradient, or no step down to a hundredth of the learning rate
            lowers the loss.
    """
    rows = slice(1) if _is_large(model) else slice(None)
    batch = {
        name: value[rows].to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in batch.items()
    }
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    weights, training = [parameter.detach().clone() for parameter in learned], model.training
    model.eval()  # without dropout, so that the two losses differ only by the step
    try:
        before = _loss(model, batch)
        signs = _gradient_signs(model, batch, learned)
        for share in STEP_SHARES:
            with torch.no_grad():
                for parameter, weight, sign in zip(learned, weights, signs, strict=True):
                    parameter.copy_(weight - share * learning_rate * sign)
            if (after := _loss(model, batch)) < before:
                return before, after
    finally:
        with torch.no_grad():
            for parameter, weight in zip(learned, weights, strict=True):
                parameter.copy_(weight)
                parameter.grad = None
        model.train(training)
    raise ValueError(
        f"A step of {STEP_SHARES[-1] * learning_rate:.1e} does not lower the loss on its own batch ({before:.4f}, then "
        f"{after:.4f}). Check that labels and prompt belong together, or lower the learning rate (lora_learning_rate)."
    )


def _is_large(model: torch.nn.Module) -> bool:
    return model.config.text_config.hidden_size >= SMALL_HIDDEN


def _autocast(model: torch.nn.Module):
    """The autocast context that Trainer would use (`training_arguments`)."""
    dtype = compute_dtype(model)
    half = model.device.type == "cuda" and dtype in (torch.float16, torch.bfloat16)
    return torch.autocast("cuda", dtype) if half else nullcontext()


@torch.no_grad()
def _loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    with _autocast(model):
        loss = float(model(**batch).loss)
    if not loss < float("inf"):
        raise ValueError(not_finite(f"the loss of the first batch ({loss})"))
    return loss


def _gradient_signs(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], learned: list[torch.nn.Parameter]
) -> list[torch.Tensor]:
    with torch.enable_grad(), _autocast(model):
        (model(**batch).loss * (LOSS_SCALE if compute_dtype(model) == torch.float16 else 1)).backward()
    signs = [torch.zeros_like(p) if p.grad is None else p.grad.nan_to_num().sign() for p in learned]
    if not any(sign.any() for sign in signs):
        raise ValueError(
            "No gradient reaches LoRA. Attach it with attach_lora to a model without torch.no_grad() or detach()."
        )
    return signs


def _check_types(batch: dict[str, torch.Tensor]) -> None:
    advice = "Pass on everything that the processor returns, called with suffix=."
    if "token_type_ids" not in batch:
        raise ValueError(f"The batch has no token_type_ids, so the prefix would be read causally. {advice}")
    if not batch["token_type_ids"].bool().any(dim=1).all():
        raise ValueError(f"token_type_ids mark no sentence in at least one row. {advice}")


def _check_types_fit_labels(batch: dict[str, torch.Tensor]) -> None:
    """Compare `token_type_ids` with the labels: 0 is read in both directions (prompt), 1 causally (sentence)."""
    advice = "Pass on the token_type_ids that the processor returns, called with suffix=."
    marked, learned = batch["token_type_ids"].bool(), batch["labels"] != IGNORED
    for index, (types, sentence) in enumerate(zip(marked, learned, strict=True)):
        if too_many := int((types & ~sentence).sum()):
            raise ValueError(
                f"Row {index}: token_type_ids mark {too_many} tokens that are not of the sentence, so the prompt would "
                f"be read causally. {advice}"
            )
        if too_few := int((sentence & ~types).sum()):
            raise ValueError(
                f"Row {index}: token_type_ids leave out {too_few} tokens of the sentence, so the model would see them "
                f"before it writes them. {advice}"
            )


def _check_images(batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, model: torch.nn.Module) -> None:
    vision = model.config.vision_config
    expected = (vision.image_size // vision.patch_size) ** 2
    counts = (batch["input_ids"] == model.config.image_token_id).sum(dim=1).tolist()
    if set(counts) != {expected}:
        raise ValueError(
            f"Rows have {sorted(set(counts))} image tokens and the vision model makes {expected}. "
            f"Set image_seq_length={expected} on the processor's image processor "
            f"(now {processor.image_processor.image_seq_length})."
        )
    size = batch["pixel_values"].shape[-1]
    if size != vision.image_size:
        raise ValueError(
            f"Pictures have {size} px and the vision model reads {vision.image_size}. "
            "Load the processor from the same place as the model."
        )


def _check_labels(
    batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, sentences: Sequence[str] | None
) -> None:
    tokenizer, advice = processor.tokenizer, "Let the processor make the labels (suffix=...), as Collator does."
    if (batch["labels"][batch["attention_mask"] == 0] != IGNORED).any():
        raise ValueError(f"The loss covers padding. Set its labels to {IGNORED}, or: {advice}")
    for index, (ids, labels, mask) in enumerate(
        zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
    ):
        learned = labels[labels != IGNORED].tolist()
        if not learned or learned[-1] != tokenizer.eos_token_id:
            raise ValueError(f"Row {index}: the labels do not end with the end token. Do not truncate. {advice}")
        text = tokenizer.decode(learned[:-1])
        expected = sentences[index] if sentences else _after_prompt(ids[mask.bool()], tokenizer)
        if text != expected:
            raise ValueError(f"Row {index}: the labels read {text[:80]!r} and should read {expected[:80]!r}. {advice}")
        if ids[labels != IGNORED].tolist() != learned:
            raise ValueError(f"Row {index}: labels differ from the input ids; the model shifts them itself. {advice}")


def _after_prompt(ids: torch.Tensor, tokenizer) -> str:
    newline = tokenizer.encode("\n", add_special_tokens=False)[-1]
    ends = (ids == newline).nonzero()
    if not len(ends):
        raise ValueError("A prompt has no closing newline. Let the processor build the text from `<image>` + prompt.")
    return tokenizer.decode(ids[int(ends[0]) + 1 :].tolist()).removesuffix(tokenizer.eos_token)
