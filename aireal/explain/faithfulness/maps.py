"""Maps of many pictures by one method, flat ones marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from aireal.explain.gradcam import Heatmaps

BATCH = 16


def heatmaps_of(
    model: nn.Module, images: torch.Tensor, labels: Sequence[int], size: int, method: str, layer: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Maps float32 [B, size, size] of normalised pictures, all zero where flat, and bool [B], which are not (`Heatmaps.with_flat`)."""
    with Heatmaps(model, size, method, layer) as heatmaps:
        parts = [
            heatmaps.with_flat(images[k : k + BATCH], [int(label) for label in labels[k : k + BATCH]])
            for k in range(0, len(images), BATCH)
        ]
    maps, usable = (np.concatenate(part) for part in zip(*parts))
    return maps, usable
