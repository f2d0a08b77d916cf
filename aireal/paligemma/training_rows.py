"""The rows of a fine-tuning: real overlays, the same ones mirrored, and procedural ones.

The overlays of a small dataset are too few to learn where to look from, and too few to choose weights by: the sample
has 118 for training and 21 for validation. Two more sources are exact by construction. A mirrored overlay shows its
heatmap on the other side, and its sentence names that side. A procedural overlay (`small.synthetic`) is a random
heatmap over a training picture, with the evidence that the package's own code measures in it.

The loss on validation, and every figure of the test, are of real overlays alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from aireal.captions.language.grammar import LANGUAGES, prompt, render, variant_count
from aireal.config import DatasetRoot, Profile
from aireal.core.sampling import round_robin
from aireal.dataset.manifest import load_items
from aireal.dataset.readable import open_item, unreadable
from aireal.evidence.record import REGIONS

from .callbacks import unique_prompts
from .data import Example
from .region_words import mirrored_region, parse_or_none, with_region
from .small.synthetic import draw_example, read_photographs

PHOTOGRAPHS = 256  # training pictures under the procedural overlays
LONGEST_SIDE = 512  # of a photograph in memory


def training_rows(data: DatasetRoot, rows: Sequence[Example], profile: Profile, seed: int) -> list[Example]:
    """The rows to train on: the given ones, and as many others as the profile says."""
    mirrored = mirrored_rows(rows) if profile.lora_mirrored else []
    procedural = []
    if profile.lora_procedural:
        procedural = procedural_rows(_photographs(data, "train"), profile.lora_procedural, seed)
    if mirrored or procedural:
        print(f"training rows: {len(rows)} real, {len(mirrored)} mirrored, {len(procedural)} procedural", flush=True)
    return [*rows, *mirrored, *procedural]


def selection_rows(data: DatasetRoot, rows_val: Sequence[Example], profile: Profile, seed: int) -> list[Example]:
    """The rows whose sentences select the kept weights: those of validation, one for each prompt.

    Where they are fewer than `profile.lora_selection`, mirrored ones are added, and then procedural ones over
    validation pictures, as far as the profile uses them.
    """
    rows = unique_prompts(rows_val)
    if profile.lora_mirrored and len(rows) < profile.lora_selection:
        rows += mirrored_rows(rows)
    missing = profile.lora_selection - len(rows)
    if profile.lora_procedural and missing > 0:
        rows += procedural_rows(_photographs(data, "val"), missing, seed + 1)
    return rows


def mirrored_rows(rows: Sequence[Example]) -> list[Example]:
    """The rows with left and right exchanged in overlay and sentence.

    A row whose sentence does not name its region in the grammar's words is left out.
    """
    mirrored = []
    for row in rows:
        claim = parse_or_none(row.sentence)
        sentence = claim and with_region(row.sentence, mirrored_region(claim.region))
        if sentence:
            mirrored.append(replace(row, sentence=sentence, mirrored=not row.mirrored))
    return mirrored


def procedural_rows(photographs: Sequence[np.ndarray], count: int, seed: int) -> list[Example]:
    """Rows of random heatmaps over the photographs (uint8 [h, w, 3]), as many of each region and language."""
    rng, rows = np.random.default_rng(seed), []
    for index in range(count):
        region = REGIONS[index % len(REGIONS)]
        language = LANGUAGES[index // len(REGIONS) % len(LANGUAGES)]
        drawn = draw_example(rng, photographs, region)
        variant = int(rng.integers(variant_count(drawn.record, language)))
        overlay = Image.fromarray(drawn.overlay)
        rows.append(Example(overlay, prompt(drawn.record, language), render(drawn.record, language, variant)))
    return rows


def _photographs(data: DatasetRoot, split: str) -> list[np.ndarray]:
    """Pictures of a split of the classifier, spread over its sources; sample photographs where it has none.

    Files that cannot be read are passed over.
    """
    items = [item for item in load_items(data) if item.split == split]
    if not items:
        return read_photographs(None)
    chosen = [items[i] for i in round_robin([item.group for item in items], PHOTOGRAPHS)]
    bad = unreadable(data.root, chosen)
    usable = [item for item in chosen if item.path not in bad]
    return [_shrink(np.asarray(open_item(data.root, item))) for item in usable] or read_photographs(None)


def _shrink(picture: np.ndarray) -> np.ndarray:
    scale = LONGEST_SIDE / max(picture.shape[:2])
    return picture if scale >= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
