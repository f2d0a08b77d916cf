"""Evaluate a model's sentences on the predicted overlays of a dataset root."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from PIL import Image

from aireal.captions.language.grammar import LANGUAGES
from aireal.captions.table import read_rows
from aireal.config import DatasetRoot
from aireal.core.statistics import grouped_rate
from aireal.dataset.manifest import load_items
from aireal.evidence.record import EvidenceRecord

from .consistency import consistency_rates, generate_checked, shown_rates
from .data import Example, OverlayDataset


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
    """All overlays of one split: train, val or test of the table, which splits the sources of the test folder.

    Raises:
        ValueError: the split is empty, or a file is missing.
    """
    rows = [row for row in read_rows(data.table) if row.split == split]
    if not rows:
        raise ValueError(
            f"The {split} split has no overlay, because the test folder has too few sources. "
            "Add images, or choose another split."
        )
    sources = {item.path: item.group for item in load_items(data, "test")}
    dataset = OverlayDataset([Example(data.products / row.overlay, "-", "-") for row in rows])
    return Overlays(
        [row.image for row in rows],
        [sources.get(row.image, row.image) for row in rows],
        [dataset[i]["image"] for i in range(len(dataset))],
        [row.record for row in rows],
    )


def evaluate_sentences(data: DatasetRoot, model, processor, split: str = "test") -> dict[str, dict]:
    """How often the model's sentences are right on the overlays of one split, per language.

    Returns:
        language → `consistency_rates` of the raw sentences, with two more keys: `shown` (`shown_rates`) and
        `commonest_region`, the region accuracy of a baseline that always names the split's most frequent region.
    """
    split_overlays = read_overlays(data, split)
    records, groups = split_overlays.records, split_overlays.groups
    commonest, _ = Counter(record.region for record in records).most_common(1)[0]
    baseline = grouped_rate([record.region == commonest for record in records], groups)
    metrics = {}
    for language in LANGUAGES:
        texts, checked = generate_checked(model, processor, split_overlays.overlays, records, language)
        if empty := sum(not text.strip() for text in texts):
            print(f"PaliGemma wrote nothing for {empty} of {len(texts)} overlays ({language}); they count as wrong")
        metrics[language] = {
            **consistency_rates(texts, records, language, groups),
            "commonest_region": baseline,
            "shown": shown_rates(checked, records, language, groups),
        }
    return metrics
