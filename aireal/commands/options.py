"""Options that several commands share, with their help."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import arg

Profile = Annotated[str, arg(help="settings to use: smoke, sample, full, or auto (full on a CUDA GPU, else sample)")]
Seed = Annotated[int, arg(help="seed of all random numbers")]
PaliGemma = Annotated[
    str | None,
    arg(
        help="PaliGemma that writes the sentences: embedded, a hub id or a folder",
        help_behavior_hint="(default: the profile's)",
    ),
]
Lime = Annotated[bool, arg(help="run LIME for the superpixels; by far the slowest part")]
Caption = Annotated[bool, arg(help="let PaliGemma write a sentence about each picture")]
