"""From the tables of a dataset root to PaliGemma's rows, and its sentences scored on them."""

from __future__ import annotations

from collections import Counter

from ..captions.language import LANGUAGES, prompt
from ..captions.table import read_answers, read_rows
from ..config import DatasetRoot
from ..statistics import wilson
from .data import OverlayDataset, Row
from .generate import describe, score


def overlay_rows(data: DatasetRoot, split: str) -> list[Row]:
    """The sentences of data_answer_add of one split (train, val, test), each with its overlay and prompt."""
    return [Row(data.products / a.overlay, prompt(a.record, a.language), a.sentence) for a in read_answers(data.answers) if a.split == split]


def assess(data: DatasetRoot, model, processor, split: str = "test") -> dict[str, dict]:
    """What the model's raw sentences are worth on the overlays of one split, a language each.

    Returns:
        language → `generate.score`, with `commonest_region` beside it: how often the region would be right for a model that
        does not look and always names the split's most frequent one.

    Raises:
        ValueError: the split has no overlays.
    """
    rows = [row for row in read_rows(data.table) if row.split == split]
    if not rows:
        raise ValueError(f"no overlay of the {split} split: the test folder has too few sources; add images, or take another split")
    found = {}
    records = [row.record for row in rows]
    most = Counter(r.region for r in records).most_common(1)[0][1]
    for language in LANGUAGES:
        prompts = [prompt(record, language) for record in records]
        items = OverlayDataset([Row(data.products / row.overlay, p, "-") for row, p in zip(rows, prompts)])
        texts = describe(model, processor, [items[i]["image"] for i in range(len(items))], prompts)
        found[language] = {**score(texts, records, language), "commonest_region": wilson(most, len(records))}
    return found
