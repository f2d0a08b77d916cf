"""The writer of sentences: PaliGemma with the adapter of a dataset root."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from aireal.captions.language.lexicon import LANGUAGES
from aireal.evidence.record import EvidenceRecord

from .consistency import CheckedSentence, generate_checked
from .loading import EMBEDDED
from .model import load, load_adapter


class Writer:
    """PaliGemma with its adapter: overlay and record in, one checked sentence a language out."""

    def __init__(self, name: str, adapter: Path, device: torch.device):
        """Load PaliGemma (see `paligemma.model.load`) and the adapter of notebook 06 if there is one.

        The embedded model knows the task without an adapter; a larger one does not.

        Raises:
            ValueError: the model, or the adapter that it needs, is missing.
        """
        self.model, self.processor = load(name, device)
        self.name = name
        if (adapter / "adapter_model.safetensors").exists():
            self.model = load_adapter(self.model, adapter)
            self.name += " with adapter"
        elif name != EMBEDDED:
            raise ValueError(
                f"{name} is not fine-tuned yet: run notebook 06_finetune_paligemma, or use --paligemma embedded or "
                f"--no-caption"
            )

    def write(self, overlays: list[Image.Image], records: list[EvidenceRecord]) -> list[dict[str, CheckedSentence]]:
        """A sentence in each language for each overlay. Class and number shown are always the classifier's."""
        sentences: list[dict[str, CheckedSentence]] = [{} for _ in records]
        for language in LANGUAGES:
            _, checked = generate_checked(self.model, self.processor, overlays, records, language)
            for by_language, sentence in zip(sentences, checked, strict=True):
                by_language[language] = sentence
        return sentences
