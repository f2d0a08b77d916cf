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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aireal.classifier.metrics import with_intervals
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.device import autocast
from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb, square
from aireal.dataset.manifest import load_items
from scripts.pretraining.students import Student, load_network
from scripts.pretraining.teacher import Teacher

SEED = 7
STRENGTHS = (
    0.0003,
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
)  # C of the logistic regression, chosen by cross-validation over sources
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
    "whole at 224": lambda image: [square(image, 224)],
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
        found[split] = (
            [data.root / i.path for i in items],
            np.array([i.label for i in items]),
            [i.group for i in items],
        )
    files = sorted((shared / "external").rglob("*.webp"))
    labels = np.array([int(p.parent.name == "1_fake") for p in files])
    return found | {"external": (files, labels, [p.name for p in files])}


def load_student(architecture: str, weights: Path) -> Student:
    """A backbone, with the heads that lie beside it or random ones."""
    student = Student(architecture)
    load_network(student.net, weights)
    heads = weights.with_name("heads.safetensors")
    if heads.exists():
        student.load_state_dict(load_file(heads), strict=False)
    return student.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def student_features(student: Student, images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features [N, D] and the log-odds of a round trip [N] of pictures of one size, float32."""
    x = (
        torch.from_numpy(np.stack([np.asarray(i) for i in images]))
        .permute(0, 3, 1, 2)
        .float()
        .div_(255)
        .sub_(0.5)
        .div_(0.5)
    )
    with autocast(x.device):
        pooled = student.encode(x.to(memory_format=torch.channels_last))[1]
        return pooled.float().numpy(), student.pair(pooled).float().squeeze(1).numpy()


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


def fit(features: np.ndarray, labels: np.ndarray, groups: list[str]):
    """Logistic regression on standardised features; its strength from 5-fold cross-validation over sources. Returns
    (pipeline, C)."""

    def model(strength: float):
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))

    folds = list(GroupKFold(5, shuffle=True, random_state=SEED).split(features, labels, groups))
    scores = [cross_val_score(model(c), features, labels, cv=folds, scoring="roc_auc").mean() for c in STRENGTHS]
    best = STRENGTHS[int(np.argmax(scores))]
    return model(best).fit(features, labels), best, float(max(scores))


def one_way(looks: Looks, network: Student | Teacher, pictures: dict) -> dict:
    """AUROC with intervals of the probe, of the pair head alone, and of a probe on both together."""
    seen = {name: look_at(files, looks, network) for name, (files, _, _) in pictures.items()}
    _, labels, groups = pictures["train"]
    probe, strength, trained = fit(seen["train"][0], labels, groups)
    spread = max(seen["train"][1].std(), 1e-6)
    out: dict = {"C": strength, "cross_validated_auroc": trained}
    for name in ("val", "external"):
        features, odds = seen[name]
        _, labels, groups = pictures[name]
        scores = {"probe": probe.decision_function(features), "pair": odds}
        scores["both"] = scores["probe"] / probe.decision_function(seen["train"][0]).std() + odds / spread
        out[name] = {
            kind: with_intervals(1 / (1 + np.exp(-score)), labels, groups, SEED)["auroc"]
            for kind, score in scores.items()
        }
    return out


def evaluate(
    architecture: str, weights: Path | None, work: Path, shared: Path, teacher: Path, ways: list[str] | None = None
) -> dict:
    """Print the table and write WORK/evaluation_NAME_STEP.json."""
    pictures, step = known_pictures(shared), "0"
    network: Student | Teacher
    if architecture == "teacher":
        network = Teacher(teacher)
    else:
        network = load_student(architecture, weights)
        with safe_open(weights, "pt") as file:
            step = (file.metadata() or {}).get("step", "unknown")
    record: dict = {"student": architecture, "weights": str(weights), "step": step, "ways": {}}
    print(
        f"{architecture} at step {step}: AUROC (95%)\n{'':18}"
        + "".join(f"{t:>24}" for t in ("val probe", "val pair", "val both"))
        + "".join(f"{t:>24}" for t in ("external probe", "external pair", "external both"))
    )
    for name, looks in ((name, WAYS[name]) for name in ways or WAYS):
        found = record["ways"][name] = one_way(looks, network, pictures)
        cells = [found[split][kind] for split in ("val", "external") for kind in ("probe", "pair", "both")]
        row = "".join(f"{c['value']:>10.3f} ({c['low']:.2f}-{c['high']:.2f})" for c in cells)
        print(f"{name:18}{row}  C {found['C']}", flush=True)
    write_json(work / f"evaluation_{architecture}_{step}.json", record)
    return record
