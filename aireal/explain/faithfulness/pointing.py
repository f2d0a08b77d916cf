"""The grid pointing game: does the evidence for a class lie where the only picture of that class is?

Böhle, Fritz & Schiele 2021, "Convolutional Dynamic Alignment Networks for Interpretable Classifications". Mosaics of
2×2 pictures hold one picture of a class and three of the other. The share of the positive evidence for the odd one's
class that falls into its quarter is compared with a quarter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from aireal.core.sampling import round_robin
from aireal.evidence.record import CLASSES

from .positive_evidence import Shares, mean_shares, rows_of

QUARTERS = ("top left", "top right", "bottom left", "bottom right")
CHANCE = 1 / len(QUARTERS)
LEAST_GROUPS = len(QUARTERS)  # of each class: three companions, and one that may share the odd one's group
LEAST_MOSAICS = 2 * len(QUARTERS)  # each class once in each quarter


@dataclass(frozen=True)
class Mosaic:
    """Four pictures, and which of them is the odd one.

    Attributes:
        pictures: indices of the pictures in the order of `QUARTERS`.
        place: the odd one's quarter, an index into `QUARTERS`.
        label: the odd one's class, 0 real or 1 fake.
    """

    pictures: tuple[int, ...]
    place: int
    label: int

    @property
    def odd(self) -> int:
        """Index of the odd picture."""
        return self.pictures[self.place]


def fully_convolutional(model: nn.Module) -> bool:
    """Whether the network takes pictures of any size at the same scale; a ViT's position embeddings have one size."""
    return not hasattr(model, "patch_embed")


def quarter_side(model: nn.Module, size: int) -> int:
    """Side of a quarter in px.

    A fully convolutional network sees each picture at its own input size, so that mosaics are twice as large. A ViT
    sees mosaics of its own input size, and each picture at half of it.
    """
    return size if fully_convolutional(model) else size // 2


def compose(quarters: Sequence[np.ndarray]) -> np.ndarray:
    """The mosaic uint8 [2Q, 2Q, 3] of four pictures uint8 [Q, Q, 3] in the order of `QUARTERS`."""
    top_left, top_right, bottom_left, bottom_right = quarters
    return np.block([[[top_left], [top_right]], [[bottom_left], [bottom_right]]])


def quarter_masks(side: int) -> np.ndarray:
    """Masks bool [4, side, side] of the quarters in the order of `QUARTERS`; `side` is even."""
    rows, columns = np.indices((side, side)) // (side // 2)
    return np.stack([2 * rows + columns == quarter for quarter in range(4)])


def confident(labels: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Indices of the pictures that the classifier gets right with the highest confidence.

    They are the upper half, by the probability of the true class, of those of each class that it gets right.

    Args:
        labels: int [N], 0 real or 1 fake.
        fake: float [N], P(fake).
    """
    true = np.where(labels == 1, fake, 1 - fake)
    right = (fake >= 0.5) == (labels == 1)
    chosen = []
    for label in (0, 1):
        ranked = sorted(np.nonzero(right & (labels == label))[0], key=lambda k: -true[k])
        chosen += ranked[: (len(ranked) + 1) // 2]
    return np.sort(np.array(chosen, dtype=int))


def draw_mosaics(labels: Sequence[int], groups: Sequence[str], count: int, seed: int) -> list[Mosaic]:
    """Mosaics of pictures of four different groups, half of them with an AI image as the odd one.

    Each class is the odd one equally often in each quarter. A picture is the odd one at most once, and its sources take
    turns; the pictures of the other class are used about equally often. Classes and quarters alternate, so that the
    first eight mosaics are balanced, too, and the first sixteen.

    Args:
        labels: class of each picture, 0 real or 1 fake.
        groups: source of each picture.
        count: the largest number of mosaics; fewer where pictures are few, and always a multiple of eight.

    Raises:
        ValueError: `count` is below eight, or a class has fewer than four groups.
    """
    if count < LEAST_MOSAICS:
        raise ValueError(
            f"{count} mosaics cannot be balanced over classes and quarters: ask for {LEAST_MOSAICS} or more"
        )
    _check_groups(labels, groups)
    rng = np.random.default_rng(seed)
    turns = {label: _in_turn([k for k, of in enumerate(labels) if of == label], groups, rng) for label in (0, 1)}
    each = min(count // 2, *map(len, turns.values())) // len(QUARTERS) * len(QUARTERS)
    queues = {label: deque(turns[label][::-1]) for label in (0, 1)}
    return [_mosaic(turns[label][k], label, k, queues[1 - label], groups) for k in range(each) for label in (1, 0)]


def _check_groups(labels: Sequence[int], groups: Sequence[str]) -> None:
    for label, name in enumerate(CLASSES):
        found = len({group for group, of in zip(groups, labels) if of == label})
        if found < LEAST_GROUPS:
            raise ValueError(
                f"the pointing game needs pictures of at least {LEAST_GROUPS} sources of each class, and found {found} "
                f"of class {name}: add pictures, or leave it out with --mosaics 0"
            )


def _in_turn(indices: list[int], groups: Sequence[str], rng: np.random.Generator) -> list[int]:
    """The indices in random order, where each group gives one before any gives a second."""
    shuffled = [indices[k] for k in rng.permutation(len(indices))]
    return [shuffled[k] for k in round_robin([groups[index] for index in shuffled])]


def _mosaic(odd: int, label: int, number: int, queue: deque[int], groups: Sequence[str]) -> Mosaic:
    """The `number`-th mosaic of a class; its companions go to the end of their queue."""
    companions, taken, place = [], {groups[odd]}, number % len(QUARTERS)
    for index in list(queue):
        if groups[index] not in taken and len(companions) < len(QUARTERS) - 1:
            companions.append(index)
            taken.add(groups[index])
    for index in companions:
        queue.remove(index)
        queue.append(index)
    return Mosaic((*companions[:place], odd, *companions[place:]), place, label)


def summarise_pointing(
    rows: Sequence[tuple[Mosaic, Shares]],
    candidates: dict[str, tuple[str, str]],
    chosen: str,
    groups: Sequence[str],
    seed: int,
) -> dict:
    """Mean shares in the odd one's quarter, for each explanation, with 95% intervals over the odd ones' sources.

    An explanation without positive evidence points nowhere, so it counts with the share by chance.

    Args:
        rows: mosaics, and their shares of the four quarters by explanation. A mosaic may lack one of the explanations.
        candidates: name → (method, layer) of the explanations.
        chosen: name of the heatmap method in use.
        groups: source of each picture.

    Returns:
        {"n", "groups", "rows": [{"name", "method", "layer", "control", "chosen", "same_as", "n", "flat", "share",
        "real", "fake"}]}; "real" and "fake" are the shares where the odd one is of that class.
    """
    quarters = {name: _quarters(rows, name) for name in candidates}

    def row(name: str) -> dict:
        return _row([mosaic for mosaic, shares in rows if name in shares], quarters[name], groups, seed)

    odd_groups = {groups[mosaic.odd] for mosaic, _ in rows}
    return {"n": len(rows), "groups": len(odd_groups), "rows": rows_of(candidates, chosen, quarters, row)}


def _quarters(rows: Sequence[tuple[Mosaic, Shares]], name: str) -> np.ndarray:
    """float [N, 4] of an explanation; NaN where nothing is positive."""
    found = [shares[name] for _, shares in rows if name in shares]
    return np.array([[np.nan] * len(QUARTERS) if shares is None else shares for shares in found]).reshape(-1, 4)


def _row(mosaics: list[Mosaic], quarters: np.ndarray, groups: Sequence[str], seed: int) -> dict:
    share = quarters[np.arange(len(mosaics)), [mosaic.place for mosaic in mosaics]]
    flat, share = int(np.isnan(share).sum()), np.nan_to_num(share, nan=CHANCE)
    labels, sources = np.array([mosaic.label for mosaic in mosaics]), [groups[mosaic.odd] for mosaic in mosaics]
    of_class = {name: np.where(labels == label, share, np.nan) for label, name in enumerate(CLASSES)}
    return {"n": len(mosaics), "flat": flat, **mean_shares({"share": share, **of_class}, labels, sources, seed)}
