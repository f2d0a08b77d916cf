"""Training speed of ResNet34: `aireal.classifier.trainer` against the usual loop, at equal results.

    python benchmarks/train.py                     # the comparison, about 5 minutes on two cores
    python benchmarks/train.py --growth 100 1000   # seconds and memory against the number of images, about 30 images/s

The usual loop: float32, contiguous memory, a DataLoader that opens every file with Pillow in every epoch and transforms
PIL images, in batches of 128, the default of timm's train.py, with its 4 worker processes or as many as there are
cores. It also runs in batches of our size. Images, initial weights, crop, augmentation, optimizer, schedule, loss and
number of images seen are the same. The learning rate of the larger batch is multiplied by the root of the batches'
ratio, timm's rule for Adam. Validation uses the same code and is not timed.

Results are equal if two conditions hold. The 95% interval (bootstrap over source groups) of our validation AUROC minus
the loop's, a mean over the rounds, does not lie below 0. Our last training loss is at most 0.05 above that of the loop
with our batch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import torch
from common import BaseOptions, alternate, command, in_own_process, seconds, speedup
from report import finish
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader
from usual_loop import TrainingFiles, one_epoch

from aireal.classifier import model as models
from aireal.classifier.data import CACHE_BYTES, eval_loader, train_loader
from aireal.classifier.optimizer import make_optimizer
from aireal.classifier.trainer import Trainer, fit
from aireal.classifier.training_config import TrainingConfig
from aireal.classifier.validation import collect_logits
from aireal.config import PROFILES, DatasetRoot, Profile
from aireal.core.device import best_device, peak_memory, precision
from aireal.core.run import Run, seed_everything, start
from aireal.core.statistics import bootstrap
from aireal.dataset.manifest import Item, load_items

GOAL, LOSS_TOLERANCE = 2.2, 0.05
ARCHITECTURE = "resnet34"
OURS, LOOP = "ours", "loop, batch {batch}"


@dataclass
class Options(BaseOptions):
    repeats: int = 3
    images: int = 128  # training images a class
    val_images: int = 128  # validation images a class, or as many as there are
    crop: int = 128  # px
    epochs: int = 2
    loop_batch: int = 128
    workers: int = min(4, os.cpu_count() or 1)  # of the loop; timm's default is 4
    growth: list[int] = field(default_factory=list)


@dataclass
class Outcome:
    """Seconds of training alone, the training loss of each epoch, and P(fake) [N] of the validation images by the
    weights of the best epoch."""

    seconds: float
    losses: list[float]
    fake: np.ndarray


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    if options.growth:
        return measure_growth(run, options)
    run.profile = replace(run.profile, crop=options.crop, pretrained=False)
    items, val = load_items(run.data, "train", options.images), load_items(run.data, "val", options.val_images)
    warm_up(run, val, options)
    outcomes = alternate(arms(run, items, val, options), options.repeats)
    images_seen = len(items) // options.loop_batch * options.loop_batch * options.epochs
    metrics = {
        "goal": GOAL,
        "precision": precision(run.device),
        "threads": torch.get_num_threads(),
        "architecture": ARCHITECTURE,
        "crop": options.crop,
        "images": len(items),
        "epochs": options.epochs,
        "batch": run.profile.batch_size,
        "loop_batch": options.loop_batch,
        "workers": options.workers,
        "loss_tolerance": LOSS_TOLERANCE,
        **summary(outcomes, val, run.seed, images_seen),
    }
    return finish(run, options.out, "benchmark_train", metrics, unequal(metrics))


def measure_growth(run: Run, options: Options) -> int:
    """Measure one epoch with each number of images, each in its own process."""
    root = str(options.root.resolve())
    metrics = {
        "precision": precision(run.device),
        "crop": options.crop,
        "cache_bytes": CACHE_BYTES,
        "cached_images": CACHE_BYTES // (3 * run.profile.image_size**2),
        "image_size": run.profile.image_size,
        "runs": [in_own_process("train", "grow", root, n, options.crop, options.seed) for n in options.growth],
    }
    return finish(run, options.out, "benchmark_train_growth", metrics, [])


def arms(run: Run, items: list[Item], val: list[Item], options: Options) -> dict:
    """All ways to train, by name: functions of the number of the round, from which the seed follows.

    Raises:
        ValueError: the arms would not see the same number of images.
    """
    small = run.profile.batch_size
    if len(items) % options.loop_batch or len(items) % small:
        raise ValueError(
            f"{len(items)} training images make no whole batches of {options.loop_batch} and {small}. "
            "Choose another --images or --loop-batch."
        )

    def loop(batch: int):
        return lambda number: straightforward(
            run, items, val, options.epochs, run.seed + number, batch, options.workers
        )

    return {
        OURS: lambda number: ours(run, items, val, options.epochs, run.seed + number),
        LOOP.format(batch=options.loop_batch): loop(options.loop_batch),
        LOOP.format(batch=small): loop(small),
    }


def warm_up(run: Run, val: list[Item], options: Options) -> None:
    """Train a few untimed steps with each arm, so that the first arm does not pay for reading files and preparing
    kernels."""
    items = load_items(run.data, "train", max(options.loop_batch, run.profile.batch_size) // 2)
    for arm in arms(run, items, val, replace(options, epochs=1)).values():
        arm(0)


def initial(profile: Profile, seed: int) -> tuple[nn.Module, models.ClassifierConfig]:
    """A model with initial weights that follow from the seed."""
    seed_everything(seed)
    return models.create(ARCHITECTURE, profile)


def probabilities(model: nn.Module, held_out: DataLoader) -> np.ndarray:
    return collect_logits(model, held_out)[0].softmax(-1)[:, 1].numpy()


def ours(run: Run, items: list[Item], val: list[Item], epochs: int, seed: int) -> Outcome:
    model, config = initial(run.profile, seed)
    training = replace(
        TrainingConfig.of(run.profile, seed, epochs), patience=None, from_scratch=config.initial_weights == "random"
    )
    batches = train_loader(items, run.data.root, config, training)
    held_out = eval_loader(val, run.data.root, config, training.batch_size)
    validation_seconds, validate = [], Trainer.validate

    def timed_validate(trainer: Trainer) -> dict:
        started = perf_counter()
        metrics = validate(trainer)
        validation_seconds.append(perf_counter() - started)
        return metrics

    history: list[dict] = []
    with patch.object(Trainer, "validate", timed_validate):
        total = seconds(lambda: history.extend(fit(model, batches, held_out, training, OURS)))
    losses = [row["loss"] for row in history]
    return Outcome(total - sum(validation_seconds), losses, probabilities(model, held_out))


def straightforward(
    run: Run, items: list[Item], val: list[Item], epochs: int, seed: int, batch: int, workers: int
) -> Outcome:
    """The usual loop; it keeps the probabilities of the epoch with the best validation AUROC."""
    model, config = initial(run.profile, seed)
    model.to(run.device)
    batches = DataLoader(
        TrainingFiles(items, run.data.root, config, run.profile.crop),
        batch,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
    )
    held_out = eval_loader(val, run.data.root, config, run.profile.batch_size)
    truth = [item.label for item in val]
    peak = run.profile.learning_rate * (batch / run.profile.batch_size) ** 0.5
    optimizer = make_optimizer(model, peak, config.initial_weights == "random")
    duration, losses, best = 0.0, [], (-1.0, np.empty(0))
    for epoch in range(epochs):
        started = perf_counter()
        losses.append(one_epoch(model, batches, optimizer, epoch * len(batches), epochs * len(batches), run))
        duration += perf_counter() - started
        fake = probabilities(model, held_out)
        best = max(best, (float(roc_auc_score(truth, fake)), fake), key=lambda pair: pair[0])
    return Outcome(duration, losses, best[1])


def summary(outcomes: dict[str, list[Outcome]], val: list[Item], seed: int, images_seen: int) -> dict:
    """Seconds, speedups of ours, losses and AUROCs of all arms.

    Args:
        images_seen: by one training, each image counted as often as it was seen.
    """
    labels, groups = np.array([item.label for item in val]), [item.group for item in val]
    fakes = {name: np.stack([o.fake for o in rounds]) for name, rounds in outcomes.items()}
    durations = {name: [o.seconds for o in rounds] for name, rounds in outcomes.items()}
    losses = {name: np.mean([o.losses for o in rounds], axis=0) for name, rounds in outcomes.items()}
    speeds = {name: images_seen / float(np.median(rounds)) for name, rounds in durations.items()}
    loops = [name for name in outcomes if name != OURS]
    aurocs = bootstrap(lambda index: mean_aurocs(fakes, labels, index), labels, groups, seed)
    return {
        "images_shown": images_seen,
        "val_images": len(val),
        "seconds": {name: [round(s, 2) for s in rounds] for name, rounds in durations.items()},
        "images_per_second": {name: round(speed, 1) for name, speed in speeds.items()},
        "speedup": {name: speedup(durations[name], durations[OURS]) for name in loops},
        "loss": {name: loss.round(4).tolist() for name, loss in losses.items()},
        "auroc": {name: aurocs[name] for name in outcomes},
        "auroc_difference": {name: aurocs[f"{OURS} - {name}"] for name in loops},
    }


def mean_aurocs(fakes: dict[str, np.ndarray], labels: np.ndarray, index: np.ndarray) -> dict[str, float]:
    """AUROC of each arm on the pictures of `index`, mean over the rounds, and ours minus that of each loop.

    Args:
        fakes: P(fake) [rounds, N] of each arm.
    """
    aurocs = {
        name: float(np.mean([roc_auc_score(labels[index], fake[index]) for fake in rounds]))
        for name, rounds in fakes.items()
    }
    return aurocs | {f"{OURS} - {name}": aurocs[OURS] - auroc for name, auroc in aurocs.items() if name != OURS}


def unequal(metrics: dict) -> list[str]:
    """In what respects ours is worse than the loop."""
    problems = [
        f"AUROC is lower than that of `{name}`: {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        for name, gap in metrics["auroc_difference"].items()
        if not gap["high"] >= 0
    ]
    same_batch = list(metrics["loss"])[-1]
    gap = metrics["loss"][OURS][-1] - metrics["loss"][same_batch][-1]
    if not gap <= LOSS_TOLERANCE:
        problems.append(
            f"the last training loss is {gap:.3f} higher than that of `{same_batch}`, more than {LOSS_TOLERANCE}"
        )
    return problems


def grow(root: str, count: int, crop: int, seed: int) -> dict:
    """Seconds and peak memory of one epoch with `count` images, measured in this process, which must be a new one."""
    data, profile = DatasetRoot.at(root), replace(PROFILES["sample"], crop=crop)
    available, val = load_items(data, "train"), load_items(data, "val", 4)
    items = [available[n % len(available)] for n in range(count)]
    run = Run("growth", profile, data, Path(), seed, best_device())
    before = peak_memory() / 2**20
    duration = ours(run, items, val, 1, seed).seconds
    images_seen = count // profile.batch_size * profile.batch_size or count  # an incomplete last batch is dropped
    return {
        "images": count,
        "seconds": round(duration, 2),
        "images_per_second": round(images_seen / duration, 1),
        "peak_mib": round(peak_memory() / 2**20, 1),
        "peak_mib_before": round(before, 1),
    }


if __name__ == "__main__":
    command(main, Options, __doc__)
