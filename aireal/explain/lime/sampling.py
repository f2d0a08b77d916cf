"""Masks of LIME's perturbed pictures: bool [N, K], a row for each picture, True where a superpixel is kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import hadamard


def independent_masks(count: int, samples: int, seed: int) -> np.ndarray:
    """The masks of `LimeImageExplainer(random_state=seed)`, drawn independently; the first keeps all superpixels."""
    masks = np.random.RandomState(seed).randint(0, 2, samples * count).reshape(samples, count).astype(bool)
    masks[0] = True
    return masks


def antithetic_masks(count: int, samples: int, seed: int) -> np.ndarray:
    """Masks whose rows are distributed as those of `independent_masks`, but which give less noisy weights.

    Rows 2i and 2i + 1 are complements: the foldover of Box & Wilson (1951), or antithetic sampling in Monte Carlo
    (Hammersley & Morton 1956), which Covert & Lee (2021) use for KernelSHAP. Interactions of an even number of
    superpixels then cancel out of the weights. The pairs come in blocks of a randomised Hadamard matrix, so that no two
    superpixels are confounded within a whole block (Plackett & Burman 1946). The masks of fewer samples are the first
    rows of those of more.

    Args:
        count: number of superpixels.
        samples: number of rows; an odd number is rounded down.

    Raises:
        ValueError: `samples` is below 2, which makes no pair.
    """
    if samples < 2:
        raise ValueError(f"LIME cannot draw pairs from {samples} samples: ask for at least 2")
    rng, blocks, rows = np.random.default_rng(seed), [], 0
    source = hadamard_blocks(count, rng)
    while rows < samples:
        blocks.append(next(source))
        rows += len(blocks[-1])
    return np.concatenate(blocks)[: samples // 2 * 2]


def hadamard_blocks(count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless blocks bool [2M, K] of pairs, where M is the next power of two above `count`.

    A block holds the M rows of Sylvester's Hadamard matrix and their complements. Each block draws its K columns anew
    from all columns but the constant one, with random signs and in random row order. The signs make every single row
    uniform over all masks.
    """
    order = 1 << count.bit_length()
    signs = hadamard(order, dtype=np.int8) > 0
    while True:
        columns = 1 + rng.permutation(order - 1)[:count]
        flipped = rng.random(count) < 0.5
        half = signs[rng.permutation(order)][:, columns] ^ flipped
        yield np.stack([half, ~half], axis=1).reshape(2 * order, count)
