"""What becomes of the verdicts when a picture goes through what pictures go through on the web, and by whom a classifier is fooled."""

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
    """Gaussian blur; sigma in px of the picture as the classifier sees it."""
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
    """Verdicts on pictures as they are and under each condition, with calibration and threshold frozen.

    A file is decoded once, cut square at the classifier's size, and then changed; the changes are thus the same for pictures of all
    sizes. All columns, "none" included, are computed in the fastest precision of the hardware, so figures may differ in the third decimal
    from those of `assess`. Close to Hendrycks & Dietterich 2019, with changes that pictures undergo when they are shared.

    Args:
        model: trained, two outputs (real, fake); it is put on the run's device and in evaluation mode.
        items: test images; a file that cannot be opened is listed under "failed", and the others go on.

    Returns:
        "n", "precision", "failed": [{"path", "error"}],
        "conditions": {name: with bootstrap intervals over groups "auroc", "accuracy_real", "accuracy_fake"; "flipped"},
            where flipped is {"count", "to_fake", "to_real"} of n verdicts that differ from "none", and their share with Wilson's interval,
        "rows": [{"name", "label", "n", "groups", "unseen" (in no training or validation), "accuracy": {condition: rate with Wilson's
            interval}}], a row for all photographs, all AI images, and each family of generators, the largest first.

    Raises:
        ValueError: no image of one of the classes could be used.
    """
    used, fake, failed = _verdicts(run, model, config, items, {"none": lambda image: image, **conditions})
    labels, groups = np.array([i.label for i in used]), [i.group for i in used]
    if set(labels.tolist()) != {0, 1}:
        raise ValueError(
            "robustness needs test images of both classes that can be opened: look at the dataset with `python -m aireal dataset check`"
        )
    return {
        "n": len(used),
        "precision": precision(run.device).replace("no", "fp32"),
        "failed": failed,
        "conditions": {
            name: {**found, "flipped": _flipped(fake["none"], fake[name])}
            for name, found in _figures(fake, labels, groups, run.seed).items()
        },
        "rows": _rows(used, fake, unseen_families(run)),
    }


def format_swap(run: Run, model: nn.Module, config: ClassifierConfig, items: list[Item]) -> dict:
    """How many verdicts flip when each test picture is stored anew as PNG, WebP or JPEG, or scaled: those of one that looks at the format.

    Returns:
        {"n", "failed", "flipped": {condition: see `robustness`}}
    """
    used, fake, failed = _verdicts(run, model, config, items, {"none": lambda image: image, **FORMATS})
    return {"n": len(used), "failed": failed, "flipped": {name: _flipped(fake["none"], fake[name]) for name in FORMATS}}


def _verdicts(
    run: Run, model: nn.Module, config: ClassifierConfig, items: list[Item], conditions: dict[str, Condition]
) -> tuple[list[Item], dict[str, np.ndarray], list[dict]]:
    """The items that could be opened, P(fake) [N] of each condition, and what could not be opened."""
    model = model.eval().to(run.device, memory_format=torch.channels_last)
    prepare, failed, used = normalise(config), [], []
    fake: dict[str, list[np.ndarray]] = {name: [] for name in conditions}
    for part, squares in _batches(run, config, items, failed):
        used += part
        plain = torch.stack([to_tensor(s) for s in squares])
        for name, change in conditions.items():
            changed = torch.stack([to_tensor(change(s)) for s in squares])
            if fake["none"][len(fake[name]) :] and torch.equal(
                changed, plain
            ):  # PNG keeps every pixel, so there is nothing new to ask
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


def _figures(fake: dict[str, np.ndarray], labels: np.ndarray, groups: list[str], seed: int) -> dict[str, dict]:
    """AUROC and accuracy of each class under each condition; all conditions are drawn together, in one bootstrap."""
    scores = np.stack(list(fake.values()))
    names = [(condition, figure) for figure in ("auroc", "accuracy_real", "accuracy_fake") for condition in fake]

    def statistic(index: np.ndarray) -> dict[tuple[str, str], float]:
        drawn, real, ai = scores[:, index], labels[index] == 0, labels[index] == 1
        return dict(
            zip(
                names,
                [
                    *auroc(drawn, labels[index]),
                    *(drawn[:, real] < 0.5).mean(axis=1),
                    *(drawn[:, ai] >= 0.5).mean(axis=1),
                ],
            )
        )

    found = bootstrap(statistic, labels, groups, seed)
    return {condition: {figure: found[c, figure] for c, figure in names if c == condition} for condition in fake}


def _flipped(before: np.ndarray, after: np.ndarray) -> dict:
    was, now = before >= 0.5, after >= 0.5
    to_fake, to_real = int((~was & now).sum()), int((was & ~now).sum())
    return {"count": to_fake + to_real, "to_fake": to_fake, "to_real": to_real, **wilson(to_fake + to_real, len(was))}


def _rows(items: list[Item], fake: dict[str, np.ndarray], unseen: set[str]) -> list[dict]:
    """Accuracy of photographs, of AI images, and of each family of generators, under each condition."""
    labels = np.array([i.label for i in items])
    families = np.array([family(i.generator) or "unknown" for i in items])
    named = (
        [(str(name), families == name) for name in np.unique(families[labels == 1])]
        if any(i.generator for i in items if i.label)
        else []
    )
    named = sorted(((name, mask & (labels == 1)) for name, mask in named), key=lambda pair: -pair[1].sum())
    rows = []
    for name, mask in [("photographs", labels == 0), ("all AI images", labels == 1), *named]:
        right = {condition: ((p >= 0.5) == labels)[mask] for condition, p in fake.items()}
        rows.append(
            {
                "name": name,
                "label": int(labels[mask][0]),
                "n": int(mask.sum()),
                "groups": len({i.group for i, kept in zip(items, mask) if kept}),
                "unseen": name in unseen,
                "accuracy": {condition: wilson(r.sum(), len(r)) for condition, r in right.items()},
            }
        )
    return rows
