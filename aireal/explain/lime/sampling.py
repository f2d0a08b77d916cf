"""Which superpixels are kept in each of LIME's perturbed pictures: bool [N, K], one row a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import hadamard


def independent_masks(count: int, samples: int, seed: int) -> np.ndarray:
    """The masks of `LimeImageExplainer(random_state=seed)`, drawn independently; the first row keeps everything."""
    masks = np.random.RandomState(seed).randint(0, 2, samples * count).reshape(samples, count).astype(bool)
    masks[0] = True
    return masks


def antithetic_masks(count: int, samples: int, seed: int) -> np.ndarray:
    """Masks with the same distribution a row as `independent_masks`'s, but with less noise between them; fewer samples are the first rows of more.

    Rows 2i and 2i + 1 are complements: the foldover of Box & Wilson (1951), antithetic sampling in Monte Carlo (Hammersley & Morton 1956), which
    Covert & Lee (2021) use for KernelSHAP. What superpixels do in twos, fours and so on (even interactions) then cancels out of the weights. The
    pairs come in blocks of a randomised Hadamard matrix, so that in a whole block no two superpixels are confounded (Plackett & Burman 1946).

    Args:
        count: superpixels.
        samples: rows; an odd number loses its last one.

    Raises:
        ValueError: fewer than two samples, which make no pair.
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
    """Endless blocks bool [2M, K] of pairs, M the next power of two above `count`.

    A block is M rows of Sylvester's Hadamard matrix and their complements. Its K columns are drawn anew for each block from all but the constant one,
    with random signs and in random row order; the signs make every single row uniform over all masks.
    """
    order = 1 << count.bit_length()
    signs = hadamard(order, dtype=np.int8) > 0
    while True:
        columns = 1 + rng.permutation(order - 1)[:count]
        flipped = rng.random(count) < 0.5
        half = signs[rng.permutation(order)][:, columns] ^ flipped
        yield np.stack([half, ~half], axis=1).reshape(2 * order, count)
