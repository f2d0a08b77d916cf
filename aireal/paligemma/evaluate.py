"""From the tables of a dataset root to PaliGemma's rows, and its sentences scored on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aireal.captions.language.grammar import LANGUAGES, prompt, render
from aireal.captions.table import read_answers, read_rows
from aireal.config import DatasetRoot
from aireal.core.statistics import grouped_rate
from aireal.dataset.manifest import load_items
from aireal.evidence.record import EvidenceRecord
from aireal.paligemma.small.synthetic import draw_example, read_photographs

from .consistency import consistency_rates, generate_checked, shown_rates
from .data import Example, OverlayDataset


def overlay_rows(data: DatasetRoot, split: str) -> list[Example]:
    """The sentences of data_answer_add of one split (train, val, test), each with its overlay and prompt."""
    return [
        Example(data.products / a.overlay, prompt(a.record, a.language), a.sentence)
        for a in read_answers(data.answers)
        if a.split == split
    ]


@dataclass(frozen=True)
class Overlays:
    """The overlays of one split in the table's order: names of the pictures, sources, overlays (RGB) and records."""

    images: list[str]
    groups: list[str]
    overlays: list[Image.Image]
    records: list[EvidenceRecord]

    def __len__(self) -> int:
        return len(self.images)


def read_overlays(data: DatasetRoot, split: str) -> Overlays:
    """All overlays of one split (train, val or test of the table, which parts the test folder's sources).

    Raises:
        ValueError: the split has none, or a file is missing.
    """
    rows = [row for row in read_rows(data.table) if row.split == split]
    if not rows:
        raise ValueError(
            f"no overlay of the {split} split: the test folder has too few sources; add images, or take another split"
        )
    sources = {item.path: item.group for item in load_items(data, "test")}
    items = OverlayDataset([Example(data.products / row.overlay, "-", "-") for row in rows])
    return Overlays(
        [row.image for row in rows],
        [sources.get(row.image, row.image) for row in rows],
        [items[i]["image"] for i in range(len(items))],
        [row.record for row in rows],
    )


def evaluate_sentences(data: DatasetRoot, model, processor, split: str = "test") -> dict[str, dict]:
    """What the model's sentences are worth on the overlays of one split, a language each.

    Returns:
        language → `bound.score` of the raw sentences; beside it `shown` (`bound.shown_rates`) and `commonest_region`: how often the region
        would be right for a model that does not look and always names the split's most frequent one.
    """
    seen = read_overlays(data, split)
    most, _ = Counter(record.region for record in seen.records).most_common(1)[0]
    blind = grouped_rate([record.region == most for record in seen.records], seen.groups)
    found = {}
    for language in LANGUAGES:
        texts, shown = generate_checked(model, processor, seen.overlays, seen.records, language)
        found[language] = {
            **consistency_rates(texts, seen.records, language, seen.groups),
            "commonest_region": blind,
            "shown": shown_rates(shown, seen.records, language, seen.groups),
        }
    return found


def some_rows(data: DatasetRoot, count: int, seed: int) -> list[Example]:
    """Overlays with prompt and base caption: the root's predicted ones; where nothing was predicted yet, its test pictures under made heatmaps."""
    if data.table.is_file():
        found = read_rows(data.table)[:count]
        return [Example(data.products / row.overlay, prompt(row.record, "en"), row.captions["en"]) for row in found]
    rng, photographs = (
        np.random.default_rng(seed),
        read_photographs([data.root / item.path for item in load_items(data, "test", count)]),
    )
    drawn = [draw_example(rng, photographs) for _ in range(count)]
    return [Example(Image.fromarray(one.overlay), prompt(one.record, "en"), render(one.record, "en")) for one in drawn]
