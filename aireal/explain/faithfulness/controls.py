"""Maps that know nothing of the verdict: what every score must be compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

GRID = 8  # cells a side, as the last layer of a ResNet or rexnet has them at 256 px


def blurred_random(count: int, size: int, seed: int) -> np.ndarray:
    """Maps float32 [count, size, size] in 0..1 of uniform random numbers on an 8×8 grid, enlarged as the library enlarges its maps.

    Blurrier maps score better, in ROAD too, without telling more (2304.13836), so a control must be as smooth as the maps it controls.
    """
    cells = np.random.default_rng(seed).uniform(size=(count, GRID, GRID)).astype(np.float32)
    maps = np.stack([cv2.resize(c, (size, size)) for c in cells])
    low, high = (pick(maps, axis=(1, 2), keepdims=True) for pick in (np.min, np.max))
    return (maps - low) / (high - low)


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """numpy's global generator, which the library's RandomCAM draws from, seeded inside and as before outside."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
