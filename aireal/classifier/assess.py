"""A trained classifier on the test split, once, as the record that notebooks show and `metrics/` keeps."""

from __future__ import annotations

import time

import numpy as np

from ..dataset.manifest import Item, family, load_items
from ..run import Run
from .evaluate import calibrated, curves, with_intervals
from .images import loader
from .train import Trained, collect


def assess(run: Run, trained: Trained, items: list[Item]) -> dict:
    """Figures with 95% intervals on `items`, curves, cost, and how the training went."""
    batches = loader(items, run.data.root, trained.config, run.profile, train=False)
    began = time.time()
    logits, labels = collect(trained.model.to(run.device), batches)
    seconds = time.time() - began
    fake = calibrated(logits, trained.config.temperature, trained.config.bias)
    truth = labels.numpy()
    seen_per_epoch = trained.history[-1].get("images", 0)
    return {
        "architecture": trained.config.architecture,
        "initial_weights": trained.config.initial_weights,
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "image_size": trained.config.image_size,
        "epochs": len(trained.history),
        "images_seen": len(trained.history) * seen_per_epoch,
        "training_seconds": trained.seconds,
        "predict_images_per_second": round(len(items) / max(seconds, 1e-9), 1),
        "temperature": trained.config.temperature,
        "bias": trained.config.bias,
        "test": with_intervals(fake, truth, [i.group for i in items], run.seed),
        "unseen_generators": unseen_generators(run, items, fake, truth),
        **curves(fake, truth),
        "history": trained.history,
    }


def unseen_generators(run: Run, items: list[Item], fake: np.ndarray, truth: np.ndarray) -> dict | None:
    """The same figures with only those AI images whose family of generators occurs in the test split alone, against all photographs.

    None where the manifest names no generators, or too few images are left.
    """
    known = {family(i.generator) for i in load_items(run.data) if i.split in ("train", "val")}
    keep = np.array([i.label == 0 or (bool(i.generator) and family(i.generator) not in known | {"unknown"}) for i in items])
    if (keep & (truth == 1)).sum() < 2 or not any(i.generator for i in items if i.label):
        return None
    return with_intervals(fake[keep], truth[keep], [i.group for i, kept in zip(items, keep) if kept], run.seed)
