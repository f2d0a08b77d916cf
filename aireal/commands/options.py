"""Options that several commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from aireal.config import REPOSITORY

Profile = Annotated[str, arg(help="settings to use: smoke, sample, full, or auto (full on a CUDA GPU, else sample)")]
Seed = Annotated[int, arg(help="seed of all random numbers")]
PaliGemma = Annotated[
    str | None,
    arg(
        help="PaliGemma that writes the sentences: embedded, a hub id or a folder",
        help_behavior_hint="(default: the profile's)",
    ),
]
Dataset = Annotated[
    str,
    arg(
        help="import these pictures on first use and take them: hf:owner/name, a folder, a .csv, or /kaggle/input",
        help_behavior_hint="(default: none, the pictures of --root)",
    ),
]
Limit = Annotated[
    int | None,
    arg(
        help="with --dataset: pictures a class and split of the source to import",
        help_behavior_hint="(default: import_images of the profile)",
    ),
]
Lime = Annotated[bool, arg(help="run LIME for the superpixels; by far the slowest part")]
Caption = Annotated[bool, arg(help="let PaliGemma write a sentence about each picture")]


def root_of(root: Path, dataset: str, limit: int | None, profile: str) -> Path:
    """The dataset root of a command: --root, or where --dataset is imported (into --root where that was given)."""
    from aireal.dataset.importing.first_use import dataset_root

    if limit is not None and not dataset:
        raise ValueError("--limit belongs to --dataset: name the pictures to import, too")
    given = root if root != REPOSITORY / "dataset" else ""
    return Path(dataset_root(dataset, given, limit, profile) or root)
