"""The metrics of a trained classifier on the test split, which notebooks show and `metrics/` stores."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import torch

from aireal.core.run import Run
from aireal.dataset.manifest import Item, family, load_items
from aireal.dataset.readable import readable_items

from .calibration import TARGET_ERROR, calibration_metrics, selective_metrics, uncertain
from .cost import cost
from .data import eval_loader
from .metrics import calibrated, curves, fit_calibration, paired_difference, with_intervals
from .model import ClassifierConfig
from .one_class import one_class_note
from .train import Trained
from .validation import collect_logits


def evaluate_classifier(run: Run, trained: Trained, items: list[Item]) -> dict:
    """All metrics of one classifier: its cost, and its predictions on `items`, the test images.

    Validation pictures of the run's root are used for what is fitted there: temperature scaling without a bias, for
    comparison, and whether the uncertain band reached its target. Test files that cannot be read are left out and
    named. A test of one class gives what can be computed; the rest is None, and a line says so.

    Returns:
        "architecture", "initial_weights", "backbone_sha256" (of its file, or ""), "frozen" (whether only a linear probe
        was trained), "normalisation" (mean and std of the pictures), "epochs", "images_seen", "training_seconds",
        "cost" (see `cost`), "history";
        "test" and "unseen_generators" (see `with_intervals`), "confusion", "roc"; "calibration" (see
        `calibration_metrics`; "uncalibrated", "temperature" and "platt"), "selective" (see `selective_metrics`, with
        "target_error", and the band's metrics on "validation"); "test_images" (a fingerprint) and "probabilities"
        (P(fake) in their order), for `compare`; "failed": [{"path", "error"}].

    Raises:
        ValueError: none of the test files can be read, or a file of validation cannot.
    """
    items, failed = readable_items(run.data.root, items)
    config, groups, root = trained.config, [i.group for i in items], run.data.root
    model = trained.model.to(run.device)
    started = time.monotonic()
    logits, labels = collect_logits(model, eval_loader(items, root, config, run.profile.batch_size))
    seconds = time.monotonic() - started
    val_items = load_items(run.data, "val", run.profile.limit)
    validation = collect_logits(model, eval_loader(val_items, root, config, run.profile.batch_size))
    fake, truth = calibrated(logits, config.temperature, config.bias), labels.numpy()
    fits = {
        "uncalibrated": (1.0, 0.0),
        "temperature": fit_calibration(*validation, with_bias=False),
        "platt": (config.temperature, config.bias),
    }
    test = with_intervals(fake, truth, groups, run.seed)
    if note := one_class_note(test):
        print(note)
    return {
        "architecture": config.architecture,
        "fingerprint": config.fingerprint,
        "initial_weights": config.initial_weights,
        "backbone_sha256": config.backbone_sha256,
        "frozen": config.frozen,
        "normalisation": {"mean": list(config.mean), "std": list(config.std)},
        "epochs": trained.history[-1]["epoch"],
        "kept_epoch": trained.best["epoch"],
        "images_seen": trained.images_seen,
        "training_seconds": trained.seconds,
        "cost": cost(config, run.profile, run.device),
        "predict_images_per_second": round(len(items) / max(seconds, 1e-9), 1),  # from files, decoding included
        "temperature": config.temperature,
        "bias": config.bias,
        "test": test,
        "unseen_generators": unseen_generators(run, items, fake, truth),
        "calibration": calibration_metrics(logits, truth, groups, fits, run.seed),
        "selective": {
            "target_error": TARGET_ERROR,
            "validation": _band_on_validation(*validation, config),
            **selective_metrics(fake, truth, groups, config.uncertain_below, run.seed),
        },
        **curves(fake, truth),
        "history": trained.history,
        "failed": failed,
        "test_images": fingerprint_of(items),
        "probabilities": [round(float(p), 4) for p in fake],
    }


def _band_on_validation(logits: torch.Tensor, labels: torch.Tensor, config: ClassifierConfig) -> dict:
    """Coverage and error of the uncertain band on validation."""
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
    """The test metrics on all photographs and those AI images whose family of generators occurs only in the test split.

    None if the manifest names no generators, too few images remain, or there are no photographs.
    """
    unseen = unseen_families(run)
    mask = np.array([i.label == 0 or family(i.generator) in unseen for i in items])
    if (mask & (truth == 1)).sum() < 2 or truth.all():
        return None
    return with_intervals(fake[mask], truth[mask], [i.group for i, used in zip(items, mask) if used], run.seed)


def unseen_families(run: Run) -> set[str]:
    """Families of generators that the manifest names for AI images of the test split, but not of training or
    validation, also not as the maker of what another one worked over."""
    items = [i for i in load_items(run.data) if i.generator]
    seen = {family(name) for i in items if i.split in ("train", "val") for name in i.generator.split(" over ")}
    return {family(i.generator) for i in items if i.split == "test" and i.label} - seen - {"unknown", ""}


def compare(items: list[Item], classifiers: dict[str, dict], seed: int, chosen: str = "resnet34") -> dict:
    """Whether the test metrics support the chosen classifier: paired differences of AUROC on the same pictures.

    `alike` pairs compare another architecture with the chosen one from the same kind of initial weights; only they
    compare architectures. `frozen` pairs compare a linear probe of a frozen network, a yardstick, with the chosen
    classifier. All other pairs compare with the chosen classifier as it is used.

    Args:
        items: the test images, in the order that `evaluate_classifier` had; those that it could not read do not count.
        classifiers: metrics of `evaluate_classifier` by name; the chosen architecture may occur several times, with
            different initial weights.

    Returns:
        {"chosen": name, "pairs": [{"one", "other": names, "same_architecture", "alike", "frozen", "same_budget"
        (images seen): bool, "difference": {"value", "low", "high"}}, ...], "classifiers": {name: {"architecture",
        "initial_weights", "gmacs", ...}}}

    Raises:
        ValueError: the chosen classifier is missing, or one was evaluated on other images.
    """
    if chosen not in classifiers:
        raise ValueError(f"there are no metrics of {chosen} to compare with. Run notebook 03_train_resnet34 first.")
    failed = {entry["path"] for metrics in classifiers.values() for entry in metrics.get("failed", ())}
    items = [item for item in items if item.path not in failed]
    for name, metrics in classifiers.items():
        if metrics.get("test_images") != fingerprint_of(items):
            raise ValueError(
                f"the metrics of {name} are of other test images. "
                "Run its notebook again with this dataset root and profile."
            )
    labels, groups = np.array([i.label for i in items]), [i.group for i in items]
    pairs = [_pair(classifiers, one, other, labels, groups, seed) for one, other in _pair_names(classifiers, chosen)]
    keys = ("architecture", "initial_weights", "images_seen", "training_seconds")
    summaries = {
        name: {k: metrics[k] for k in keys} | {"gmacs": metrics["cost"]["gmacs"]}
        for name, metrics in classifiers.items()
    }
    return {"chosen": chosen, "pairs": pairs, "classifiers": summaries}


def _pair_names(classifiers: dict[str, dict], chosen: str) -> list[tuple[str, str]]:
    """Each classifier with the chosen one, and with the chosen architecture from the same initial weights."""
    architecture = classifiers[chosen]["architecture"]
    twins = {m["initial_weights"]: name for name, m in classifiers.items() if m["architecture"] == architecture}
    pairs = [(chosen, name) for name in classifiers if name != chosen]
    for name, metrics in classifiers.items():
        twin = twins.get(metrics["initial_weights"], chosen)
        if metrics["architecture"] != architecture and twin != chosen:
            pairs.append((twin, name))
    return pairs


def _pair(classifiers: dict[str, dict], one: str, other: str, labels: np.ndarray, groups: list[str], seed: int) -> dict:
    a, b = classifiers[one], classifiers[other]
    same = a["architecture"] == b["architecture"]
    probabilities = [np.array(metrics["probabilities"]) for metrics in (a, b)]
    return {
        "one": one,
        "other": other,
        "same_architecture": same,
        "alike": not same and a["initial_weights"] == b["initial_weights"],
        "frozen": b.get("frozen", False),
        "same_budget": a["images_seen"] == b["images_seen"],
        "difference": paired_difference(*probabilities, labels, groups, seed),
    }
