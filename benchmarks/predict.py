"""Speed of predicting a folder from disk: `aireal.classifier.batch_inference` against the usual loop, at equal
verdicts.

    python benchmarks/predict.py                                   # the comparison, about 4 minutes on two cores
    python benchmarks/predict.py --growth 100 1000 10000           # seconds and memory against the number of files
    python benchmarks/predict.py --variants plain folded compiled  # other ways to compute the network

The usual loop: float32, contiguous memory, a DataLoader that opens every file with Pillow. Its batch is the default of
timm's train.py, 128 (that of timm's inference.py, 256, is slower on a CPU). It runs without worker processes, with two,
which is inference.py's default, and with two and batches as small as ours. There are two folders: the sample's test
images (256 px), and larger photographs made from sample images. Every arm predicts the same files in turn; the first
round, which warms up, is not counted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import torch
from common import BaseOptions, alternate, command, in_own_process, seconds, speedup
from made_photographs import make_photographs
from PIL import Image
from report import finish
from torch import nn
from torch.utils.data import DataLoader
from usual_loop import PredictionFiles

from aireal.classifier import batch_inference as fast
from aireal.classifier.batch_inference import TOLERANCE, predict_folder
from aireal.classifier.metrics import calibrated
from aireal.classifier.model import load, read_config
from aireal.classifier.train import ensure_classifier
from aireal.config import DatasetRoot
from aireal.core.device import peak_memory, precision
from aireal.core.run import Run, start
from aireal.dataset.manifest import load_items
from aireal.stages.predict_table import predict_table

GOAL = 2.5
OURS, LOOP = "ours", "loop, batch {batch}, {workers} workers"


@dataclass
class Options(BaseOptions):
    repeats: int = 4  # the first one is not counted
    images: int | None = None  # test images a class; all when empty
    photographs: int = 48
    longest: int = 2400  # px; the photographs' longer sides are between half of it and all of it
    loop_batch: int = 128
    loop_workers: int = 2
    batch_size: int | None = None  # ours
    growth: list[int] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    if read_config(run.data.model) is None:
        ensure_classifier(run)
    if options.growth:
        return measure_growth(run, options)
    items = load_items(run.data, "test", options.images)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {
            "test images": [run.data.root / item.path for item in items],
            "photographs": make_photographs(
                run.data, Path(scratch), options.photographs, options.longest, options.seed
            ),
        }
        if options.variants:
            return compare_variants(run, options, folders)
        comparisons = {name: compare(run, paths, options) for name, paths in folders.items()}
    problems = [f"{name}: {problem}" for name, metrics in comparisons.items() for problem in unequal(metrics)]
    metrics = {
        "goal": GOAL,
        "tolerance": TOLERANCE,
        "precision": precision(run.device),
        "threads": torch.get_num_threads(),
        "loop_batch": options.loop_batch,
        "folders": comparisons,
    }
    return finish(run, options.out, "benchmark_predict", metrics, problems)


def measure_growth(run: Run, options: Options) -> int:
    """Predict each number of files, each in its own process."""
    root, folder = str(options.root.resolve()), str(run.data.model.resolve())
    runs = [in_own_process("predict", "grow", root, folder, n, options.seed) for n in options.growth]
    metrics = {"precision": precision(run.device), "runs": runs}
    return finish(run, options.out, "benchmark_predict_growth", metrics, [])


Work = Callable[[], np.ndarray]  # → P(fake) [N]; the classifier is loaded before, so that only prediction is timed


def straightforward(paths: list[Path], folder: Path, device: torch.device, batch: int, workers: int) -> Work:
    """The usual loop."""
    model, config = load(folder, device)
    model = model.to(memory_format=torch.contiguous_format)
    loader = DataLoader(
        PredictionFiles(paths, config.image_size, config.mean, config.std), batch_size=batch, num_workers=workers
    )

    @torch.no_grad()
    def work() -> np.ndarray:
        return calibrated(torch.cat([model(pixels.to(device)) for pixels in loader]), config.temperature, config.bias)

    return work


def ours(paths: list[Path], folder: Path, device: torch.device, batch: int | None = None, **how) -> Work:
    """`predict_folder` on files that must all be images."""
    stream = predict_folder(paths, folder, device, batch_size=batch, **how)
    return lambda: np.array([prediction.probability_fake for prediction in stream], dtype=np.float32)


def compare(run: Run, paths: list[Path], options: Options) -> dict:
    """All arms on one folder: seconds of each round, speedups of ours, and differences of our probabilities from the
    loop's."""
    model, device, workers = run.data.model, run.device, options.loop_workers
    loops = [(options.loop_batch, 0), (options.loop_batch, workers), (options.batch_size or 8, workers)]
    arms = {OURS: partial(ours, paths, model, device, options.batch_size)} | {
        LOOP.format(batch=batch, workers=n): partial(straightforward, paths, model, device, batch, n)
        for batch, n in loops
    }
    fake: dict[str, np.ndarray] = {}
    rounds = alternate({name: timed(name, arm, fake) for name, arm in arms.items()}, options.repeats)
    durations = {name: times[1:] or times for name, times in rounds.items()}
    reference = fake[LOOP.format(batch=options.loop_batch, workers=0)]
    sizes = [Image.open(path).size for path in paths]
    return {
        "images": len(paths),
        "megapixels": round(float(np.mean([w * h for w, h in sizes])) / 1e6, 3),
        "kilobytes": round(float(np.mean([path.stat().st_size for path in paths])) / 1000, 1),
        "seconds": {name: [round(s, 3) for s in times] for name, times in durations.items()},
        "images_per_second": {name: images_per_second(paths, times) for name, times in durations.items()},
        "speedup": {name: speedup(times, durations[OURS]) for name, times in durations.items() if name != OURS},
        **difference(fake[OURS], reference),
    }


def images_per_second(paths: list[Path], times: list[float]) -> float:
    return round(len(paths) / float(np.median(times)), 1)


def timed(name: str, arm: Callable[[], Work], results: dict[str, np.ndarray]) -> Callable[[int], float]:
    """A round of an arm that returns its seconds and puts its P(fake) into `results`."""

    def once(_: int) -> float:
        work = arm()
        started = perf_counter()
        results[name] = work()
        return perf_counter() - started

    return once


def difference(fake: np.ndarray, reference: np.ndarray) -> dict:
    gap = np.abs(fake - reference)
    return {
        "largest_difference": float(f"{gap.max():.2g}"),
        "mean_difference": float(f"{gap.mean():.2g}"),
        "flipped_verdicts": int(((fake >= 0.5) != (reference >= 0.5)).sum()),
    }


def unequal(metrics: dict) -> list[str]:
    """In what respects the results are not equal."""
    problems = []
    if not metrics["largest_difference"] <= TOLERANCE:
        problems.append(f"a probability differs by {metrics['largest_difference']}, more than {TOLERANCE}")
    if metrics["flipped_verdicts"]:
        problems.append(f"{metrics['flipped_verdicts']} verdicts differ")
    return problems


def folded(model: nn.Module, precision_: str) -> nn.Module:
    """The network with BatchNorm multiplied into the convolutions before it."""
    from torch.fx.experimental.optimization import fuse

    return fast_copy(fuse(model), precision_)


@cache
def compiled(folder: Path) -> nn.Module:
    """The network compiled by TorchInductor with constant weights, once; needs a C++ compiler."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    return torch.compile(load(folder)[0])


fast_copy = fast.fast_copy  # the original, which `network` replaces


def network(make: Callable[[nn.Module, str], nn.Module]) -> AbstractContextManager:
    """A context in which the fast network is what `make` returns for the exact one and the name of the precision."""
    return patch.object(fast, "fast_copy", make)


# name: (makes a context from the classifier's folder; further arguments of `ours`)
VARIANTS: dict[str, tuple[Callable[[Path], AbstractContextManager], dict]] = {
    "ours": (nullcontext, {}),
    "exact": (nullcontext, {"exact": True}),
    "plain": (lambda _: network(lambda model, _: model), {}),
    "folded": (lambda _: network(folded), {}),
    "compiled": (lambda folder: network(lambda *_: compiled(folder)), {}),
    "full-decode": (lambda _: patch.object(fast, "SPARE", 10**6), {}),
    "spare-2": (lambda _: patch.object(fast, "SPARE", 2), {}),
    "fp32": (lambda _: patch.multiple(fast, precision=lambda _: "no", autocast=lambda _: nullcontext()), {}),
    **{f"batch-{n}": (nullcontext, {"batch": n}) for n in (1, 4, 16, 32, 64)},
    **{f"workers-{n}": (nullcontext, {"workers": n}) for n in (1, 2, 4)},
}


def variant(name: str, paths: list[Path], run: Run, batch: int | None) -> Work:
    make_context, how = VARIANTS[name]

    def work() -> np.ndarray:
        with make_context(run.data.model):
            return ours(paths, run.data.model, run.device, **({"batch": batch} | how))()

    return work


def compare_variants(run: Run, options: Options, folders: dict[str, list[Path]]) -> int:
    """Print and save the speed of each variant on each folder (with loading of the classifier), and its differences
    from the exact probabilities."""
    if unknown := [name for name in options.variants if name not in VARIANTS]:
        raise ValueError(f"no variant {', '.join(unknown)}. Choose from {', '.join(VARIANTS)}.")
    comparisons = {name: compare_on(run, options, paths) for name, paths in folders.items()}
    for folder, variants in comparisons.items():
        for name, row in variants.items():
            print(f"{folder:12} {name:12} {row}")
    metrics = {"precision": precision(run.device), "folders": comparisons}
    return finish(run, options.out, "benchmark_predict_variants", metrics, [])


def compare_on(run: Run, options: Options, paths: list[Path]) -> dict[str, dict]:
    """The variants on one folder."""
    names = list(dict.fromkeys(["ours", *options.variants]))
    fake: dict[str, np.ndarray] = {}
    arms = {name: partial(variant, name, paths, run, options.batch_size) for name in names}
    rounds = alternate({name: timed(name, arm, fake) for name, arm in arms.items()}, options.repeats)
    durations = {name: times[1:] or times for name, times in rounds.items()}
    exact = ours(paths, run.data.model, run.device, exact=True)()
    return {
        name: {
            "images_per_second": images_per_second(paths, times),
            "first_seconds": round(rounds[name][0], 1),
            "speed": speedup(durations["ours"], times),
            **difference(fake[name], exact),
        }
        for name, times in durations.items()
    }


def grow(root: str, folder: str, count: int, seed: int) -> dict:
    """Seconds and peak memory of a table of `count` files, measured in this process, which must be a new one."""
    data = DatasetRoot.at(root)
    sources = [data.root / item.path for item in load_items(data, "test")]
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(shutil.copy(sources[n % len(sources)], Path(scratch) / f"{n:06d}.jpg")) for n in range(count)]
        before = peak_memory() / 2**20
        rows: list[dict] = []
        duration = seconds(lambda: rows.extend(predict_table(paths, Path(folder), Path(scratch) / "table.csv")))
    assert len(rows) == count
    assert not any(row["error"] for row in rows)
    return {
        "images": count,
        "seconds": round(duration, 2),
        "images_per_second": round(count / duration, 1),
        "peak_mib": round(peak_memory() / 2**20, 1),
        "peak_mib_before": round(before, 1),
    }


if __name__ == "__main__":
    command(main, Options, __doc__)
