"""How fast LIME's list is made, and how stable it is: `aireal.lime` against the `lime` package, at equal weights.

    python benchmarks/lime_benchmark.py                         # 6 pictures, 6 seeds: about 110,000 forwards of the network
    python benchmarks/lime_benchmark.py --images 8 --seeds 10   # more certain, and twice as long

Both are given the same superpixels. First the same samples: the package as people use it (batches of 10, float32, default memory format, no
progress bar) and our composer with the package's masks, in turn on every picture. Then stability (`lime_stability.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import report_lime
import torch
from common import Circumstances, alternate, command, finish, seconds, speedup
from lime.lime_image import LimeImageExplainer
from lime.wrappers.scikit_image import SegmentationAlgorithm
from lime_stability import stability
from torchvision.transforms import v2

from aireal.classifier.evaluate import calibrated
from aireal.classifier.model import load, read_config
from aireal.classifier.train import ensure_classifier
from aireal.config import REPOSITORY
from aireal.dataset.manifest import load_items
from aireal.imagefile import open_rgb, square
from aireal.lime.compose import BATCH, hide_on_device
from aireal.lime.explain import FakeOfKept
from aireal.lime.sampling import stock
from aireal.lime.superpixels import mean_filled, superpixels
from aireal.lime.surrogate import fit
from aireal.predict import Predictor
from aireal.run import Run, autocast, precision, start

GOALS = {"same_samples": 2.3, "above_floor": 1.2, "as_stable": 8.0, "same_top": 0.9}
TOLERANCE = 1e-3  # of a weight in float32
STOCK, OURS, OURS_FP32, DEFAULT_FP32, FLOOR = "lime package", "ours", "ours, float32", "ours, float32, default memory format", "forward alone"


@dataclass
class Options(Circumstances):
    images: int = 6  # test pictures, half of either class
    seeds: int = 6  # lists of each sampler a picture
    samples: int = 1000  # of the package, and the most of ours
    sizes: list[int] = field(default_factory=lambda: [128, 256, 384, 512, 768, 1000])  # ours, of which the smallest that is as stable is sought


@dataclass
class Picture:
    """uint8 [S, S, 3], int [S, S], both normalised pictures float [3, S, S] (whole, mean-filled), and P(fake) of masks by our fastest way."""

    pixels: np.ndarray
    segments: np.ndarray
    whole: torch.Tensor
    filled: torch.Tensor
    fake_of: FakeOfKept

    @property
    def count(self) -> int:
        return int(self.segments.max()) + 1


@dataclass
class Outcome:
    """Seconds, and what came out: weights [K] and R² of a list, P(fake) [N] of its samples; empty where an arm makes none."""

    seconds: float
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    fake: np.ndarray = field(default_factory=lambda: np.empty(0))


Arm = Callable[[Picture], Outcome]


def main(options: Options) -> int:
    if options.images < 2 or options.seeds < 2 or max(options.sizes) > options.samples:
        raise ValueError("lists are compared between seeds, on pictures of both classes: give at least 2 images and 2 seeds, and no size above --samples")
    run = start("benchmark", options.profile, options.root, options.seed)
    if read_config(run.data.model) is None:
        ensure_classifier(run)
    items = load_items(run.data, "test", options.images // 2)
    with Predictor(run.data.model, run.device) as predictor:
        pictures = [prepare(run.data.root / item.path, predictor) for item in items]
        same = same_samples(pictures, arms(run, predictor, options), options.samples)
        stable = stability([(p.pixels, p.segments, p.fake_of) for p in pictures], options, same["seconds"][STOCK])
    status = finish(run, options.out, "benchmark_lime", {
        "goals": GOALS, "tolerance": TOLERANCE, "precision": precision(run.device), "threads": torch.get_num_threads(), "images": len(pictures),
        "seeds": options.seeds, "samples": options.samples, "superpixels": [p.count for p in pictures], "batch": BATCH,
        "same_samples": same, "stability": stable,
    }, unequal(same))
    if options.out == REPOSITORY:
        report_lime.render()
    return status


def prepare(path: Path, predictor: Predictor) -> Picture:
    pixels = np.asarray(square(open_rgb(path), predictor.size))
    segments = superpixels(pixels)
    whole, filled = predictor.tensors(np.stack([pixels, mean_filled(pixels, segments)]).transpose(0, 3, 1, 2).copy())
    return Picture(pixels, segments, whole, filled, predictor.hide(pixels)(segments))


def arms(run: Run, predictor: Predictor, options: Options) -> dict[str, Arm]:
    """All ways to the list of the package's own masks, by name, and the forward pass that all of them need."""
    plain = load(run.data.model, run.device)[0].to(memory_format=torch.contiguous_format)

    def exactly(model: torch.nn.Module, layout: torch.memory_format) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda batch: torch.as_tensor(fake(predictor, model(batch.contiguous(memory_format=layout))))

    def ours(classify: Callable[[torch.Tensor], torch.Tensor]) -> Arm:
        return lambda picture: composed(picture, classify, options.samples, options.seed)

    return {
        STOCK: lambda picture: as_people_use_it(picture, plain, predictor, options.samples, options.seed),
        OURS: ours(predictor.fake_of), OURS_FP32: ours(exactly(predictor.model, torch.channels_last)),
        DEFAULT_FP32: ours(exactly(plain, torch.contiguous_format)),
        FLOOR: lambda picture: forward_alone(picture, predictor, options.samples),
    }


def fake(predictor: Predictor, logits: torch.Tensor) -> np.ndarray:
    return calibrated(logits, predictor.config.temperature, predictor.config.bias)


def as_people_use_it(picture: Picture, model: torch.nn.Module, predictor: Predictor, samples: int, seed: int) -> Outcome:
    """The package with its defaults, but for our superpixels."""
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(predictor.config.mean, predictor.config.std)])

    @torch.no_grad()
    def predict(batch: np.ndarray) -> np.ndarray:
        found = fake(predictor, model(torch.stack([transform(image) for image in batch]).to(predictor.device)))
        return np.stack([1 - found, found], axis=1)

    with without_progress_bar():
        began = perf_counter()
        found = LimeImageExplainer(random_state=seed).explain_instance(
            picture.pixels, predict, labels=(1,), top_labels=None, hide_color=None, num_samples=samples, batch_size=10,
            segmentation_fn=lambda _: picture.segments, random_seed=seed)
        taken = perf_counter() - began
    weights = dict(found.local_exp[1])
    return Outcome(taken, np.array([weights[k] for k in range(picture.count)]))


def without_progress_bar() -> AbstractContextManager:
    return patch("lime.lime_image.tqdm", lambda rows: rows)


def composed(picture: Picture, classify: Callable[[torch.Tensor], torch.Tensor], samples: int, seed: int) -> Outcome:
    """Ours, with the package's masks."""
    began = perf_counter()
    masks = stock(picture.count, samples, seed)
    found = hide_on_device(classify, picture.whole, picture.filled, picture.segments)(masks)
    weights = fit(masks, found, pairs=False).coefficients
    return Outcome(perf_counter() - began, weights, found)


@torch.inference_mode()
def forward_alone(picture: Picture, predictor: Predictor, samples: int) -> Outcome:
    """The network on so many pictures that are there already, in its fastest precision: no list can be made in less."""
    batch = picture.whole.expand(BATCH, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    began = perf_counter()
    with autocast(predictor.device) if precision(predictor.device) != "no" else nullcontext():
        for first in range(0, samples, BATCH):
            predictor.model(batch[:samples - first])[:, 0].cpu()
    return Outcome(perf_counter() - began)


def same_samples(pictures: list[Picture], ways: dict[str, Arm], samples: int) -> dict:
    """Every arm on every picture: seconds, ratios with intervals over pictures, and how weights and probabilities differ."""
    for arm in ways.values():  # warms up
        arm(pictures[0])
    found = alternate({name: lambda number, arm=arm: arm(pictures[number]) for name, arm in ways.items()}, len(pictures))
    taken = {name: [o.seconds for o in outcomes] for name, outcomes in found.items()}
    return {
        "seconds": {name: [round(s, 3) for s in rounds] for name, rounds in taken.items()},
        "speedup": {name: speedup(taken[STOCK], rounds) for name, rounds in taken.items() if name != STOCK},
        "above_floor": speedup(taken[OURS], taken[FLOOR]),
        "largest_weight": significant(max(np.abs(o.weights).max() for o in found[STOCK])),
        "weight_difference": {name: gap(found[name], found[STOCK], "weights") for name in (OURS, OURS_FP32, DEFAULT_FP32)},
        "probability_difference": {name: gap(found[name], found[DEFAULT_FP32], "fake") for name in (OURS, OURS_FP32)},
        "default_superpixels_seconds": round(float(np.median([seconds(lambda p=p: quickshift(p.pixels)) for p in pictures])), 3),
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
    return [] if found <= TOLERANCE else [f"a weight differs by {found} from the package's in float32, more than {TOLERANCE}"]


if __name__ == "__main__":
    command(main, Options, __doc__)
