"""Probabilities, labels and logits whose calibration is known."""

from __future__ import annotations

import numpy as np
import torch


def calibrated_data(n: int, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """P(fake) [N] and labels [N] that are fake exactly as often as the probabilities say."""
    rng = np.random.default_rng(seed)
    fake = 1 / (1 + np.exp(-spread * rng.normal(size=n)))
    return fake, (rng.random(n) < fake).astype(int)


def logits_of(fake: np.ndarray, temperature: float = 1.0, bias: float = 0.0) -> torch.Tensor:
    """Logits [N, 2] that this temperature and bias turn into the probabilities."""
    margin = torch.tensor((np.log(fake / (1 - fake)) - bias) * temperature)
    return torch.stack([torch.zeros_like(margin), margin], 1)


def own_groups(n: int) -> list[str]:
    """A source group for each picture."""
    return [str(i) for i in range(n)]
