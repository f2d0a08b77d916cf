"""Group pictures that belong together, and assign each group to a split.

The arrays take a few bytes a picture, so that 100,000 pictures need some megabytes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aireal.dataset.check import NEAR_DUPLICATE_BITS

FRAME_BITS = 16  # of 64: frames of one video differ in fewer, different pictures in about 32
COMPARED_AT_ONCE = 2_000_000  # pairs of hashes
SPLIT_CODES = ("", "train", "val", "test")  # the stricter split of the source has the larger code
TRAIN, VAL, TEST = 1, 2, 3
Edges = tuple[np.ndarray, np.ndarray]  # two int arrays [E]: the ends of each edge


@dataclass
class PictureArrays:
    """Columns of the readable pictures, in the order of the source. A hash or key of 0 means that there is none."""

    label: array = field(default_factory=lambda: array("b"))
    source_split: array = field(default_factory=lambda: array("b"))  # index in SPLIT_CODES
    group: array = field(default_factory=lambda: array("Q"))  # hash of the group that the source names
    pixels: array = field(default_factory=lambda: array("Q"))  # first 64 bits of the pixels' sha256
    phash: array = field(default_factory=lambda: array("Q"))  # 0 for a flat picture, which has none
    series: array = field(default_factory=lambda: array("Q"))  # hash of folder and name without its number
    number: array = field(default_factory=lambda: array("Q"))
    video: array = field(default_factory=lambda: array("b"))  # whether the name marks a frame of a video
    draw: array = field(default_factory=lambda: array("Q"))  # seeded hash of the group's name

    def column(self, name: str) -> np.ndarray:
        """A column as an array [N]."""
        values = getattr(self, name)
        return np.frombuffer(values, dtype=values.typecode)


@dataclass(frozen=True)
class Assignment:
    """The group and split of each picture.

    Attributes:
        split: uint8 [N], index in SPLIT_CODES; 0: left out, because its group belongs to another of the source's
            splits.
        group: int32 [N].
        both_classes: number of pictures that stand in both classes, pixel for pixel.
        notes: remarks on the source's own splits.
    """

    split: np.ndarray
    group: np.ndarray
    both_classes: int
    notes: list[str]


def components(n: int, *edges: Edges) -> np.ndarray:
    """Number of the connected component of each of `n` nodes, int32 [n]."""
    first = np.concatenate([ends[0] for ends in edges]) if edges else np.empty(0, int)
    second = np.concatenate([ends[1] for ends in edges]) if edges else np.empty(0, int)
    graph = coo_array((np.ones(len(first), np.uint8), (first, second)), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def equal_keys(keys: np.ndarray) -> Edges:
    """Edges that connect all nodes with the same key; the key 0 means none."""
    order = np.argsort(keys, kind="stable")
    same = (keys[order][1:] == keys[order][:-1]) & (keys[order][1:] != 0)
    return order[1:][same], order[:-1][same]


def near_hashes(hashes: np.ndarray, most: int, limit: int = NEAR_DUPLICATE_BITS) -> Edges:
    """Edges between 64-bit perceptual hashes that differ in at most `limit` bits.

    Of `limit` + 1 bands of the bits at least one must be equal, so only hashes that share a band are compared (Manku
    et al. 2007, "Detecting near-duplicates for web crawling"): at 100,000 pictures about one pair in a hundred.
    Clusters of more than `most` pictures get no edges: there the hash shows no more than, say, a blue sky.
    """
    values, node, counts = np.unique(hashes, return_index=True, return_counts=True)
    usable = (values != 0) & (counts <= most)
    values, node = values[usable], node[usable]
    pairs = [np.empty((2, 0), int)]
    for band in np.array_split(np.arange(64), limit + 1):
        key = (values >> np.uint64(band[0])) & np.uint64((1 << len(band)) - 1)
        by_key = np.argsort(key, kind="stable")
        for bucket in np.split(by_key, np.flatnonzero(np.diff(key[by_key])) + 1):
            pairs += _near_pairs(values, bucket, limit)
    first, second = node[np.concatenate(pairs, axis=1)]
    copies = equal_keys(np.where(np.isin(hashes, values), hashes, 0))
    edges = np.concatenate([first, copies[0]]), np.concatenate([second, copies[1]])
    cluster = components(len(hashes), edges)
    small = np.bincount(cluster, minlength=1)[cluster[edges[0]]] <= most
    return edges[0][small], edges[1][small]


def _near_pairs(values: np.ndarray, bucket: np.ndarray, limit: int) -> list[np.ndarray]:
    """Index pairs [2, P] of hashes in one bucket that differ in at most `limit` bits."""
    if len(bucket) < 2:
        return []
    pairs, step = [], max(1, COMPARED_AT_ONCE // len(bucket))
    for start in range(0, len(bucket), step):
        rows = bucket[start : start + step]
        distance = np.bitwise_count(values[rows][:, None] ^ values[bucket][None])
        a, b = np.divmod(np.flatnonzero(distance <= limit), len(bucket))  # faster than nonzero in two dimensions
        once = rows[a] < bucket[b]
        pairs.append(np.stack([rows[a][once], bucket[b][once]]))
    return pairs


def find_videos(table: PictureArrays) -> Edges:
    """Edges between consecutive frames of a video.

    Frames are files of one folder whose names differ in their last number alone, if the name says clip, video, frame,
    film or scene, or if most neighbours look alike. A series of more than half of its class is not a video: nothing
    would be left to split.
    """
    series, phash, label = table.column("series"), table.column("phash"), table.column("label")
    order = np.lexsort((table.column("number"), series))
    _, key = np.unique(series, return_inverse=True)
    before, after = order[:-1], order[1:]
    same_series = (series[before] == series[after]) & (series[after] != 0)
    hashed = (phash[before] != 0) & (phash[after] != 0)
    alike = same_series & hashed & (np.bitwise_count(phash[before] ^ phash[after]) <= FRAME_BITS)
    n_pairs, n_alike = (np.bincount(key[after], weights=w, minlength=len(key)) for w in (same_series, alike))
    named = np.bincount(key, weights=table.column("video"), minlength=len(key)) > 0
    length = np.bincount(key, minlength=len(key))
    class_size = np.bincount(label, minlength=2)[label]
    is_video = (named | (n_alike > n_pairs / 2))[key[after]] & (2 * length[key[after]] <= class_size[after])
    return after[same_series & is_video], before[same_series & is_video]


def assign_splits(table: PictureArrays, shares: dict[str, float]) -> Assignment:
    """Group and split of each picture.

    The source's own test split stays as it is, and so does its val. In a source with train and val alone, val is the
    test split, as GenImage means it; a source with one split alone has none. A picture whose group or pixels belong
    to a stricter split of the source is left out of the others. All other groups are assigned to meet the shares,
    class by class, in the order of a seeded hash of the group's name.
    """
    n, source_split = len(table.label), np.array(table.column("source_split"))
    if not n:
        return Assignment(np.empty(0, np.uint8), np.empty(0, np.int32), 0, [])
    note = _interpret_splits(source_split)
    same = [equal_keys(table.column("group")), equal_keys(table.column("pixels"))]
    split, free = _keep_source_splits(source_split, components(n, *same))
    similar = [find_videos(table), near_hashes(table.column("phash"), max(10, n // 20))]
    group = components(n, *same, *(_within(edges, free) for edges in similar))
    given = {SPLIT_CODES[code] for code in np.unique(source_split) if code > TRAIN}
    split[free] = _split_by_shares(
        group[free],
        table.column("label")[free],
        table.column("draw")[free],
        [0.0 if name in given else shares[name] for name in SPLIT_CODES[1:]],
    )
    return Assignment(split, group, _count_in_both_classes(table), [note] if note else [])


def _interpret_splits(source_split: np.ndarray) -> str:
    """Correct, in place, the source's splits where their names do not mean what they say; return a note, or ""."""
    names = {SPLIT_CODES[code] for code in np.unique(source_split)}
    if names == {"train"} or names == {"val"}:
        source_split[:] = 0
        return f"the source has one split alone, {names.pop()}, which is split anew"
    if "val" in names and "test" not in names:
        source_split[source_split == VAL] = TEST
        return "the source has val but no test: its val is the test split, and val is cut from train"
    if "test" not in names:
        return "the pictures marked train stay in train, the others are split by the shares" if "train" in names else ""
    val = "its val as val" if "val" in names else "val is cut from train"
    return f"the source's test split is kept as test, {val}"


def _keep_source_splits(source_split: np.ndarray, tied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(split uint8 [N] as the source has it, bool [N]: which pictures are still to be assigned).

    Args:
        tied: component of each picture; its pictures have to share a split.
    """
    strictest = np.zeros(tied.max() + 1, source_split.dtype)
    np.maximum.at(strictest, tied, source_split)
    split = np.where(source_split == 0, strictest[tied], source_split).astype(np.uint8)
    split[(source_split > 0) & (source_split < strictest[tied])] = 0
    left_out = (source_split > 0) & (split == 0)
    # val is cut from train where the source names a test alone; without a test, train is what it says
    cut_from_train = (source_split == TEST).any() and not (source_split == VAL).any()
    return split, (split <= TRAIN if cut_from_train else split == 0) & ~left_out


def _within(edges: Edges, nodes: np.ndarray) -> Edges:
    """The edges both of whose ends are among `nodes`, bool [N]."""
    inside = nodes[edges[0]] & nodes[edges[1]]
    return edges[0][inside], edges[1][inside]


def _split_by_shares(group: np.ndarray, label: np.ndarray, draw: np.ndarray, shares: list[float]) -> np.ndarray:
    """Split (uint8 [F], index in SPLIT_CODES) of each free picture.

    Along the groups of a class in the order of their draw, each split takes its share of the pictures. The class of a
    group is that of its first picture.
    """
    groups, first, inverse, size = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    ends = np.cumsum(shares if sum(shares) else [1, 0, 0])
    split = np.zeros(len(groups), np.uint8)
    for value in (0, 1):
        members = np.flatnonzero(label[first] == value)
        order = members[np.argsort(draw[first][members], kind="stable")]
        middle = np.cumsum(size[order]) - size[order] / 2
        split[order] = 1 + np.searchsorted(ends[:-1], middle / max(size[order].sum(), 1) * ends[-1], side="right")
    return split[inverse]


def _count_in_both_classes(table: PictureArrays) -> int:
    pixels, label = table.column("pixels"), table.column("label")
    return len(np.intersect1d(pixels[label == 0], pixels[label == 1]))
