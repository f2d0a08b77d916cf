"""Rows of (overlay, prompt, sentence) for training, and the batches made of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from transformers import BatchFeature, PaliGemmaProcessor

from aireal.captions.language.grammar import prompt
from aireal.captions.table import read_answers
from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, open_rgb
from aireal.core.inside import Inside
from aireal.dataset.readable import listing

IGNORED = -100  # label of a token that the loss ignores
CACHED_OVERLAYS = 1024  # decoded 256x256 overlays kept in memory, 0.2 GB


@dataclass(frozen=True)
class Example:
    """The overlay (a file, or the picture itself), the prompt without image tokens, and the sentence to learn.

    With `mirrored`, the overlay is shown with left and right exchanged; the sentence is about what is shown.
    """

    overlay: Path | Image.Image
    prompt: str
    sentence: str
    mirrored: bool = False


def overlay_rows(data: DatasetRoot, split: str) -> list[Example]:
    """The sentences of data_answer_add of one split (train, val, test), each with its overlay and prompt.

    Raises:
        ValueError: the table cannot be read, or an overlay lies outside of the products' folder.
    """
    places = Inside(data.products)
    return [
        Example(places.path(answer.overlay), prompt(answer.record, answer.language), answer.sentence)
        for answer in read_answers(data.answers)
        if answer.split == split
    ]


@lru_cache(CACHED_OVERLAYS)
def _read(path: Path) -> Image.Image:
    try:
        return open_rgb(path)
    except ImageError as error:
        raise ImageError(f"{path.name}: {error}") from None


def require_overlays(rows: Sequence[Example]) -> None:
    """Decode every overlay once, so that a training does not end at one after an hour.

    Raises:
        ValueError: some cannot be read; all of them are named, at most `LISTED`.
    """
    bad = []
    for path in dict.fromkeys(row.overlay for row in rows if isinstance(row.overlay, Path)):
        try:
            _read(path)
        except ImageError as error:
            bad.append(str(error))
    if bad:
        title = f"{len(bad)} overlays cannot be read, so nothing was trained. Run the prediction stage again:"
        raise ValueError(listing(title, bad))


class OverlayDataset(Dataset):
    """Rows as a torch dataset; an item is a dict with `image` (PIL, RGB), `prompt` and `sentence`.

    Raises:
        ValueError: no rows, an overlay file is missing, or a text is empty.
    """

    def __init__(self, rows: Sequence[Example]):
        if not rows:
            raise ValueError("There are no rows to train on. Predict the test folder and augment its captions first.")
        missing = [row.overlay for row in rows if isinstance(row.overlay, Path) and not os.path.isfile(row.overlay)]
        if missing:
            raise ValueError(
                f"{len(missing)} overlays are missing, the first is {missing[0]}. Run the prediction stage again."
            )
        if any(not row.prompt.strip() or not row.sentence.strip() for row in rows):
            raise ValueError("A row has an empty prompt or sentence. Remove it from the table.")
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        row = self.rows[index]
        image = row.overlay if isinstance(row.overlay, Image.Image) else _read(row.overlay)
        if row.mirrored:
            image = ImageOps.mirror(image)
        return {"image": image, "prompt": row.prompt, "sentence": row.sentence}


def encode(
    processor: PaliGemmaProcessor,
    images: Sequence[Image.Image],
    prompts: Sequence[str],
    sentences: Sequence[str] | None = None,
    side: str = "right",
) -> BatchFeature:
    """Token ids, masks, pixels and labels (all ignored without sentences) as tensors, padded on the given side.

    `token_type_ids` are among them and must be passed to the model: without them the prefix silently becomes causal.
    """
    padding_side, processor.tokenizer.padding_side = processor.tokenizer.padding_side, side
    try:
        # converted to tensors last: the processor makes labels from the ids with NumPy, which warns about tensors
        batch = processor(
            images=list(images), text=["<image>" + prompt for prompt in prompts], suffix=sentences, padding=True
        )
    finally:
        processor.tokenizer.padding_side = padding_side
    return batch.convert_to_tensors("pt")


@dataclass
class Collator:
    """Items to a training batch: right padding, labels only on the sentence and its end token, without truncation."""

    processor: PaliGemmaProcessor

    def __call__(self, items: Sequence[dict]) -> dict[str, torch.Tensor]:
        return dict(encode(self.processor, *([item[key] for item in items] for key in ("image", "prompt", "sentence"))))
