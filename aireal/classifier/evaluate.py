"""A trained classifier on the test split, once, as the record that notebooks show and `metrics/` keeps."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import torch

from aireal.core.run import Run
from aireal.dataset.manifest import Item, family, load_items

from .calibration import TARGET_ERROR, calibration_report, selective, uncertain
from .cost import cost
from .data import loader
from .metrics import calibrated, curves, fit_calibration, paired_difference, with_intervals
from .train import Trained, collect


def evaluate_classifier(run: Run, trained: Trained, items: list[Item]) -> dict:
    """Everything measured about one classifier: what it cost, and what it says about `items`, the test images.

    Validation pictures of the run's root are looked at, too, for what is fitted there: the temperature without a bias, to compare
    with, and whether the uncertain band kept its target.

    Returns:
        "architecture", "initial_weights", "epochs", "images_seen", "training_seconds", "cost" (see `cost`), "history";
        "test" and "unseen_generators" (see `with_intervals`), "confusion", "roc"; "calibration" (see `calibration_report`; its rows are
        "uncalibrated", "temperature" and "platt"), "selective" (see `selective`, with "target_error" and what it was on "validation");
        "test_images" (a fingerprint) and "probabilities" (P(fake) in their order), for `compare`.
    """
    config, groups = trained.config, [i.group for i in items]
    model = trained.model.to(run.device)
    began = time.time()
    logits, labels = collect(model, loader(items, run.data.root, config, run.profile, train=False))
    seconds = time.time() - began
    validation = load_items(run.data, "val", run.profile.limit)
    known = collect(model, loader(validation, run.data.root, config, run.profile, train=False))
    fake, truth = calibrated(logits, config.temperature, config.bias), labels.numpy()
    fits = {
        "uncalibrated": (1.0, 0.0),
        "temperature": fit_calibration(*known, with_bias=False),
        "platt": (config.temperature, config.bias),
    }
    return {
        "architecture": config.architecture,
        "initial_weights": config.initial_weights,
        "epochs": trained.history[-1]["epoch"],
        "kept_epoch": trained.best["epoch"],
        "images_seen": trained.images_seen,
        "training_seconds": trained.seconds,
        "cost": cost(config, run.profile, run.device),
        "predict_images_per_second": round(len(items) / max(seconds, 1e-9), 1),  # from files, decoding included
        "temperature": config.temperature,
        "bias": config.bias,
        "test": with_intervals(fake, truth, groups, run.seed),
        "unseen_generators": unseen_generators(run, items, fake, truth),
        "calibration": calibration_report(logits, truth, groups, fits, run.seed),
        "selective": {
            "target_error": TARGET_ERROR,
            "validation": _band_on_validation(*known, config),
            **selective(fake, truth, groups, config.uncertain_below, run.seed),
        },
        **curves(fake, truth),
        "history": trained.history,
        "test_images": fingerprint_of(items),
        "probabilities": [round(float(p), 4) for p in fake],
    }


def _band_on_validation(logits: torch.Tensor, labels: torch.Tensor, config) -> dict:
    fake, truth = calibrated(logits, config.temperature, config.bias), labels.numpy()
    certain = ~uncertain(fake, config.uncertain_below)
    error = float(((fake >= 0.5) != truth)[certain].mean()) if certain.any() else 1.0
    return {
        "n": len(truth),
        "coverage": round(float(certain.mean()), 4),
        "error_certain": round(error, 4),
        "target_reached": error <= TARGET_ERROR,
    }


def fingerprint_of(items: list[Item]) -> str:
    """Equal for the same pictures with the same labels in the same order."""
    return hashlib.sha256(repr([(i.path, i.sha256, i.label) for i in items]).encode()).hexdigest()[:16]


def unseen_generators(run: Run, items: list[Item], fake: np.ndarray, truth: np.ndarray) -> dict | None:
    """The same figures with only those AI images whose family of generators occurs in the test split alone, against all photographs.

    None where the manifest names no generators, or too few images are left.
    """
    fresh = unseen_families(run)
    keep = np.array([i.label == 0 or family(i.generator) in fresh for i in items])
    if (keep & (truth == 1)).sum() < 2:
        return None
    return with_intervals(fake[keep], truth[keep], [i.group for i, kept in zip(items, keep) if kept], run.seed)


def unseen_families(run: Run) -> set[str]:
    """Families of generators that the manifest names for AI images of the test split and for nothing that was trained or chosen on."""
    everything = [i for i in load_items(run.data) if i.generator]
    known = {family(i.generator) for i in everything if i.split in ("train", "val")}
    return {family(i.generator) for i in everything if i.split == "test" and i.label} - known - {"unknown", ""}


def compare(items: list[Item], reports: dict[str, dict], seed: int, chosen: str = "resnet34") -> dict:
    """Whether the test figures support choosing one classifier: its AUROC minus each other's on the same pictures, with intervals.

    Two kinds of pairs: `alike`, another architecture against the chosen one with the same kind of initial weights, and all others against
    the chosen report as it is used. Only `alike` compares architectures.

    Args:
        items: the test images, in the order in which `evaluate_classifier` had them.
        reports: records of `evaluate_classifier` by name; the chosen architecture may be there more than once, from other initial weights.

    Returns:
        {"chosen": name, "pairs": [{"one", "other": names, "same_architecture", "alike", "same_budget" (images seen): bool,
        "difference": {"value", "low", "high"}}, ...], "classifiers": {name: {"architecture", "initial_weights", "gmacs", ...}}}

    Raises:
        ValueError: the chosen report is missing, or one was made on other images.
    """
    if chosen not in reports:
        raise ValueError(f"there is no report of {chosen} to compare with: run notebook 03_train_resnet34 first")
    for name, report in reports.items():
        if report.get("test_images") != fingerprint_of(items):
            raise ValueError(
                f"the report of {name} is of other test images: run its notebook again with this dataset root and profile"
            )
    architecture = reports[chosen]["architecture"]
    own = {
        report["initial_weights"]: name for name, report in reports.items() if report["architecture"] == architecture
    }
    wanted = [(chosen, name) for name in reports if name != chosen]
    for name, report in reports.items():
        twin = own.get(report["initial_weights"], chosen)
        if report["architecture"] != architecture and twin != chosen:
            wanted.append((twin, name))
    labels, groups = np.array([i.label for i in items]), [i.group for i in items]
    pairs = [_pair(reports, one, other, labels, groups, seed) for one, other in wanted]
    kept = ("architecture", "initial_weights", "images_seen", "training_seconds")
    classifiers = {
        name: {k: report[k] for k in kept} | {"gmacs": report["cost"]["gmacs"]} for name, report in reports.items()
    }
    return {"chosen": chosen, "pairs": pairs, "classifiers": classifiers}


def _pair(reports: dict[str, dict], one: str, other: str, labels: np.ndarray, groups: list[str], seed: int) -> dict:
    a, b = reports[one], reports[other]
    same = a["architecture"] == b["architecture"]
    return {
        "one": one,
        "other": other,
        "same_architecture": same,
        "alike": not same and a["initial_weights"] == b["initial_weights"],
        "same_budget": a["images_seen"] == b["images_seen"],
        "difference": paired_difference(
            np.array(a["probabilities"]), np.array(b["probabilities"]), labels, groups, seed
        ),
    }
