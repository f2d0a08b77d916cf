"""Speed and stability of LIME's lists: `aireal.explain.lime` against the `lime` package, at equal weights.

    python benchmarks/lime_benchmark.py     # 3 pictures timed, 10 lists of each of 12 pictures: about 40 minutes
    python benchmarks/lime_benchmark.py --stable-images 20 --own-images 40     # narrower intervals: some hours

Both use the same superpixels. The timed part comes first. It classifies the same samples in turn on every picture: by
the package with its defaults (batches of 10, float32, default memory format, no progress bar), and by our code with
the package's masks. Then it times our own lists. The untimed part, `lime_stability.py`, compares the lists of both on
some pictures, and ours alone on more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import torch
from common import BaseOptions, alternate, command, in_turn, seconds, speedup
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
from aireal.dataset.manifest import load_items
from aireal.explain.fast_classifier import Classify, FastClassifier
from aireal.explain.lime.lime_image import PredictKept
from aireal.explain.lime.perturb import BATCH, mean_filled, perturb_on_device, superpixels
from aireal.explain.lime.sampling import independent_masks
from aireal.explain.lime.surrogate import fit
from aireal.explain.predictor import Predictor
from aireal.explain.prepare_quantized import prepare_quantized

GOALS = {"same_samples": 2.3, "above_floor": 1.2, "as_stable": 8.0, "same_top": 0.9}
TOLERANCE = 1e-3  # largest difference of a weight in float32
STOCK, OURS, OURS_FLOATING = "lime package", "ours", "ours without 8-bit integers"
OURS_FP32, FLOOR = "ours, float32", "forward alone"
WARM_UP = 64  # samples


@dataclass
class Options(BaseOptions):
    images: int = 3  # timed test pictures, of both classes in turn
    stable_images: int = 4  # test pictures with repeated lists of both samplers; the timed ones are among them
    own_images: int = 12  # test pictures with repeated adaptive lists; those above are among them
    seeds: int = 10  # lists of each sampler for each picture
    samples: int = 1000  # of the package, and the largest number of ours
    sizes: list[int] = field(default_factory=lambda: [128, 256, 384, 512])  # samples of our lists of a fixed size


@dataclass
class Picture:
    """A picture that is prepared for all arms.

    Attributes:
        pixels: uint8 [S, S, 3].
        segments: int [S, S].
        whole, filled: the picture and its mean-filled version, normalised float [3, S, S].
        predict_kept: P(fake) of masks, as the product computes it.
        classify: the classifier that the product chooses for this picture.
    """

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
    """Seconds, weights [K] of a list and P(fake) [N] of its samples; empty where an arm computes none."""

    seconds: float
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    fake: np.ndarray = field(default_factory=lambda: np.empty(0))


Arm = Callable[[Picture, int], Outcome]  # (picture, number of samples)


def main(options: Options) -> int:
    ordered = options.images <= options.stable_images <= options.own_images
    if options.images < 2 or not ordered or options.seeds < 2 or max(options.sizes) > options.samples:
        raise ValueError(
            "lists are compared between seeds, on pictures of both classes: give at least 2 images and 2 seeds, "
            "no fewer --stable-images than --images, no fewer --own-images than these, and no size above --samples"
        )
    run = start("benchmark", options.profile, options.root, options.seed)
    if read_config(run.data.model) is None:
        ensure_classifier(run)
    quantized = prepare_quantized(run)
    items = in_turn(load_items(run.data, "test", -(-options.own_images // 2)))[: options.own_images]
    with Predictor(run.data.model, run.device) as predictor:
        fast = FastClassifier(predictor)
        pictures = [prepare(run.data.root / item.path, fast) for item in items]
        timed, maskable = pictures[: options.images], [(p.pixels, p.segments, p.predict_kept) for p in pictures]
        same = same_samples(timed, arms(run, fast, options), options.samples)
        own = own_lists(maskable[: options.images], options, same["seconds"][STOCK])
        stable = own | stability(maskable, options)
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
            "int8": quantized | {"pictures": sum(p.classify.quantized for p in pictures), "of": len(pictures)},
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


def prepare(path: Path, fast: FastClassifier) -> Picture:
    pixels = np.asarray(square(open_rgb(path), fast.predictor.size))
    segments = superpixels(pixels)
    whole, filled = fast.predictor.tensors(to_batch([pixels, mean_filled(pixels, segments)]))
    classify = fast.choose([pixels], [segments])
    return Picture(pixels, segments, whole, filled, fast.predict_kept(pixels, segments, classify), classify)


def arms(run: Run, fast: FastClassifier, options: Options) -> dict[str, Arm]:
    """The arms by name: ways to compute the list of the package's masks, and the forward pass that all of them need."""
    predictor = fast.predictor
    plain = load(run.data.model, run.device)[0].to(memory_format=torch.contiguous_format)

    def ours(classify: Callable[[torch.Tensor], torch.Tensor]) -> Arm:
        return lambda picture, samples: composed(picture, classify, samples, options.seed)

    # where the fastest precision is float32, this arm would be the same as OURS_FP32
    floating = {} if precision(run.device) == "no" else {OURS_FLOATING: ours(predictor.predict_fake)}
    return {
        STOCK: lambda picture, samples: package_defaults(picture, plain, predictor, samples, options.seed),
        OURS: lambda picture, samples: product(picture, fast, samples, options.seed),
        **floating,
        OURS_FP32: ours(lambda batch: predictor.calibrate(plain(batch.contiguous()))),
        FLOOR: lambda picture, samples: forward_alone(picture, samples),
    }


def package_defaults(
    picture: Picture, model: torch.nn.Module, predictor: Predictor, samples: int, seed: int
) -> Outcome:
    """The package with its defaults, except for our superpixels."""
    normalise = v2.Normalize(predictor.config.mean, predictor.config.std)
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise])

    @torch.no_grad()
    def predict(batch: np.ndarray) -> np.ndarray:
        images = torch.stack([transform(image) for image in batch]).to(predictor.device)
        fake = predictor.calibrate(model(images)).numpy()
        return np.stack([1 - fake, fake], axis=1)

    with without_progress_bar():
        began = perf_counter()
        explanation = LimeImageExplainer(random_state=seed).explain_instance(
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
    weights = dict(explanation.local_exp[1])
    return Outcome(taken, np.array([weights[k] for k in range(picture.count)]))


def without_progress_bar() -> AbstractContextManager:
    return patch("lime.lime_image.tqdm", lambda rows: rows)


def product(picture: Picture, fast: FastClassifier, samples: int, seed: int) -> Outcome:
    """Our code with the package's masks; the time includes the trial of 8-bit integers."""
    began = perf_counter()
    masks = independent_masks(picture.count, samples, seed)
    classify = fast.choose([picture.pixels], [picture.segments])
    fake = fast.predict_kept(picture.pixels, picture.segments, classify)(masks)
    weights = fit(masks, fake, pairs=False).coefficients
    return Outcome(perf_counter() - began, weights, fake)


def composed(picture: Picture, classify: Callable[[torch.Tensor], torch.Tensor], samples: int, seed: int) -> Outcome:
    """Our code with the package's masks and a given classifier."""
    began = perf_counter()
    masks = independent_masks(picture.count, samples, seed)
    fake = perturb_on_device(classify, picture.whole, picture.filled, picture.segments)(masks)
    weights = fit(masks, fake, pairs=False).coefficients
    return Outcome(perf_counter() - began, weights, fake)


def forward_alone(picture: Picture, samples: int) -> Outcome:
    """The network alone on prepared pictures, in the precision of this picture: a lower bound for any list."""
    classify = picture.classify
    batch = picture.whole.expand(BATCH, -1, -1, -1).contiguous(memory_format=classify.memory_format)
    began = perf_counter()
    for first in range(0, samples, BATCH):
        classify(batch[: samples - first])
    return Outcome(perf_counter() - began)


def same_samples(pictures: list[Picture], ways: dict[str, Arm], samples: int) -> dict:
    """Every arm on every picture: seconds, ratios with intervals over pictures, differences of weights and P(fake)."""
    for arm in ways.values():  # warm up
        arm(pictures[0], min(samples, WARM_UP))
    rounds_of = {name: lambda number, arm=arm: arm(pictures[number], samples) for name, arm in ways.items()}
    outcomes = alternate(rounds_of, len(pictures))
    taken = {name: [outcome.seconds for outcome in of_arm] for name, of_arm in outcomes.items()}
    return {
        "seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
        "speedup": {name: speedup(taken[STOCK], rounds) for name, rounds in taken.items() if name != STOCK},
        "above_floor": speedup(taken[OURS], taken[FLOOR]),
        "largest_weight": significant(max(np.abs(outcome.weights).max() for outcome in outcomes[STOCK])),
        "weight_difference": {
            name: largest_difference(outcomes[name], outcomes[STOCK], "weights")
            for name in (OURS, OURS_FLOATING, OURS_FP32)
            if name in ways
        },
        "probability_difference": {
            name: largest_difference(outcomes[name], outcomes[OURS_FP32], "fake")
            for name in (OURS, OURS_FLOATING)
            if name in ways
        },
        "default_superpixels_seconds": round(
            float(np.median([seconds(lambda p=p: quickshift(p.pixels)) for p in pictures])), 3
        ),
    }


def quickshift(image: np.ndarray) -> np.ndarray:
    """The default superpixels of the package; the comparison uses ours instead."""
    return SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=0)(image)


def largest_difference(ours: list[Outcome], reference: list[Outcome], name: str) -> float:
    """Largest absolute difference of an attribute of the outcomes: "weights" or "fake"."""
    return significant(max(np.abs(getattr(a, name) - getattr(b, name)).max() for a, b in zip(ours, reference)))


def significant(value: float) -> float:
    return float(f"{value:.2g}")


def unequal(same: dict) -> list[str]:
    """A sentence if the weights are not those of the package."""
    difference = same["weight_difference"][OURS_FP32]
    if difference <= TOLERANCE:
        return []
    return [f"a weight differs by {difference} from the package's in float32, more than {TOLERANCE}"]


if __name__ == "__main__":
    command(main, Options, __doc__)
