"""How fast ResNet34 is trained: `aireal.classifier.trainer` against the loop people write, at equal results.

    python benchmarks/train.py                     # the comparison, about 5 minutes on two cores
    python benchmarks/train.py --growth 100 1000   # seconds and memory against the number of images, about 30 images a second

The loop: float32, contiguous memory, a DataLoader that opens every file by Pillow in every epoch and transforms PIL images, in batches of
128, the default of timm's train.py, with its 4 worker processes or as many as there are cores. It is run again in batches of our size.
Images, initial weights, crop, augmentation, optimiser, schedule, loss and number of images shown are the same; the learning rate of the larger batch
is multiplied by the root of the batches' ratio, timm's rule for Adam. Validation is done by the same code and is not timed.

Results are equal when the 95% interval (bootstrap over source groups) of our AUROC minus the loop's, both on validation and a mean over the rounds,
does not lie below 0, and our last training loss is no more than 0.05 above that of the loop with our batch.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np
import torch
from common import Circumstances, alternate, command, finish, in_own_process, seconds, speedup
from PIL import Image, ImageOps
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from aireal.classifier import model as models
from aireal.classifier.data import CACHE_BYTES, loader
from aireal.classifier.trainer import CLIP, LABEL_SMOOTHING, Trainer, collect, fit, parameter_groups, rate
from aireal.config import PROFILES, DatasetRoot, Profile
from aireal.core.device import best_device, peak_memory, precision
from aireal.core.run import Run, seed_everything, start
from aireal.core.statistics import bootstrap
from aireal.dataset.manifest import Item, load_items

GOAL, LOSS_TOLERANCE = 2.2, 0.05
ARCHITECTURE = "resnet34"
OURS, LOOP = "ours", "loop, batch {batch}"


@dataclass
class Options(Circumstances):
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
    """Seconds of training alone, the training loss of each epoch, and P(fake) [N] of the validation images by the best epoch's weights."""

    seconds: float
    losses: list[float]
    fake: np.ndarray


def main(options: Options) -> int:
    run = start("benchmark", options.profile, options.root, options.seed)
    if options.growth:
        found = [
            in_own_process("train", "grow", str(options.root.resolve()), n, options.crop, options.seed)
            for n in options.growth
        ]
        return finish(
            run,
            options.out,
            "benchmark_train_growth",
            {
                "precision": precision(run.device),
                "crop": options.crop,
                "cache_bytes": CACHE_BYTES,
                "cached_images": CACHE_BYTES // (3 * run.profile.image_size**2),
                "image_size": run.profile.image_size,
                "runs": found,
            },
            [],
        )
    run.profile = replace(run.profile, crop=options.crop, pretrained=False)
    items, val = load_items(run.data, "train", options.images), load_items(run.data, "val", options.val_images)
    warm_up(run, val, options)
    found = alternate(arms(run, items, val, options), options.repeats)
    report = summary(found, val, run.seed, shown=len(items) // options.loop_batch * options.loop_batch * options.epochs)
    problems = unequal(report)
    return finish(
        run,
        options.out,
        "benchmark_train",
        {
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
            **report,
        },
        problems,
    )


def arms(run: Run, items: list[Item], val: list[Item], options: Options) -> dict:
    """All ways to train, by name; each is given the number of its round, from which its seed follows.

    Raises:
        ValueError: the arms would not be shown the same number of images.
    """
    small = run.profile.batch_size
    if len(items) % options.loop_batch or len(items) % small:
        raise ValueError(
            f"{len(items)} training images make no whole batches of {options.loop_batch} and {small}: choose another --images or --loop-batch"
        )

    def loop(batch: int):
        return lambda number: straightforward(
            run, items, val, options.epochs, run.seed + number, batch, options.workers
        )

    found = {
        OURS: lambda number: ours(run, items, val, options.epochs, run.seed + number),
        LOOP.format(batch=options.loop_batch): loop(options.loop_batch),
    }
    return found | {LOOP.format(batch=small): loop(small)}


def warm_up(run: Run, val: list[Item], options: Options) -> None:
    """A step or a few of each arm, untimed: who comes first would pay for reading the files and for preparing kernels."""
    items = load_items(run.data, "train", max(options.loop_batch, run.profile.batch_size) // 2)
    for arm in arms(run, items, val, replace(options, epochs=1)).values():
        arm(0)


def initial(profile: Profile, seed: int) -> tuple[nn.Module, models.ClassifierConfig]:
    """The same weights for the same seed."""
    seed_everything(seed)
    return models.create(ARCHITECTURE, profile)


def probabilities(model: nn.Module, held_out: DataLoader) -> np.ndarray:
    return collect(model, held_out)[0].softmax(-1)[:, 1].numpy()


def ours(run: Run, items: list[Item], val: list[Item], epochs: int, seed: int) -> Outcome:
    model, config = initial(run.profile, seed)
    batches = loader(items, run.data.root, config, run.profile, train=True, seed=seed)
    held_out = loader(val, run.data.root, config, run.profile, train=False)
    validating, validate = [], Trainer.validate

    def validate_beside_the_clock(training: Trainer) -> dict:
        began = perf_counter()
        found = validate(training)
        validating.append(perf_counter() - began)
        return found

    history: list[dict] = []
    with patch.object(Trainer, "validate", validate_beside_the_clock):
        taken = seconds(
            lambda: history.extend(
                fit(
                    model,
                    batches,
                    held_out,
                    epochs,
                    run.profile.learning_rate,
                    config.initial_weights == "random",
                    OURS,
                    seed=seed,
                    warmup=run.profile.warmup,
                    ema_decay=run.profile.ema_decay,
                )
            )
        )
    return Outcome(taken - sum(validating), [row["loss"] for row in history], probabilities(model, held_out))


class Files(Dataset):
    """As people write it: open, convert, transform, to a normalised tensor; the augmentation is that of `images.augment`."""

    def __init__(self, items: Sequence[Item], root: Path, config: models.ClassifierConfig, crop: int):
        self.items, self.root, self.size = items, root, config.image_size
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(crop, scale=(0.25, 1.0), ratio=(0.9, 1.1)),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
                v2.RandomGrayscale(0.1),
                v2.RandomApply([v2.Lambda(recompress)], p=0.3),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(config.mean, config.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = ImageOps.fit(
            Image.open(self.root / self.items[index].path).convert("RGB"),
            (self.size, self.size),
            Image.Resampling.BICUBIC,
        )
        return self.transform(image), self.items[index].label


def recompress(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(torch.randint(60, 96, ())))
    return Image.open(buffer).convert("RGB")


def straightforward(
    run: Run, items: list[Item], val: list[Item], epochs: int, seed: int, batch: int, workers: int
) -> Outcome:
    """The loop people write, keeping the probabilities of the epoch with the best validation AUROC."""
    model, config = initial(run.profile, seed)
    model.to(run.device)
    batches = DataLoader(
        Files(items, run.data.root, config, run.profile.crop), batch, shuffle=True, num_workers=workers, drop_last=True
    )
    held_out = loader(val, run.data.root, config, run.profile, train=False)
    truth = [item.label for item in val]
    peak = run.profile.learning_rate * (batch / run.profile.batch_size) ** 0.5
    optimiser = torch.optim.AdamW(parameter_groups(model, peak, config.initial_weights == "random"))
    taken, losses, best = 0.0, [], (-1.0, np.empty(0))
    for epoch in range(epochs):
        began = perf_counter()
        losses.append(one_epoch(model, batches, optimiser, epoch * len(batches), epochs * len(batches), run))
        taken += perf_counter() - began
        fake = probabilities(model, held_out)
        best = max(best, (float(roc_auc_score(truth, fake)), fake), key=lambda pair: pair[0])
    return Outcome(taken, losses, best[1])


def one_epoch(
    model: nn.Module, batches: DataLoader, optimiser: torch.optim.Optimizer, step: int, steps: int, run: Run
) -> float:
    """Train; return the mean loss."""
    model.train()
    total = 0.0
    for number, (pixels, labels) in enumerate(batches, step):
        pixels, labels = pixels.to(run.device), labels.to(run.device)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * rate(number, steps, run.profile.warmup)
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(pixels), labels, label_smoothing=LABEL_SMOOTHING)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        total += loss.item()
    return total / len(batches)


def summary(found: dict[str, list[Outcome]], val: list[Item], seed: int, shown: int) -> dict:
    """Seconds, ratios to ours, losses and AUROCs of all arms. `shown`: images that one training is shown."""
    labels, groups = np.array([item.label for item in val]), [item.group for item in val]
    fakes = {name: np.stack([o.fake for o in rounds]) for name, rounds in found.items()}
    taken = {name: [o.seconds for o in rounds] for name, rounds in found.items()}
    loops = [name for name in found if name != OURS]
    aurocs = bootstrap(lambda index: mean_aurocs(fakes, labels, index), labels, groups, seed)
    return {
        "images_shown": shown,
        "val_images": len(val),
        "seconds": {name: [round(s, 2) for s in rounds] for name, rounds in taken.items()},
        "images_per_second": {name: round(shown / float(np.median(rounds)), 1) for name, rounds in taken.items()},
        "speedup": {name: speedup(taken[name], taken[OURS]) for name in loops},
        "loss": {name: np.mean([o.losses for o in rounds], axis=0).round(4).tolist() for name, rounds in found.items()},
        "auroc": {name: aurocs[name] for name in found},
        "auroc_difference": {name: aurocs[f"{OURS} - {name}"] for name in loops},
    }


def mean_aurocs(fakes: dict[str, np.ndarray], labels: np.ndarray, index: np.ndarray) -> dict[str, float]:
    """Means over the rounds of all P(fake) [rounds, N], on the pictures of `index`, and what ours is more than the others."""
    found = {
        name: float(np.mean([roc_auc_score(labels[index], fake[index]) for fake in rounds]))
        for name, rounds in fakes.items()
    }
    return found | {f"{OURS} - {name}": found[OURS] - auroc for name, auroc in found.items() if name != OURS}


def unequal(report: dict) -> list[str]:
    """In what ours is worse than the loop, if in anything."""
    said = [
        f"AUROC is lower than that of `{name}`: {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        for name, gap in report["auroc_difference"].items()
        if not gap["high"] >= 0
    ]
    same_batch = list(report["loss"])[-1]
    gap = report["loss"][OURS][-1] - report["loss"][same_batch][-1]
    if not gap <= LOSS_TOLERANCE:
        said.append(
            f"the last training loss is {gap:.3f} higher than that of `{same_batch}`, more than {LOSS_TOLERANCE}"
        )
    return said


def grow(root: str, count: int, crop: int, seed: int) -> dict:
    """Seconds and peak memory of one epoch with `count` images, in this process; to be called in a new one."""
    data, profile = DatasetRoot.at(root), replace(PROFILES["sample"], crop=crop)
    known, val = load_items(data, "train"), load_items(data, "val", 4)
    items = [known[n % len(known)] for n in range(count)]
    run = Run("growth", profile, data, Path(), seed, best_device())
    before = peak_memory() / 2**20
    taken = ours(run, items, val, 1, seed).seconds
    shown = count // profile.batch_size * profile.batch_size or count  # a last batch that is not full is left out
    return {
        "images": count,
        "seconds": round(taken, 2),
        "images_per_second": round(shown / taken, 1),
        "peak_mib": round(peak_memory() / 2**20, 1),
        "peak_mib_before": round(before, 1),
    }


if __name__ == "__main__":
    command(main, Options, __doc__)
