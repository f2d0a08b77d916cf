"""Shared by the tests of PaliGemma: profile numbers, the embedded model, overlays with records, rows and a batch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aireal.captions.language.grammar import LANGUAGES, prompt, render
from aireal.config import PROFILES, SMALL_PALIGEMMA
from aireal.evidence.record import REGIONS
from aireal.paligemma import model as models
from aireal.paligemma.data import Collator, Example, OverlayDataset
from aireal.paligemma.small import synthetic
from aireal.paligemma.small.model import build_small_paligemma
from aireal.paligemma.train import finetune

PROFILE = dataclasses.replace(PROFILES["smoke"], lora_steps=6, lora_batch=4, lora_patience=9)


@pytest.fixture(name="folder", scope="session")
def folder_(tmp_path_factory) -> Path:
    """The embedded model's folder, or a model of the same shape with random weights where it is missing."""
    if (SMALL_PALIGEMMA / "model.safetensors").is_file():
        return SMALL_PALIGEMMA
    place = tmp_path_factory.mktemp("weights") / "paligemma_small"
    for part in build_small_paligemma():
        part.save_pretrained(place)
    return place


@pytest.fixture(name="small")
def small_(folder):
    return models.load(folder, "cpu")


@pytest.fixture(name="examples", scope="session")
def examples_():
    """Eighteen overlays with records, two per region."""
    rng, photographs = np.random.default_rng(3), synthetic.read_photographs(None)
    drawn = [synthetic.draw_example(rng, photographs, region) for region in REGIONS * 2]
    return [(Image.fromarray(one.overlay), one.record) for one in drawn]


@pytest.fixture(name="rows", scope="session")
def rows_(examples):
    return [
        Example(image, prompt(record, language), render(record, language, i))
        for i, (image, record) in enumerate(examples)
        for language in LANGUAGES
    ]


@pytest.fixture(name="batch")
def batch_(small, rows):
    items = [OverlayDataset(rows)[i] for i in range(6)]
    return Collator(small[1])(items)


def train_on_files(folder: Path, here: Path, out: str):
    """Fine-tune 60 steps on `here`/rows.json and its overlays, into `here`/`out`."""
    texts = json.loads((here / "rows.json").read_text(encoding="utf-8"))
    rows = [Example(here / f"{i}.png", *pair) for i, pair in enumerate(texts)]
    model, processor = models.load(folder, "cpu")
    profile = dataclasses.replace(PROFILE, lora_steps=60)
    return finetune(models.attach_lora(model, 4), processor, rows, rows[:2], profile, 7, here / out)
