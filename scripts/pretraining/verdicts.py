"""The teacher's verdicts: log-odds of "AI-made" that logistic regression on its embedding gives each view, a third
thing for students to learn.

Two regressions give one column each: one learnt from the sample's training pictures, one from the kinds of the shared
pictures. A view of a sample's picture gets its log-odds from a regression that did not see its source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.imagefile import open_rgb, square
from aireal.dataset.manifest import load_items
from scripts.pretraining.package_pictures import group_of
from scripts.pretraining.teacher import SIZE, Teacher

SEED, FOLDS = 7, 5
SAMPLE_STRENGTH, SHARED_STRENGTH = 0.01, 0.0003  # C, chosen by AUROC on the sample's validation split


def regression(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


def embed_sample(work: Path, teacher: Path) -> np.ndarray:
    """Float32 [N, 512] of the sample's training pictures, in the manifest's order; kept in WORK/sample.safetensors."""
    path, data = work / "sample.safetensors", DatasetRoot.at(REPOSITORY / "dataset")
    if not path.exists():
        network, files = Teacher(teacher), [data.root / item.path for item in load_items(data, "train")]
        parts = [files[start : start + 16] for start in range(0, len(files), 16)]
        found = [network.features(np.stack([np.asarray(square(open_rgb(f), SIZE)) for f in part]))[0] for part in parts]
        save_file({"embed": np.concatenate(found)}, path)
    return load_file(path)["embed"]


def about_pictures(work: Path, paths: list[str]) -> list[tuple[str, str]]:
    """(kind, group of the sample or "") of each picture, as WORK/pictures.json and WORK/packages.json list them."""
    pictures = json.loads((work / "pictures.json").read_text())["pictures"]
    if (work / "packages.json").exists():
        pictures += json.loads((work / "packages.json").read_text())
    kinds = {picture["path"]: picture["kind"] for picture in pictures}
    items = load_items(DatasetRoot.at(REPOSITORY / "dataset"), "train")
    groups = {Path(item.path).name: item.group for item in items}
    return [(kinds[path], groups.get(Path(path).name) or group_of(path)) for path in paths]


def sample_verdicts(known: np.ndarray, embed: np.ndarray, groups: list[str]) -> np.ndarray:
    """Log-odds [N] of views with `embed` [N, 512], learnt from `known` [M, 512]: the mean of five regressions, of which
    a view of a group of the sample asks only the one that did not see this group."""
    items = load_items(DatasetRoot.at(REPOSITORY / "dataset"), "train")
    labels, sources = np.array([item.label for item in items]), np.array([item.group for item in items])
    odds, asked = np.zeros((FOLDS, len(embed))), np.ones((FOLDS, len(embed)), bool)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(known, labels, sources)
    for k, (seen, _) in enumerate(folds):
        odds[k] = regression(SAMPLE_STRENGTH).fit(known[seen], labels[seen]).decision_function(embed)
        asked[k] = ~np.isin(groups, sources[seen])
    return (odds * asked).sum(0) / asked.sum(0)


def shared_verdicts(embed: np.ndarray, kinds: list[str]) -> np.ndarray:
    """Log-odds [N] learnt from the views of photographs and of AI images; those of "mostly ai" teach nothing."""
    kinds = np.array(kinds)
    sure = kinds != "mostly ai"
    return regression(SHARED_STRENGTH).fit(embed[sure], kinds[sure] == "ai").decision_function(embed)


def verdicts(known: np.ndarray, embed: np.ndarray, pictures: list[tuple[str, str]]) -> np.ndarray:
    """Float32 [N, 2], each column with mean 0 and deviation 1. `pictures`: (kind, group) of each view's picture."""
    embed = embed.astype(np.float32)
    columns = [sample_verdicts(known, embed, [group for _, group in pictures])]
    columns.append(shared_verdicts(embed, [kind for kind, _ in pictures]))
    odds = np.stack(columns, 1).astype(np.float32)
    return (odds - odds.mean(0)) / odds.std(0)
