"""How alike LIME's lists of one picture are when they are made again: the `lime` package's sampler and ours, on the same superpixels.

Each sampler makes its list with several seeds. P(fake) of all those samples is computed once: the package's in floating point by our composer, which
`lime_benchmark.py` shows to give the package's weights, ours as the product computes it; lists of fewer samples are fitted to the first of them. What a
list takes is timed on fresh runs with one seed. What a list should be is told by all samples of the package's seeds together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from time import perf_counter

import numpy as np
from common import seconds, speedup

from aireal import lime
from aireal.lime.explain import FakeOfKept
from aireal.lime.sampling import paired, stock
from aireal.lime.stability import agreement
from aireal.lime.surrogate import fit

STOCK, ADAPTIVE = "lime package", "ours, adaptive"
Seen = tuple[np.ndarray, np.ndarray, FakeOfKept]  # a picture uint8 [S, S, 3], its superpixels int [S, S], P(fake) of masks as the product computes it


@dataclass
class Lists:
    """Weights [seeds, K] of one picture by each way to make them, the weights [K] of the package's samples all together, and of each adaptive
    list how many samples it took and whether it settled."""

    weights: dict[str, np.ndarray]
    reference: np.ndarray
    samples: list[int]
    settled: list[bool]


def own_lists(pictures: list[Seen], options, package_seconds: list[float]) -> dict:
    """Seconds of our lists of each size and of the adaptive one, and how many times as fast as the package's list of each picture, `package_seconds`."""
    taken = {ours(size): [fresh(picture, size, options.seed) for picture in pictures] for size in options.sizes}
    taken[ADAPTIVE] = [seconds(lambda p=p: lime.explain(p[0], lambda _: p[2], options.samples, options.seed)) for p in pictures]
    return {"seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
            "speedup": {name: speedup(package_seconds, rounds) for name, rounds in taken.items()}}


def stability(pictures: list[tuple[np.ndarray, np.ndarray, FakeOfKept, FakeOfKept]], options) -> dict:
    """Jaccard index and sign agreement of all ways, means over pictures and pairs of seeds; the fewest samples of ours that are as stable as the package's.

    Args:
        pictures: `Seen`, and P(fake) of masks in floating point.
        options: of `lime_benchmark`.
    """
    found = []
    for number, picture in enumerate(pictures, 1):
        print(f"stability of picture {number} of {len(pictures)} ...", flush=True)
        found.append(lists(*picture, options))
    ways = {name: summary([f.weights[name] for f in found], [f.reference for f in found]) for name in found[0].weights}
    return {
        "ways": ways, "as_stable_samples": next((n for n in options.sizes if ways[ours(n)]["jaccard"] >= ways[STOCK]["jaccard"]), None),
        "adaptive_samples": round(float(np.mean([f.samples for f in found])), 1), "settled": round(float(np.mean([f.settled for f in found])), 4),
        "reference_samples": options.seeds * options.samples,
        "probabilities": "the package's in floating point by our composer, ours as the product computes it",
    }


def ours(samples: int) -> str:
    return f"ours, {samples} samples"


def lists(image: np.ndarray, segments: np.ndarray, fake_of: FakeOfKept, floating: FakeOfKept, options) -> Lists:
    """All lists of one picture."""
    count, seeds = int(segments.max()) + 1, [options.seed + k for k in range(options.seeds)]
    theirs = [(masks, floating(masks)) for masks in (stock(count, options.samples, seed) for seed in seeds)]
    our_own = [(masks, fake_of(masks)) for masks in (paired(count, options.samples, seed) for seed in seeds)]
    adaptive = [lime.explain(image, lambda _, fake=fake: replayed(fake), options.samples, seed) for (_, fake), seed in zip(our_own, seeds)]
    weights = {STOCK: np.array([fit(masks, fake, pairs=False).coefficients for masks, fake in theirs])}
    for size in options.sizes:
        even = size // 2 * 2
        weights[ours(size)] = np.array([fit(masks[:even], fake[:even], pairs=True).coefficients for masks, fake in our_own])
    weights[ADAPTIVE] = np.array([in_order(found) for found in adaptive])
    pooled = fit(np.concatenate([masks for masks, _ in theirs]), np.concatenate([fake for _, fake in theirs]), pairs=False)
    return Lists(weights, pooled.coefficients, [a.samples for a in adaptive], [a.settled for a in adaptive])


def replayed(fake: np.ndarray) -> FakeOfKept:
    """Known probabilities one after another, for masks that come in the order in which these were computed."""
    rest: Iterator[float] = iter(fake)
    return lambda kept: np.array([next(rest) for _ in kept])


def in_order(found: lime.LimeResult) -> np.ndarray:
    return np.array([feature.weight for feature in sorted(found.features, key=lambda feature: feature.superpixel)])


def summary(weights: list[np.ndarray], references: list[np.ndarray]) -> dict[str, float]:
    """Of weights [seeds, K] and the reference [K] of each picture: agreement between seeds, and the share of lists whose top five is the reference's."""
    between, same = [], []
    for lists_, reference in zip(weights, references):
        pairs = np.array(list(combinations(range(len(lists_)), 2)))
        between.append([a.mean() for a in agreement(lists_[pairs[:, 0]], lists_[pairs[:, 1]])])
        same.append(np.mean(agreement(lists_, np.broadcast_to(reference, lists_.shape))[0] == 1))
    jaccard, signs = np.mean(between, axis=0)
    return {"jaccard": round(float(jaccard), 4), "signs": round(float(signs), 4), "same_top": round(float(np.mean(same)), 4),
            "jaccards": [round(float(j), 3) for j, _ in between]}


def fresh(picture: Seen, samples: int, seed: int) -> float:
    """Seconds of one list of so many samples, from masks to weights."""
    _, segments, fake_of = picture
    began = perf_counter()
    masks = paired(int(segments.max()) + 1, samples, seed)
    fit(masks, fake_of(masks), pairs=True)
    return perf_counter() - began
