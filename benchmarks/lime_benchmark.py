"""How fast LIME's list is made, and how stable it is: `aireal.explain.lime` against the `lime` package, at equal
weights.

    python benchmarks/lime_benchmark.py                                        # 3 pictures timed, 10 lists of each of
    12: about 40 minutes python benchmarks/lime_benchmark.py --stable-images 20 --own-images 40     # more certain, and
    some hours

Both are given the same superpixels. First all that is timed: the same samples, by the package as people use it (batches
of 10, float32, default memory format, no progress bar) and by our composer with the package's masks, in turn on every
picture; and our own lists. Then, untimed, stability (`lime_stability.py`): the package's lists and ours on some
pictures, ours alone on more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import torch
from common import BaseOptions, alternate, command, seconds, speedup
from lime.lime_image import LimeImageExplainer
from lime.wrappers.scikit_image import SegmentationAlgorithm
from lime_stability import own_lists, stability
from report import finish
from torchvision.transforms import v2

from aireal.classifier.data import to_batch
from aireal.classifier.model import load, read_config
from aireal.classifier.train import ensure_classifier
from aireal.core.device import precision
from aireal.core.imagefile import open_rgb, square
from aireal.core.run import Run, start
from aireal.dataset.manifest import Item, load_items
from aireal.explain.fast_classifier import Classify, FastClassifier
from aireal.explain.lime.lime_image import PredictKept
from aireal.explain.lime.perturb import BATCH, mean_filled, perturb_on_device, superpixels
from aireal.explain.lime.sampling import independent_masks
from aireal.explain.lime.surrogate import fit
from aireal.explain.predictor import Predictor
from aireal.explain.prepare_quantized import prepare_quantized

GOALS = {"same_samples": 2.3, "above_floor": 1.2, "as_stable": 8.0, "same_top": 0.9}
TOLERANCE = 1e-3  # of a weight in float32
STOCK, OURS, OURS_FLOATING = "lime package", "ours", "ours without 8-bit integers"
OURS_FP32, FLOOR = "ours, float32", "forward alone"
WARM_UP = 64  # samples


@dataclass
class Options(BaseOptions):
    images: int = 3  # test pictures that are timed, of both classes in turn
    stable_images: int = 4  # test pictures whose lists are made again by both, those that are timed among them
    own_images: int = 12  # test pictures whose adaptive lists are made again, those above among them
    seeds: int = 10  # lists of each sampler a picture
    samples: int = 1000  # of the package, and the most of ours
    sizes: list[int] = field(
        default_factory=lambda: [128, 256, 384, 512]
    )  # ours, of which the smallest that is as stable is sought


@dataclass
class Picture:
    """uint8 [S, S, 3], int [S, S], both normalised pictures float [3, S, S] (whole, mean-filled), P(fake) of masks, and
    the classifier that the product chooses for this picture."""

    pixels: np.ndarray
    segments: np.ndarray
    whole: torch.Tensor
    filled: torch.Tensor
    predict_kept: PredictKept
    classify: Classify

    @property
    def count(self) -> int:
        return int(self.segments.max()) + 1


@dataclass
class Outcome:
    """Seconds, and what came out: weights [K] and R² of a list, P(fake) [N] of its samples; empty where an arm makes
    none."""

    seconds: float
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    fake: np.ndarray = field(default_factory=lambda: np.empty(0))


Arm = Callable[[Picture, int], Outcome]  # of so many samples


def main(options: Options) -> int:
    if (
        options.images < 2
        or not options.images <= options.stable_images <= options.own_images
        or options.seeds < 2
        or max(options.sizes) > options.samples
    ):
        raise ValueError(
            "lists are compared between seeds, on pictures of both classes: give at least 2 images and 2 seeds, "
            "no fewer --stable-images than --images, no fewer --own-images than these, and no size above --samples"
        )
    run = start("benchmark", options.profile, options.root, options.seed)
    if read_config(run.data.model) is None:
        ensure_classifier(run)
    eight = prepare_quantized(run)
    items = in_turn(load_items(run.data, "test", -(-options.own_images // 2)))[: options.own_images]
    with Predictor(run.data.model, run.device) as predictor:
        fast = FastClassifier(predictor)
        pictures = [prepare(run.data.root / item.path, fast) for item in items]
        timed, seen = pictures[: options.images], [(p.pixels, p.segments, p.predict_kept) for p in pictures]
        same = same_samples(timed, arms(run, fast, options), options.samples)
        own = own_lists(seen[: options.images], options, same["seconds"][STOCK])
        stable = own | stability(seen, options)
    return finish(
        run,
        options.out,
        "benchmark_lime",
        {
            "goals": GOALS,
            "tolerance": TOLERANCE,
            "precision": precision(run.device),
            "threads": torch.get_num_threads(),
            "images": len(timed),
            "int8": eight | {"pictures": sum(p.classify.quantized for p in pictures), "of": len(pictures)},
            "stable_images": options.stable_images,
            "own_images": len(pictures),
            "seeds": options.seeds,
            "samples": options.samples,
            "superpixels": [p.count for p in timed],
            "batch": BATCH,
            "same_samples": same,
            "stability": stable,
        },
        unequal(same),
    )


def in_turn(items: list[Item]) -> list[Item]:
    """Photographs and AI images in turn."""
    parts = [[item for item in items if item.label == label] for label in (0, 1)]
    return [item for pair in zip_longest(*parts) for item in pair if item]


def prepare(path: Path, fast: FastClassifier) -> Picture:
    pixels = np.asarray(square(open_rgb(path), fast.predictor.size))
    segments = superpixels(pixels)
    whole, filled = fast.predictor.tensors(to_batch([pixels, mean_filled(pixels, segments)]))
    classify = fast.choose([pixels], [segments])
    return Picture(pixels, segments, whole, filled, fast.predict_kept(pixels, segments, classify), classify)


def arms(run: Run, fast: FastClassifier, options: Options) -> dict[str, Arm]:
    """All ways to the list of the package's own masks, by name, and the forward pass that all of them need."""
    predictor = fast.predictor
    plain = load(run.data.model, run.device)[0].to(memory_format=torch.contiguous_format)

    def ours(classify: Callable[[torch.Tensor], torch.Tensor]) -> Arm:
        return lambda picture, samples: composed(picture, classify, samples, options.seed)

    floating = (
        {} if precision(run.device) == "no" else {OURS_FLOATING: ours(predictor.predict_fake)}
    )  # there it is float32
    return {
        STOCK: lambda picture, samples: as_people_use_it(picture, plain, predictor, samples, options.seed),
        OURS: lambda picture, samples: as_the_product_does(picture, fast, samples, options.seed),
        **floating,
        OURS_FP32: ours(lambda batch: predictor.calibrate(plain(batch.contiguous()))),
        FLOOR: lambda picture, samples: forward_alone(picture, samples),
    }


def as_people_use_it(
    picture: Picture, model: torch.nn.Module, predictor: Predictor, samples: int, seed: int
) -> Outcome:
    """The package with its defaults, but for our superpixels."""
    transform = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(predictor.config.mean, predictor.config.std)]
    )

    @torch.no_grad()
    def predict(batch: np.ndarray) -> np.ndarray:
        found = predictor.calibrate(
            model(torch.stack([transform(image) for image in batch]).to(predictor.device))
        ).numpy()
        return np.stack([1 - found, found], axis=1)

    with without_progress_bar():
        began = perf_counter()
        found = LimeImageExplainer(random_state=seed).explain_instance(
            picture.pixels,
            predict,
            labels=(1,),
            top_labels=None,
            hide_color=None,
            num_samples=samples,
            batch_size=10,
            segmentation_fn=lambda _: picture.segments,
            random_seed=seed,
        )
        taken = perf_counter() - began
    weights = dict(found.local_exp[1])
    return Outcome(taken, np.array([weights[k] for k in range(picture.count)]))


def without_progress_bar() -> AbstractContextManager:
    return patch("lime.lime_image.tqdm", lambda rows: rows)


def as_the_product_does(picture: Picture, fast: FastClassifier, samples: int, seed: int) -> Outcome:
    """Ours, with the package's masks; the trial that decides on 8-bit integers is timed, too."""
    began = perf_counter()
    masks = independent_masks(picture.count, samples, seed)
    classify = fast.choose([picture.pixels], [picture.segments])
    found = fast.predict_kept(picture.pixels, picture.segments, classify)(masks)
    weights = fit(masks, found, pairs=False).coefficients
    return Outcome(perf_counter() - began, weights, found)


def composed(picture: Picture, classify: Callable[[torch.Tensor], torch.Tensor], samples: int, seed: int) -> Outcome:
    """Ours, with the package's masks."""
    began = perf_counter()
    masks = independent_masks(picture.count, samples, seed)
    found = perturb_on_device(classify, picture.whole, picture.filled, picture.segments)(masks)
    weights = fit(masks, found, pairs=False).coefficients
    return Outcome(perf_counter() - began, weights, found)


def forward_alone(picture: Picture, samples: int) -> Outcome:
    """The network on so many pictures that are there already, in the precision that is taken for this picture: no list
    can be made in less."""
    classify = picture.classify
    batch = picture.whole.expand(BATCH, -1, -1, -1).contiguous(memory_format=classify.memory_format)
    began = perf_counter()
    for first in range(0, samples, BATCH):
        classify(batch[: samples - first])
    return Outcome(perf_counter() - began)


def same_samples(pictures: list[Picture], ways: dict[str, Arm], samples: int) -> dict:
    """Every arm on every picture: seconds, ratios with intervals over pictures, and how weights and probabilities
    differ."""
    for arm in ways.values():  # warms up
        arm(pictures[0], min(samples, WARM_UP))
    found = alternate(
        {name: lambda number, arm=arm: arm(pictures[number], samples) for name, arm in ways.items()}, len(pictures)
    )
    taken = {name: [o.seconds for o in outcomes] for name, outcomes in found.items()}
    return {
        "seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
        "speedup": {name: speedup(taken[STOCK], rounds) for name, rounds in taken.items() if name != STOCK},
        "above_floor": speedup(taken[OURS], taken[FLOOR]),
        "largest_weight": significant(max(np.abs(o.weights).max() for o in found[STOCK])),
        "weight_difference": {
            name: gap(found[name], found[STOCK], "weights") for name in (OURS, OURS_FLOATING, OURS_FP32) if name in ways
        },
        "probability_difference": {
            name: gap(found[name], found[OURS_FP32], "fake") for name in (OURS, OURS_FLOATING) if name in ways
        },
        "default_superpixels_seconds": round(
            float(np.median([seconds(lambda p=p: quickshift(p.pixels)) for p in pictures])), 3
        ),
    }


def quickshift(image: np.ndarray) -> np.ndarray:
    """The package's own superpixels, which the comparison replaces by ours."""
    return SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=0)(image)


def gap(ours: list[Outcome], others: list[Outcome], what: str) -> float:
    return significant(max(np.abs(getattr(a, what) - getattr(b, what)).max() for a, b in zip(ours, others)))


def significant(value: float) -> float:
    return float(f"{value:.2g}")


def unequal(same: dict) -> list[str]:
    """In what the results are not the package's, if in anything."""
    found = same["weight_difference"][OURS_FP32]
    return (
        []
        if found <= TOLERANCE
        else [f"a weight differs by {found} from the package's in float32, more than {TOLERANCE}"]
    )


if __name__ == "__main__":
    command(main, Options, __doc__)
