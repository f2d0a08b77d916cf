"""What frozen features are worth: logistic regression on the sample's training pictures, seen in several ways; AUROC
on validation and on `external`. The sample's test split is never opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from aireal.classifier.linear_probe import fit_probe
from aireal.classifier.metrics import with_intervals
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.device import autocast
from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb, square
from aireal.core.statistics import interval
from aireal.dataset.manifest import load_items
from scripts.pretraining.publish import publish
from scripts.pretraining.students import Student, load_network
from scripts.pretraining.teacher import Teacher

SEED = 7
Looks = Callable[[Image.Image], list[Image.Image]]


def piece(image: Image.Image, side: int, across: float, down: float) -> Image.Image:
    """A square of `side` px, unscaled (smaller pictures are enlarged first), at a share of the room there is."""
    if min(image.size) < side:
        image = square(image, side)
    left, top = round(across * (image.width - side)), round(down * (image.height - side))
    return image.crop((left, top, left + side, top + side))


def corners(side: int) -> Looks:
    places = ((0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1))
    return lambda image: [piece(image, side, *place) for place in places]


WAYS: dict[str, Looks] = {
    "whole at 256": lambda image: [square(image, 256)],
    "whole at 192": lambda image: [square(image, 192)],
    "whole at 384": lambda image: [square(image, 384)],
    "centre 224": lambda image: [piece(image, 224, 0.5, 0.5)],
    "5 pieces of 160": corners(160),
    "5 pieces of 224": corners(224),
}


def known_pictures(shared: Path) -> dict[str, tuple[list[Path], np.ndarray, list[str]]]:
    """Files, labels (1: AI) and groups of the sample's train and val, and of `external`, where each picture is a
    group."""
    data, found = DatasetRoot.at(REPOSITORY / "dataset"), {}
    for split in ("train", "val"):
        items = load_items(data, split)
        files, labels = [data.root / i.path for i in items], np.array([i.label for i in items])
        found[split] = (files, labels, [i.group for i in items])
    files = sorted((shared / "external").rglob("*.webp"))
    labels = np.array([int(p.parent.name == "1_fake") for p in files])
    return found | {"external": (files, labels, [p.name for p in files])}


def load_student(architecture: str, weights: Path) -> Student:
    """A backbone, with the heads that lie beside it or, if there are none, without a pair head (`pair` is None)."""
    student = Student(architecture)
    load_network(student.net, weights)
    heads = weights.with_name("heads.safetensors")
    if heads.exists():
        student.load_state_dict(load_file(heads), strict=False)
    else:
        student.pair = None
    return student.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def student_features(student: Student, images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features [N, D] and the log-odds of a round trip [N] (zeros without a pair head) of pictures of one size,
    float32."""
    x = torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)
    x = x.float().div_(255).sub_(0.5).div_(0.5)
    with autocast(x.device):
        pooled = student.encode(x.to(memory_format=torch.channels_last))[1]
        odds = student.pair(pooled).float().squeeze(1) if student.pair else torch.zeros(len(x))
        return pooled.float().numpy(), odds.numpy()


def look_at(files: list[Path], looks: Looks, network: Student | Teacher) -> tuple[np.ndarray, np.ndarray]:
    """Features [N, D] and pair log-odds [N], each the mean over a picture's looks."""
    features, odds = [], []
    for start in range(0, len(files), 16):
        seen = [looks(open_rgb(path)) for path in files[start : start + 16]]
        flat = [image for images in seen for image in images]
        if isinstance(network, Teacher):
            pixels = np.stack([np.asarray(i.resize((224, 224), Image.Resampling.BICUBIC)) for i in flat])
            found = network.features(pixels)[0], np.zeros(len(flat))
        else:
            found = student_features(network, flat)
        features.append(found[0].reshape(len(seen), -1, found[0].shape[1]).mean(1))
        odds.append(found[1].reshape(len(seen), -1).mean(1))
    return np.concatenate(features), np.concatenate(odds)


def one_way(looks: Looks, network: Student | Teacher, pictures: dict) -> dict:
    """AUROC with intervals of the classifiers' linear probe, fitted to the training pictures, and of the pair head."""
    seen = {name: look_at(files, looks, network) for name, (files, _, _) in pictures.items()}
    weights, bias = fit_probe(seen["train"][0], pictures["train"][1])
    out: dict = {}
    for name in ("val", "external"):
        features, odds = seen[name]
        _, labels, groups = pictures[name]
        scores = {"probe": features @ weights + bias} | ({"pair": odds} if odds.any() else {})
        out[name] = {
            kind: with_intervals(1 / (1 + np.exp(-score)), labels, groups, SEED)["auroc"]
            for kind, score in scores.items()
        }
    return out


def evaluate(
    architecture: str,
    weights: Path | None,
    work: Path,
    shared: Path,
    teacher: Path,
    ways: list[str] | None = None,
    row: str = "",
) -> None:
    """Print the figures and write WORK/evaluation_NAME_STEP.json, and with `row` also publish them under this name."""
    pictures, step = known_pictures(shared), "0"
    network: Student | Teacher
    if architecture == "teacher":
        network = Teacher(teacher)
    else:
        network = load_student(architecture, weights)
        with safe_open(weights, "pt") as file:
            step = (file.metadata() or {}).get("step", "unknown")
    record: dict = {"student": architecture, "weights": str(weights), "step": step, "ways": {}}
    print(f"{architecture} at step {step}: AUROC (95%)")
    for name, looks in ((name, WAYS[name]) for name in ways or WAYS):
        found = record["ways"][name] = one_way(looks, network, pictures)
        cells = [f"{split} {kind} {interval(auroc)}" for split, kinds in found.items() for kind, auroc in kinds.items()]
        print(f"{name:18}" + "  ".join(cells), flush=True)
    write_json(work / f"evaluation_{architecture}_{step}.json", record)
    if row:
        publish(row, record, SEED, pictures)
