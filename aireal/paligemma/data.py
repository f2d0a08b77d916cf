"""Rows of (overlay, prompt, sentence) for training, and the check that a batch teaches what it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import BatchFeature, PaliGemmaProcessor

from .model import check_lora

IGNORED = -100  # label of a token that the loss leaves out
CACHED_OVERLAYS = 1024  # decoded 256x256 overlays kept in memory, 0.2 GB


@dataclass(frozen=True)
class Row:
    """One example: the overlay (a file, or the picture itself), the prompt without image tokens, and the sentence to learn."""

    overlay: Path | Image.Image
    prompt: str
    sentence: str


@lru_cache(CACHED_OVERLAYS)
def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


class OverlayDataset(Dataset):
    """Rows as a torch dataset; an item is a dict with `image` (PIL, RGB), `prompt` and `sentence`.

    Raises:
        ValueError: no rows, an overlay file is missing, or a text is empty.
    """

    def __init__(self, rows: Sequence[Row]):
        if not rows:
            raise ValueError("there are no rows to train on: predict the test folder and augment its captions first")
        missing = [row.overlay for row in rows if isinstance(row.overlay, Path) and not row.overlay.is_file()]
        if missing:
            raise ValueError(f"{len(missing)} overlays are missing, the first is {missing[0]}: run the prediction stage again")
        if any(not row.prompt.strip() or not row.sentence.strip() for row in rows):
            raise ValueError("a row has an empty prompt or sentence: remove it from the table")
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        row = self.rows[index]
        image = row.overlay if isinstance(row.overlay, Image.Image) else _read(row.overlay)
        return {"image": image, "prompt": row.prompt, "sentence": row.sentence}


def encode(processor: PaliGemmaProcessor, images: Sequence[Image.Image], prompts: Sequence[str], sentences: Sequence[str] | None = None,
           side: str = "right") -> BatchFeature:
    """Token ids, masks, pixels and (all ignored without sentences) labels as tensors, padded on the given side.

    `token_type_ids` are among them and have to be passed on: without them the prefix silently becomes causal.
    """
    before, processor.tokenizer.padding_side = processor.tokenizer.padding_side, side
    try:
        # tensors only at the end: the processor makes labels from the ids with NumPy, which warns about tensors
        found = processor(images=list(images), text=["<image>" + prompt for prompt in prompts], suffix=sentences, padding=True)
    finally:
        processor.tokenizer.padding_side = before
    return found.convert_to_tensors("pt")


@dataclass
class Collator:
    """Items to a training batch: right padding, labels only on the sentence and its end token, which is never cut off."""

    processor: PaliGemmaProcessor

    def __call__(self, items: Sequence[dict]) -> dict[str, torch.Tensor]:
        return dict(encode(self.processor, *([item[key] for item in items] for key in ("image", "prompt", "sentence"))))


def preflight(batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, model: torch.nn.Module,
              sentences: Sequence[str] | None = None) -> None:
    """Look at one collated batch and the model before any training.

    The labels must decode to exactly the sentence and its end token; padding must be ignored; `token_type_ids` must mark
    the sentence; the image tokens must be as many as the vision model makes; LoRA must sit where `check_lora` says.

    Args:
        sentences: what each row should teach; when None it is read from the ids: all after the prompt's closing newline.

    Raises:
        ValueError: what is wrong, and the mend.
    """
    for key in ("input_ids", "attention_mask", "labels", "pixel_values"):
        if key not in batch:
            raise ValueError(f"the batch has no {key}: make it with Collator, which calls the processor with suffix=")
    _check_types(batch)
    _check_images(batch, processor, model)
    _check_labels(batch, processor, sentences)
    check_lora(model)


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
        raise ValueError(f"rows have {sorted(set(counts))} image tokens and the vision model makes {wanted}: set image_seq_length={wanted} "
                         f"on the processor's image processor (now {processor.image_processor.image_seq_length})")
    if batch["pixel_values"].shape[-1] != vision.image_size:
        raise ValueError(f"pictures are {batch['pixel_values'].shape[-1]} px and the vision model reads {vision.image_size}: load the "
                         "processor from the same place as the model")


def _check_labels(batch: dict[str, torch.Tensor], processor: PaliGemmaProcessor, sentences: Sequence[str] | None) -> None:
    tokenizer = processor.tokenizer
    mend = "let the processor make the labels (suffix=...), as Collator does"
    if (batch["labels"][batch["attention_mask"] == 0] != IGNORED).any():
        raise ValueError(f"the loss covers padding: set its labels to {IGNORED}, or {mend}")
    for index, (ids, labels, mask) in enumerate(zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)):
        kept = labels[labels != IGNORED].tolist()
        if not kept or kept[-1] != tokenizer.eos_token_id:
            raise ValueError(f"row {index}: the labels do not end with the end token: do not truncate, and {mend}")
        learned = tokenizer.decode(kept[:-1])
        wanted = sentences[index] if sentences else _after_prompt(ids[mask.bool()], tokenizer)
        if learned != wanted:
            raise ValueError(f"row {index}: the labels read {learned[:80]!r} and should read {wanted[:80]!r}: {mend}")
        if ids[labels != IGNORED].tolist() != kept:
            raise ValueError(f"row {index}: labels differ from the input ids they stand on; the model shifts them itself: {mend}")


def _after_prompt(ids: torch.Tensor, tokenizer) -> str:
    newline = tokenizer.encode("\n", add_special_tokens=False)[-1]
    ends = (ids == newline).nonzero()
    if not len(ends):
        raise ValueError("a prompt has no closing newline: let the processor build the text from `<image>` + prompt")
    return tokenizer.decode(ids[int(ends[0]) + 1:].tolist()).removesuffix(tokenizer.eos_token)
