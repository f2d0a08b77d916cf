"""How alike LIME's lists of one picture are when they are made again: the `lime` package's sampler and ours, on the
same superpixels.

Each sampler makes its list with several seeds. P(fake) of all those samples is computed once, by our composer, which
`lime_benchmark.py` shows to give the package's weights, in the way that the product takes for the picture; lists of
fewer samples are fitted to the first of them. What a list takes is timed on fresh runs with one seed. What a list
should be is told by all samples of the package's seeds together; all of ours together tell whether both samplers end at
the same list, and the package's samples in two halves whether it agrees with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from time import perf_counter

import numpy as np
from common import seconds, speedup

from aireal.explain import lime
from aireal.explain.lime.lime_image import PredictKept
from aireal.explain.lime.sampling import antithetic_masks, independent_masks
from aireal.explain.lime.stability import strongest, top_jaccard
from aireal.explain.lime.surrogate import fit

STOCK, ADAPTIVE = "lime package", "ours, adaptive"
Seen = tuple[
    np.ndarray, np.ndarray, PredictKept
]  # a picture uint8 [S, S, 3], its superpixels int [S, S], P(fake) of masks as the product computes it


@dataclass
class Lists:
    """Weights [seeds, K] of one picture by each way to make them, of each adaptive list how many samples it took and
    whether it settled, and the weights [K] of all samples of the package together (the reference) and of ours, and [2,
    K] of every other seed of the package; None where ours alone were made."""

    weights: dict[str, np.ndarray]
    samples: list[int]
    settled: list[bool]
    reference: np.ndarray | None = None
    pooled: np.ndarray | None = None
    halves: np.ndarray | None = None


def own_lists(pictures: list[Seen], options, package_seconds: list[float]) -> dict:
    """Seconds of our lists of each size and of the adaptive one, and how many times as fast as the package's list of
    each picture, `package_seconds`."""
    taken = {ours(size): [fresh(picture, size, options.seed) for picture in pictures] for size in options.sizes}
    taken[ADAPTIVE] = [
        seconds(lambda p=p: lime.explain(p[0], lambda _: p[2], options.samples, options.seed)) for p in pictures
    ]
    return {
        "seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
        "speedup": {name: speedup(package_seconds, rounds) for name, rounds in taken.items()},
    }


def stability(pictures: list[Seen], options) -> dict:
    """Jaccard index and sign agreement of all ways, means over pictures and pairs of seeds; the fewest samples of ours
    that are as stable as the package's.

    Args:
        pictures: by both samplers the first `options.stable_images`, by ours alone the rest.
        options: of `lime_benchmark`.
    """
    found = []
    for number, picture in enumerate(pictures, 1):
        print(f"stability of picture {number} of {len(pictures)} ...", flush=True)
        found.append(lists(*picture, options) if number <= options.stable_images else own_alone(*picture, options))
    both = [f for f in found if f.reference is not None]
    ways = {name: summary([f.weights[name] for f in both], [f.reference for f in both]) for name in both[0].weights}
    everywhere = summary([f.weights[ADAPTIVE] for f in found], [f.weights[ADAPTIVE][0] for f in found])
    return {
        "ways": ways,
        "as_stable_samples": next(
            (n for n in options.sizes if ways[ours(n)]["jaccard"] >= ways[STOCK]["jaccard"]), None
        ),
        "same_end": sum(same_five(f.pooled, f.reference) for f in both),
        "same_halves": sum(same_five(*f.halves) for f in both),
        "adaptive": {name: everywhere[name] for name in ("jaccard", "signs", "jaccards")},
        "adaptive_samples": round(float(np.mean([f.samples for f in found])), 1),
        "settled": round(float(np.mean([f.settled for f in found])), 4),
        "reference_samples": options.seeds * options.samples,
    }


def ours(samples: int) -> str:
    return f"ours, {samples} samples"


def lists(image: np.ndarray, segments: np.ndarray, fake_of: PredictKept, options) -> Lists:
    """All lists of one picture by both samplers."""
    count, seeds, most = int(segments.max()) + 1, seeds_of(options), max(options.sizes) // 2 * 2
    theirs = [(masks, fake_of(masks)) for masks in (independent_masks(count, options.samples, seed) for seed in seeds)]
    our_own = [
        (masks, fake_of(masks)) for masks in (antithetic_masks(count, options.samples, seed)[:most] for seed in seeds)
    ]
    adaptive = [
        lime.explain(image, lambda _, known=fake: going_on(known, fake_of), options.samples, seed)
        for (_, fake), seed in zip(our_own, seeds)
    ]
    weights = {STOCK: np.array([fit(masks, fake, pairs=False).coefficients for masks, fake in theirs])}
    for size in options.sizes:
        even = size // 2 * 2
        weights[ours(size)] = np.array(
            [fit(masks[:even], fake[:even], pairs=True).coefficients for masks, fake in our_own]
        )
    weights[ADAPTIVE] = np.array([in_order(found) for found in adaptive])
    reference, pooled, *halves = (
        fit(*map(np.concatenate, zip(*known)), pairs=pairs).coefficients
        for known, pairs in ((theirs, False), (our_own, True), (theirs[::2], False), (theirs[1::2], False))
    )
    return Lists(
        weights, [a.samples for a in adaptive], [a.settled for a in adaptive], reference, pooled, np.array(halves)
    )


def own_alone(image: np.ndarray, _: np.ndarray, fake_of: PredictKept, options) -> Lists:
    """The adaptive lists of one picture."""
    found = [lime.explain(image, lambda _: fake_of, options.samples, seed) for seed in seeds_of(options)]
    return Lists(
        {ADAPTIVE: np.array([in_order(f) for f in found])}, [f.samples for f in found], [f.settled for f in found]
    )


def seeds_of(options) -> list[int]:
    return [options.seed + k for k in range(options.seeds)]


def going_on(known: np.ndarray, fake_of: PredictKept) -> PredictKept:
    """Known probabilities one after another, for masks that come in the order in which these were computed, and then
    new ones."""
    rest = list(known)

    def fake(kept: np.ndarray) -> np.ndarray:
        had = [rest.pop(0) for _ in kept[: len(rest)]]
        return np.concatenate([had, fake_of(kept[len(had) :])]) if len(had) < len(kept) else np.array(had)

    return fake


def same_five(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(top_jaccard(one[None], other[None])[0] == 1)


def in_order(found: lime.LimeResult) -> np.ndarray:
    return np.array([feature.weight for feature in sorted(found.features, key=lambda feature: feature.superpixel)])


def summary(weights: list[np.ndarray], references: list[np.ndarray]) -> dict[str, float]:
    """Of weights [seeds, K] and the reference [K] of each picture: agreement between seeds, the share of lists whose
    top five is the reference's, and how much of the weight of the reference's top five theirs has (1 - that is what was
    lost by naming others, next to nothing among near equals)."""
    between, same, carried = [], [], []
    for lists_, reference in zip(weights, references):
        pairs = np.array(list(combinations(range(len(lists_)), 2)))
        between.append([a.mean() for a in top_jaccard(lists_[pairs[:, 0]], lists_[pairs[:, 1]])])
        same.append(np.mean(top_jaccard(lists_, np.broadcast_to(reference, lists_.shape))[0] == 1))
        size = np.abs(reference)
        carried.append(np.mean(strongest(lists_) @ size) / size[strongest(reference)].sum())
    jaccard, signs = np.mean(between, axis=0)
    return {
        "jaccard": round(float(jaccard), 4),
        "signs": round(float(signs), 4),
        "same_top": round(float(np.mean(same)), 4),
        "carried": round(float(np.mean(carried)), 4),
        "jaccards": [round(float(j), 3) for j, _ in between],
    }


def fresh(picture: Seen, samples: int, seed: int) -> float:
    """Seconds of one list of so many samples, from masks to weights."""
    _, segments, fake_of = picture
    began = perf_counter()
    masks = antithetic_masks(int(segments.max()) + 1, samples, seed)
    fit(masks, fake_of(masks), pairs=True)
    return perf_counter() - began
