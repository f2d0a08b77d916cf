"""Which pictures belong together, and which split each group goes to: arrays of a few bytes a picture, so that 100,000 of them need some megabytes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aireal.dataset.check import NEAR

ALIKE = 16  # of 64 bits: frames of one film differ in fewer, different pictures in about 32
SPLIT_CODES = (
    "",
    "train",
    "val",
    "test",
)  # a group with pictures in two of the source's splits belongs to the later one
Edges = tuple[np.ndarray, np.ndarray]


@dataclass
class PictureArrays:
    """Columns of the pictures that could be read, in the order of the source. A hash or key of 0 stands for none."""

    label: array = field(default_factory=lambda: array("b"))
    own: array = field(default_factory=lambda: array("b"))  # the source's split, as its place in SPLIT_CODES
    group: array = field(default_factory=lambda: array("Q"))  # hash of the group that the source names
    pixels: array = field(default_factory=lambda: array("Q"))  # first 64 bits of the pixels' sha256
    phash: array = field(default_factory=lambda: array("Q"))  # 0 for a flat picture, which has none
    series: array = field(default_factory=lambda: array("Q"))  # hash of folder and name without its number
    number: array = field(default_factory=lambda: array("Q"))
    film: array = field(default_factory=lambda: array("b"))  # whether the name says that it is a frame
    draw: array = field(default_factory=lambda: array("Q"))  # seeded hash of the group's name

    def column(self, name: str) -> np.ndarray:
        values = getattr(self, name)
        return np.frombuffer(values, dtype=values.typecode)


@dataclass(frozen=True)
class Assignment:
    """`split` (uint8 [n], place in SPLIT_CODES; 0: left out, because the group belongs to another of the source's splits) and `group` (int32 [n])."""

    split: np.ndarray
    group: np.ndarray
    both_classes: int  # different pictures that stand in both classes, pixel for pixel
    notes: list[str]


def components(n: int, *edges: Edges) -> np.ndarray:
    """Number of the connected component of each of `n` nodes, int32 [n]."""
    first, second = (
        np.concatenate(ends) if edges else np.empty(0, int) for ends in (zip(*edges) if edges else ((), ()))
    )
    return connected_components(
        coo_array((np.ones(len(first), np.uint8), (first, second)), shape=(n, n)), directed=False
    )[1]


def equal(keys: np.ndarray) -> Edges:
    """Edges that connect all nodes with the same key (0 is none)."""
    order = np.argsort(keys, kind="stable")
    same = (keys[order][1:] == keys[order][:-1]) & (keys[order][1:] != 0)
    return order[1:][same], order[:-1][same]


def near(hashes: np.ndarray, most: int, limit: int = NEAR) -> Edges:
    """Edges between 64-bit perceptual hashes that differ in at most `limit` bits.

    Of `limit` + 1 bands of the bits at least one must be equal, so only hashes that share a band are compared (Manku et al. 2007, "Detecting
    near-duplicates for web crawling"): at 100,000 pictures about one pair in a hundred. Clusters of more than `most` pictures are left alone: there the
    hash sees no more than, say, a blue sky.
    """
    values, node, counts = np.unique(hashes, return_index=True, return_counts=True)
    use = (values != 0) & (counts <= most)
    values, node = values[use], node[use]
    pairs = [np.empty((2, 0), int)]
    for band in np.array_split(np.arange(64), limit + 1):
        key = (values >> np.uint64(band[0])) & np.uint64((1 << len(band)) - 1)
        by_key = np.argsort(key, kind="stable")
        for bucket in np.split(by_key, np.flatnonzero(np.diff(key[by_key])) + 1):
            pairs += _close(values, bucket, limit)
    first, second = node[np.concatenate(pairs, axis=1)]
    again = equal(np.where(np.isin(hashes, values), hashes, 0))
    edges = np.concatenate([first, again[0]]), np.concatenate([second, again[1]])
    cluster = components(len(hashes), edges)
    small = np.bincount(cluster, minlength=1)[cluster[edges[0]]] <= most
    return edges[0][small], edges[1][small]


def _close(values: np.ndarray, bucket: np.ndarray, limit: int) -> list[np.ndarray]:
    found, step = [], max(1, 2_000_000 // max(1, len(bucket)))
    for start in range(0, len(bucket) if len(bucket) > 1 else 0, step):
        rows = bucket[start : start + step]
        close = np.flatnonzero(
            np.bitwise_count(values[rows][:, None] ^ values[bucket][None]) <= limit
        )  # faster than nonzero in two dimensions
        a, b = np.divmod(close, len(bucket))
        earlier = rows[a] < bucket[b]
        found.append(np.stack([rows[a][earlier], bucket[b][earlier]]))
    return found


def find_videos(table: PictureArrays) -> Edges:
    """Edges between the frames of a film: files of one folder whose names differ in their last number alone, if the name says clip, video, frame,
    film or scene, or if most neighbours look alike. A series that is more than half of its class is none: there would be nothing to split."""
    series, phash, label = table.column("series"), table.column("phash"), table.column("label")
    order = np.lexsort((table.column("number"), series))
    _, key = np.unique(series, return_inverse=True)
    before, after = order[:-1], order[1:]
    same = (series[before] == series[after]) & (series[after] != 0)
    alike = (
        same & (phash[before] != 0) & (phash[after] != 0) & (np.bitwise_count(phash[before] ^ phash[after]) <= ALIKE)
    )
    pairs, close = (np.bincount(key[after], weights=w, minlength=len(key)) for w in (same, alike))
    named = np.bincount(key, weights=table.column("film"), minlength=len(key)) > 0
    whole = np.bincount(key, minlength=len(key))
    one_class = np.bincount(label, minlength=2)[label]
    keep = same & (named | (close > pairs / 2))[key[after]] & (2 * whole[key[after]] <= one_class[after])
    return after[keep], before[keep]


def assign(table: PictureArrays, shares: dict[str, float]) -> Assignment:
    """Group and split of each picture.

    The source's own test split stays as it is, and so does its val. A source with train and val alone has them read as train and test, as GenImage
    means it; one with train alone has none. What belongs to a stricter split of the source by its group or its pixels is left out of the others. All
    else is dealt by groups, in the order of a seeded hash of the group's name, class by class, so that the shares are met.
    """
    n, own, notes = len(table.label), np.array(table.column("own")), []
    if not n:
        return Assignment(np.empty(0, np.uint8), np.empty(0, np.int32), 0, notes)
    notes.append(_read_own(own))
    hard = [equal(table.column("group")), equal(table.column("pixels"))]
    tied = components(n, *hard)
    strictest = np.zeros(tied.max() + 1, own.dtype)
    np.maximum.at(strictest, tied, own)
    split = np.where(own == 0, strictest[tied], own).astype(np.uint8)
    split[(own > 0) & (own < strictest[tied])] = 0
    left_out = (own > 0) & (split == 0)
    free = (split <= 1) & ~left_out if not (own == 2).any() else (split == 0) & ~left_out
    soft = [
        tuple(end[free[a] & free[b]] for end in (a, b))
        for a, b in (find_videos(table), near(table.column("phash"), max(10, n // 20)))
    ]
    group = components(n, *hard, *soft)
    given = {SPLIT_CODES[code] for code in np.unique(own) if code > 1}
    split[free] = _deal(
        group[free],
        table.column("label")[free],
        table.column("draw")[free],
        [0.0 if s in given else shares[s] for s in SPLIT_CODES[1:]],
    )
    return Assignment(split, group, _in_both_classes(table), [note for note in notes if note])


def _read_own(own: np.ndarray) -> str:
    """Mend, in place, what a source's splits do not mean, and say so."""
    found = {SPLIT_CODES[code] for code in np.unique(own)}
    if found == {"train"} or found == {"val"}:
        own[:] = 0
        return f"the source has one split alone, {found.pop()}, which is split anew"
    if "val" in found and "test" not in found:
        own[own == 2] = 3
        return "the source has val but no test: its val is the test split, and val is cut from train"
    return (
        "the source's test split is kept as test"
        + (", its val as val" if "val" in found else ", val is cut from train")
        if "test" in found
        else ""
    )


def _deal(group: np.ndarray, label: np.ndarray, draw: np.ndarray, shares: list[float]) -> np.ndarray:
    """Split of each free picture: along the groups in the order of their draw, so many pictures to each split as its share says; the class of a group is
    its first picture's."""
    groups, first, inverse, size = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    ends = np.cumsum(shares if sum(shares) else [1, 0, 0])
    chosen = np.zeros(len(groups), np.uint8)
    for value in (0, 1):
        own = np.flatnonzero(label[first] == value)
        order = own[np.argsort(draw[first][own], kind="stable")]
        middle = np.cumsum(size[order]) - size[order] / 2
        chosen[order] = 1 + np.searchsorted(ends[:-1], middle / max(size[order].sum(), 1) * ends[-1], side="right")
    return chosen[inverse]


def _in_both_classes(table: PictureArrays) -> int:
    pixels, label = table.column("pixels"), table.column("label")
    return len(np.intersect1d(pixels[label == 0], pixels[label == 1]))
