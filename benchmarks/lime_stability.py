"""Stability of LIME's lists: the agreement of repeated lists of one picture, for the `lime` package's sampler and ours.

Both use the same superpixels, and each computes its list with several seeds. P(fake) of all samples is computed once,
by our code and with the classifier that the product chooses for the picture; `lime_benchmark.py` checks that this
gives the package's weights. Lists of fewer samples are fitted to the first samples. The time of a list is measured in
separate runs with one seed.

The reference list is fitted to the package's samples of all seeds together. The list of all our samples shows whether
both samplers converge to the same list, and two halves of the package's samples show whether it agrees with itself.
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
# a picture uint8 [S, S, 3], its superpixels int [S, S], and P(fake) of masks as the product computes it
Maskable = tuple[np.ndarray, np.ndarray, PredictKept]


@dataclass
class Lists:
    """The lists of one picture. The last three are None where only our lists were computed.

    Attributes:
        weights: [seeds, K] by the name of the way to compute them.
        samples, settled: of each adaptive list.
        reference: weights [K] of all samples of the package together.
        pooled: weights [K] of all our samples together.
        halves: weights [2, K] of every other seed of the package.
    """

    weights: dict[str, np.ndarray]
    samples: list[int]
    settled: list[bool]
    reference: np.ndarray | None = None
    pooled: np.ndarray | None = None
    halves: np.ndarray | None = None


def own_lists(pictures: list[Maskable], options, package_seconds: list[float]) -> dict:
    """Seconds of our lists of each size and of the adaptive list, and their speedup over the package's lists.

    Args:
        options: of `lime_benchmark`.
        package_seconds: of the package's list of each picture.
    """
    taken = {
        ours(size): [seconds_of_list(picture, size, options.seed) for picture in pictures] for size in options.sizes
    }
    taken[ADAPTIVE] = [
        seconds(lambda p=p: lime.explain(p[0], lambda _: p[2], options.samples, options.seed)) for p in pictures
    ]
    return {
        "seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
        "speedup": {name: speedup(package_seconds, rounds) for name, rounds in taken.items()},
    }


def stability(pictures: list[Maskable], options) -> dict:
    """Jaccard index and sign agreement of all ways, as means over pictures and pairs of seeds.

    "as_stable_samples" is the smallest number of our samples with which our list is as stable as the package's.

    Args:
        pictures: the first `options.stable_images` get lists of both samplers, the others only ours.
        options: of `lime_benchmark`.
    """
    all_lists = []
    for number, picture in enumerate(pictures, 1):
        print(f"stability of picture {number} of {len(pictures)} ...", flush=True)
        all_lists.append(lists(*picture, options) if number <= options.stable_images else own_alone(*picture, options))
    both = [entry for entry in all_lists if entry.reference is not None]
    references = [entry.reference for entry in both]
    ways = {name: summary([entry.weights[name] for entry in both], references) for name in both[0].weights}
    adaptive = [entry.weights[ADAPTIVE] for entry in all_lists]
    everywhere = summary(adaptive, [weights[0] for weights in adaptive])
    return {
        "ways": ways,
        "as_stable_samples": next(
            (n for n in options.sizes if ways[ours(n)]["jaccard"] >= ways[STOCK]["jaccard"]), None
        ),
        "same_end": sum(same_top(entry.pooled, entry.reference) for entry in both),
        "same_halves": sum(same_top(*entry.halves) for entry in both),
        "adaptive": {name: everywhere[name] for name in ("jaccard", "signs", "jaccards")},
        "adaptive_samples": round(float(np.mean([entry.samples for entry in all_lists])), 1),
        "settled": round(float(np.mean([entry.settled for entry in all_lists])), 4),
        "reference_samples": options.seeds * options.samples,
    }


def ours(samples: int) -> str:
    return f"ours, {samples} samples"


def lists(image: np.ndarray, segments: np.ndarray, predict_kept: PredictKept, options) -> Lists:
    """All lists of one picture by both samplers."""
    count, seeds, most = int(segments.max()) + 1, seeds_of(options), max(options.sizes) // 2 * 2
    package_masks = [independent_masks(count, options.samples, seed) for seed in seeds]
    our_masks = [antithetic_masks(count, options.samples, seed)[:most] for seed in seeds]
    package = [(masks, predict_kept(masks)) for masks in package_masks]
    our_own = [(masks, predict_kept(masks)) for masks in our_masks]
    adaptive = [
        lime.explain(image, lambda _, computed=fake: continuing(computed, predict_kept), options.samples, seed)
        for (_, fake), seed in zip(our_own, seeds)
    ]
    weights = {STOCK: np.array([fit(masks, fake, pairs=False).coefficients for masks, fake in package])}
    for size in options.sizes:
        even = size // 2 * 2
        weights[ours(size)] = np.array(
            [fit(masks[:even], fake[:even], pairs=True).coefficients for masks, fake in our_own]
        )
    weights[ADAPTIVE] = np.array([in_order(result) for result in adaptive])
    pools = ((package, False), (our_own, True), (package[::2], False), (package[1::2], False))
    reference, pooled, *halves = (
        fit(*map(np.concatenate, zip(*samples)), pairs=pairs).coefficients for samples, pairs in pools
    )
    adaptive_samples, settled = [result.samples for result in adaptive], [result.settled for result in adaptive]
    return Lists(weights, adaptive_samples, settled, reference, pooled, np.array(halves))


def own_alone(image: np.ndarray, _: np.ndarray, predict_kept: PredictKept, options) -> Lists:
    """The adaptive lists of one picture."""
    results = [lime.explain(image, lambda _: predict_kept, options.samples, seed) for seed in seeds_of(options)]
    weights = {ADAPTIVE: np.array([in_order(result) for result in results])}
    return Lists(weights, [result.samples for result in results], [result.settled for result in results])


def seeds_of(options) -> list[int]:
    return [options.seed + k for k in range(options.seeds)]


def continuing(computed: np.ndarray, predict_kept: PredictKept) -> PredictKept:
    """A function that first returns computed probabilities one after another, and then computes new ones.

    The masks have to come in the order in which the probabilities were computed.
    """
    remaining = list(computed)

    def fake(masks: np.ndarray) -> np.ndarray:
        stored = [remaining.pop(0) for _ in masks[: len(remaining)]]
        if len(stored) == len(masks):
            return np.array(stored)
        return np.concatenate([stored, predict_kept(masks[len(stored) :])])

    return fake


def same_top(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two lists of weights [K] have the same five strongest superpixels."""
    return bool(top_jaccard(a[None], b[None])[0] == 1)


def in_order(result: lime.LimeResult) -> np.ndarray:
    """The weights [K] in the order of the superpixels' numbers."""
    return np.array([feature.weight for feature in sorted(result.features, key=lambda feature: feature.superpixel)])


def summary(weights: list[np.ndarray], references: list[np.ndarray]) -> dict[str, float]:
    """Agreement between seeds and with the reference.

    "same_top" is the share of lists with the same top five as the reference. "carried" is the weight, in the
    reference, of the list's top five as a share of that of the reference's own top five. It is nearly 1 where the tops
    differ only in superpixels of nearly equal weight.

    Args:
        weights: [seeds, K] of each picture.
        references: [K] of each picture.
    """
    between, same, carried = [], [], []
    for lists_, reference in zip(weights, references):
        pairs = np.array(list(combinations(range(len(lists_)), 2)))
        between.append([values.mean() for values in top_jaccard(lists_[pairs[:, 0]], lists_[pairs[:, 1]])])
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


def seconds_of_list(picture: Maskable, samples: int, seed: int) -> float:
    """Seconds of a list of `samples` samples, from the masks to the weights."""
    _, segments, predict_kept = picture
    began = perf_counter()
    masks = antithetic_masks(int(segments.max()) + 1, samples, seed)
    fit(masks, predict_kept(masks), pairs=True)
    return perf_counter() - began
