"""The writer of sentences: PaliGemma with the adapter of a dataset root."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from aireal.captions.language.lexicon import LANGUAGES
from aireal.classifier.model import sha256_of
from aireal.evidence.record import EvidenceRecord

from .base_record import read_base_record
from .consistency import CheckedSentence, generate_checked
from .loading import EMBEDDED
from .model import load, load_adapter


class Writer:
    """PaliGemma with its adapter: overlay and record in, one checked sentence a language out."""

    def __init__(self, name: str, adapter: Path, device: torch.device, four_bit: bool = False, dtype: str = "auto"):
        """Load PaliGemma (see `paligemma.model.load`) and the adapter of notebook 06 if there is one.

        The embedded model knows the task without an adapter; a larger one does not. On a GPU the base is quantised to
        4 bits if the adapter was trained so, or if `four_bit` asks for it.

        Raises:
            ValueError: the model, or the adapter that it needs, is missing. Nothing large was loaded before.
        """
        trained = (adapter / "adapter_model.safetensors").exists()
        if not trained and name != EMBEDDED:
            raise ValueError(
                f"{name} is not fine-tuned yet: run notebook 06_finetune_paligemma, or use --paligemma embedded or "
                f"--no-caption"
            )
        quantised = device.type == "cuda" and trained and was_trained_in_four_bits(adapter)
        self.model, self.processor = load(name, device, four_bit or quantised, dtype)
        self.name, self.version = name, version(name, adapter)
        if trained:
            self.model = load_adapter(self.model, adapter)
            self.name += " with adapter"

    def write(self, overlays: list[Image.Image], records: list[EvidenceRecord]) -> list[dict[str, CheckedSentence]]:
        """A sentence in each language for each overlay. Class and number shown are always the classifier's.

        Raises:
            ValueError: the model wrote nothing for any overlay, or its scores are not finite. Base captions in the
                place of all sentences would hide that the model does not work.
        """
        sentences: list[dict[str, CheckedSentence]] = [{} for _ in records]
        written = False
        for language in LANGUAGES:
            texts, checked = generate_checked(self.model, self.processor, overlays, records, language)
            written |= any(map(str.strip, texts)) or any(sentence.by_model for sentence in checked)
            for by_language, sentence in zip(sentences, checked, strict=True):
                by_language[language] = sentence
        if records and not written:
            raise ValueError(
                f"PaliGemma ({self.name}) writes empty sentences, so its weights, its adapter or their number format "
                "are broken. Run notebook 06_finetune_paligemma again, or use --paligemma embedded or --no-caption."
            )
        return sentences


def version(name: str, adapter: Path) -> str:
    """What sentences are written with: the model, and of its adapter the beginning of the weights' SHA-256."""
    weights = adapter / "adapter_model.safetensors"
    return f"{name} with adapter {sha256_of(weights)[:16]}" if weights.is_file() else name


def was_trained_in_four_bits(adapter: Path) -> bool:
    """Whether the base of a saved adapter was quantised to 4 bits."""
    return bool(read_base_record(adapter).get("four_bit", False))
