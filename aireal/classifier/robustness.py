"""Robustness of the verdicts to changes that pictures undergo on the web, for each family of generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn
from tqdm import tqdm

from aireal.core.device import autocast, precision
from aireal.core.imagefile import ImageError, open_rgb, reencode, square
from aireal.core.run import Run
from aireal.core.statistics import auroc, bootstrap, wilson
from aireal.dataset.manifest import Item, family

from .data import normalise, to_tensor
from .evaluate import unseen_families
from .metrics import calibrated
from .model import ClassifierConfig

Condition = Callable[[Image.Image], Image.Image]


def halved(image: Image.Image) -> Image.Image:
    """Scaled to half its side and back (bicubic)."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC).resize(
        image.size, Image.Resampling.BICUBIC
    )


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """Gaussian blur; sigma in px at the classifier's input size."""
    return image.filter(ImageFilter.GaussianBlur(sigma))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """The centre with `share` of the side, scaled back to the old size (bicubic)."""
    left, top = (round(side * (1 - share) / 2) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top)).resize(image.size, Image.Resampling.BICUBIC)


FORMATS: dict[str, Condition] = {
    "PNG": partial(reencode, form="PNG"),
    "WebP 80": partial(reencode, form="WEBP", quality=80),
    "JPEG 75": partial(reencode, form="JPEG", quality=75),
    "JPEG 50": partial(reencode, form="JPEG", quality=50),
    "half size": halved,
}
CONDITIONS: dict[str, Condition] = {
    **FORMATS,
    "blur 1": partial(blurred, sigma=1),
    "blur 2": partial(blurred, sigma=2),
    "crop 75%": partial(cropped, share=0.75),
}


def robustness(
    run: Run,
    model: nn.Module,
    config: ClassifierConfig,
    items: list[Item],
    conditions: dict[str, Condition] = CONDITIONS,
) -> dict:
    """Verdicts on unchanged pictures and under each condition, with calibration and threshold frozen.

    A file is decoded once, cut square at the classifier's input size, and then changed, so that a change is the same
    for pictures of all sizes. All conditions, "none" included, are computed in the device's fastest precision, so
    metrics can differ in the third decimal from those of `evaluate`. The design follows Hendrycks & Dietterich 2019,
    with changes that pictures undergo when they are shared.

    Args:
        model: trained, two outputs (real, fake); it is moved to the run's device and set to evaluation mode.
        items: test images; a file that cannot be opened is listed under "failed" and skipped.

    Returns:
        "n", "precision", "failed": [{"path", "error"}],
        "conditions": {name: with bootstrap intervals over groups "auroc", "accuracy_real", "accuracy_fake"; "flipped"},
            where flipped is {"count", "to_fake", "to_real"} of the verdicts that differ from "none", and their share of
            n with Wilson's interval,
        what needs a class that no picture has is None;
        "rows": [{"name", "label", "n", "groups", "unseen" (in neither training nor validation), "accuracy": {condition:
            rate with Wilson's interval}}], a row for all photographs, all AI images, and each family of generators, the
            largest first.

    Raises:
        ValueError: no image could be used.
    """
    used, fake, failed = _verdicts(run, model, config, items, {"none": lambda image: image, **conditions})
    labels, groups = np.array([i.label for i in used]), [i.group for i in used]
    if not used:
        raise ValueError(
            f"none of the {len(items)} test images can be opened. Check them with `python -m aireal dataset check`."
        )
    return {
        "n": len(used),
        "precision": precision(run.device).replace("no", "fp32"),
        "failed": failed,
        "conditions": {
            name: {**metrics, "flipped": _flipped(fake["none"], fake[name])}
            for name, metrics in _condition_metrics(fake, labels, groups, run.seed).items()
        },
        "rows": _rows(used, fake, unseen_families(run)),
    }


def format_swap(run: Run, model: nn.Module, config: ClassifierConfig, items: list[Item]) -> dict:
    """The number of verdicts that flip when each test picture is stored anew as PNG, WebP or JPEG, or scaled.

    Many flips mean that the classifier depends on the file format.

    Returns:
        {"n", "failed", "flipped": {condition: see `robustness`}}
    """
    used, fake, failed = _verdicts(run, model, config, items, {"none": lambda image: image, **FORMATS})
    return {"n": len(used), "failed": failed, "flipped": {name: _flipped(fake["none"], fake[name]) for name in FORMATS}}


def _verdicts(
    run: Run, model: nn.Module, config: ClassifierConfig, items: list[Item], conditions: dict[str, Condition]
) -> tuple[list[Item], dict[str, np.ndarray], list[dict]]:
    """The items that could be opened, P(fake) [N] under each condition, and the failures."""
    model = model.eval().to(run.device, memory_format=torch.channels_last)
    prepare, failed, used = normalise(config), [], []
    fake: dict[str, list[np.ndarray]] = {name: [] for name in conditions}
    for batch_items, squares in _batches(run, config, items, failed):
        used += batch_items
        unchanged = torch.stack([to_tensor(s) for s in squares])
        for name, change in conditions.items():
            changed = torch.stack([to_tensor(change(s)) for s in squares])
            # PNG keeps every pixel: the prediction is that of "none"
            if fake["none"][len(fake[name]) :] and torch.equal(changed, unchanged):
                fake[name].append(fake["none"][-1])
                continue
            with torch.inference_mode(), autocast(run.device):
                logits = model(prepare(changed).to(run.device, memory_format=torch.channels_last))
            fake[name].append(calibrated(logits, config.temperature, config.bias))
    return used, {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in fake.items()}, failed


def _batches(
    run: Run, config: ClassifierConfig, items: list[Item], failed: list[dict], size: int = 16
) -> Iterator[tuple[list[Item], list[Image.Image]]]:
    with tqdm(total=len(items), desc="conditions", unit="image") as progress:
        for start in range(0, len(items), size):
            opened = []
            for item in items[start : start + size]:
                try:
                    opened.append((item, square(open_rgb(run.data.root / item.path), config.image_size)))
                except ImageError as error:
                    failed.append({"path": item.path, "error": str(error)})
            if opened:
                yield [item for item, _ in opened], [image for _, image in opened]
            progress.update(min(size, len(items) - start))


def _condition_metrics(
    fake: dict[str, np.ndarray], labels: np.ndarray, groups: list[str], seed: int
) -> dict[str, dict]:
    """AUROC and accuracy of each class under each condition, from one bootstrap for all conditions."""
    scores = np.stack(list(fake.values()))
    keys = [(condition, metric) for metric in ("auroc", "accuracy_real", "accuracy_fake") for condition in fake]

    def statistic(index: np.ndarray) -> dict[tuple[str, str], float]:
        drawn, real, ai = scores[:, index], labels[index] == 0, labels[index] == 1
        accuracies = (_shares(drawn[:, real] < 0.5), _shares(drawn[:, ai] >= 0.5))
        return dict(zip(keys, np.concatenate([auroc(drawn, labels[index]), *accuracies])))

    estimates = bootstrap(statistic, labels, groups, seed)
    return {condition: {metric: estimates[c, metric] for c, metric in keys if c == condition} for condition in fake}


def _shares(hits: np.ndarray) -> np.ndarray:
    """The share of hits in each row of bool [C, M]; NaN where M is 0."""
    return hits.mean(axis=1) if hits.shape[1] else np.full(len(hits), np.nan)


def _flipped(before: np.ndarray, after: np.ndarray) -> dict:
    fake_before, fake_after = before >= 0.5, after >= 0.5
    to_fake, to_real = int((~fake_before & fake_after).sum()), int((fake_before & ~fake_after).sum())
    count = to_fake + to_real
    return {"count": count, "to_fake": to_fake, "to_real": to_real, **wilson(count, len(before))}


def _rows(items: list[Item], fake: dict[str, np.ndarray], unseen: set[str]) -> list[dict]:
    """Accuracy of photographs, of AI images, and of each family of generators, under each condition."""
    labels = np.array([i.label for i in items])
    rows = []
    for name, mask in [("photographs", labels == 0), ("all AI images", labels == 1), *_families(items, labels)]:
        if not mask.any():  # a test of one class
            continue
        correct = {condition: ((p >= 0.5) == labels)[mask] for condition, p in fake.items()}
        rows.append(
            {
                "name": name,
                "label": int(labels[mask][0]),
                "n": int(mask.sum()),
                "groups": len({i.group for i, selected in zip(items, mask) if selected}),
                "unseen": name in unseen,
                "accuracy": {condition: wilson(c.sum(), len(c)) for condition, c in correct.items()},
            }
        )
    return rows


def _families(items: list[Item], labels: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(name, mask bool [N] of its AI images) of each family of generators, the largest first; none without names."""
    if not any(i.generator for i in items if i.label):
        return []
    families = np.array([family(i.generator) or "unknown" for i in items])
    masks = [(str(name), (families == name) & (labels == 1)) for name in np.unique(families[labels == 1])]
    return sorted(masks, key=lambda pair: -pair[1].sum())
