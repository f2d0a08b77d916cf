"""Half-and-half: does the evidence for an AI image lie in the half of a photograph that came out of a generator?

One half of a photograph is replaced by its round trip through a generator's autoencoder, which changes the traces of a
generator and nothing else. Nothing is blended, so a seam may show between the halves. It shows in the control as well,
where the same half is replaced by the photograph itself, encoded once more: the share by chance is measured, not
assumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, decode, encode_for_dataset, open_stored, read_bytes
from aireal.core.sampling import round_robin
from aireal.dataset.manifest import Item, load_items

from .positive_evidence import Shares, mean_shares, rows_of

HALVES = ("left", "right", "top", "bottom")
CHANCE = 1 / 2
LEAST_GROUPS = 4


@dataclass(frozen=True)
class Pair:
    """A photograph and its round trip, of equal size."""

    photograph: Item
    round_trip: Item


def find_pairs(data: DatasetRoot, count: int, seed: int) -> list[Pair]:
    """Pairs of a photograph and its round trip in seeded random order, where sources take turns.

    Both are of one group. In a group of several photographs those belong together that were made of the same file, or
    else whose files have the same name. The pairs of the test split are taken if there are any, else those of all
    splits.

    Args:
        count: the largest number of pairs. A multiple of four is taken, at least four, so that each half can be
            replaced equally often.

    Raises:
        ValueError: fewer than four groups have such a pair.
    """
    pairs = _pairs(load_items(data))
    pairs = [pair for pair in pairs if pair.photograph.split == "test"] or pairs
    pairs = [pair for pair in pairs if _equal_size(data, pair)]
    shuffled = [pairs[k] for k in np.random.default_rng(seed).permutation(len(pairs))]
    if (found := len({pair.photograph.group for pair in pairs})) < LEAST_GROUPS:
        raise ValueError(
            f"half-and-half needs photographs of at least {LEAST_GROUPS} sources with a round trip of the same group "
            f"and size, and {data.root.name} has {found}: give the root that `aireal dataset align` made"
        )
    number = max(min(count, len(pairs)) // len(HALVES), 1) * len(HALVES)
    return [shuffled[k] for k in round_robin([pair.photograph.group for pair in shuffled], number)]


def _pairs(items: Sequence[Item]) -> list[Pair]:
    members: dict[tuple[str, str], tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in items:
        members[item.split, item.group][item.label].append(item)
    pairs = []
    for photographs, round_trips in members.values():
        if len(photographs) == len(round_trips) == 1:
            pairs.append(Pair(photographs[0], round_trips[0]))
            continue
        by_file = {item.file: item for item in round_trips if item.file}  # `dataset align` gives both the same
        by_name = {item.name: item for item in round_trips}
        found = [(item, by_file.get(item.file) or by_name.get(item.name)) for item in photographs]
        pairs += [Pair(item, round_trip) for item, round_trip in found if round_trip]
    return pairs


def _equal_size(data: DatasetRoot, pair: Pair) -> bool:
    """Whether both pictures have the same size; False where a file is missing or is no image."""
    try:
        one, other = (
            open_stored(read_bytes(data.root / item.path)).size for item in (pair.photograph, pair.round_trip)
        )
    except ImageError:
        return False
    return one == other


def half_mask(side: int, half: str) -> np.ndarray:
    """Mask bool [side, side] of one of `HALVES`."""
    mask = np.zeros((side, side), dtype=bool)
    middle = side // 2
    area = {"left": np.s_[:, :middle], "right": np.s_[:, middle:], "top": np.s_[:middle], "bottom": np.s_[middle:]}
    mask[area[half]] = True
    return mask


def replace_half(picture: np.ndarray, other: np.ndarray, half: str) -> np.ndarray:
    """The picture uint8 [S, S, 3] with one of `HALVES` from the other picture uint8 [S, S, 3]; nothing is blended."""
    return np.where(half_mask(len(picture), half)[..., None], other, picture)


def encoded_again(picture: np.ndarray) -> np.ndarray:
    """The picture uint8 [S, S, 3] after it was encoded and decoded as a dataset root stores pictures."""
    return np.asarray(decode(encode_for_dataset(Image.fromarray(picture))))


def summarise_halves(
    shares: Sequence[Shares],
    controls: Sequence[Shares],
    candidates: dict[str, tuple[str, str]],
    chosen: str,
    groups: Sequence[str],
    seed: int,
) -> dict:
    """Mean shares of the evidence for class fake in the replaced half, with 95% intervals over sources.

    An explanation without positive evidence points nowhere, so it counts with one half.

    Args:
        shares: of each picture whose half is a round trip, the share in that half by explanation, in a list of one. A
            picture may lack one of the explanations.
        controls: of the same picture whose half is only encoded again.
        candidates: name → (method, layer) of the explanations.
        chosen: name of the heatmap method in use.
        groups: source of each photograph.

    Returns:
        {"n", "groups", "rows": [{"name", "method", "layer", "control", "chosen", "same_as", "n", "flat",
        "flat_again", "share", "encoded_again", "difference"}]}; "flat" counts the round trips without positive
        evidence, "flat_again" the controls; "difference" is paired.
    """
    values = {name: np.stack([_column(shares, name), _column(controls, name)], axis=1) for name in candidates}

    def row(name: str) -> dict:
        return _row(values[name], [group for group, of in zip(groups, shares) if name in of], seed)

    return {"n": len(shares), "groups": len(set(groups)), "rows": rows_of(candidates, chosen, values, row)}


def _column(shares: Sequence[Shares], name: str) -> np.ndarray:
    """float [N] of an explanation; NaN where nothing is positive."""
    return np.array([np.nan if of[name] is None else of[name][0] for of in shares if name in of], dtype=float)


def _row(values: np.ndarray, groups: Sequence[str], seed: int) -> dict:
    """The estimates of values float [N, 2]: shares with the round trip and with the half encoded again."""
    share, control = np.nan_to_num(values, nan=CHANCE).T
    columns = {"share": share, "encoded_again": control, "difference": share - control}
    flat, flat_again = (int(count) for count in np.isnan(values).sum(axis=0))
    return {
        "n": len(values),
        "flat": flat,
        "flat_again": flat_again,
        **mean_shares(columns, np.zeros(len(values), int), groups, seed),
    }
