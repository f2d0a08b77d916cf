"""`python -m aireal dataset audit`: could a classifier tell the classes of this dataset apart without looking at what the pictures show?

Detectors trained on pictures of which only one class had been through JPEG, or had been scaled, learn that instead of fakery
(Grommelt et al. 2024, "Fake or JPEG? Revealing Common Biases in Generated Image Detection Datasets", arXiv 2403.17608). So small
classifiers are given nothing but such cheap features, a family at a time; what they reach, any network may reach by cheating.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from aireal import LABELS
from aireal.config import DatasetRoot
from aireal.core.imagefile import ImageError, read_bytes
from aireal.core.statistics import auroc, bootstrap
from aireal.dataset.check import CheckReport, check
from aireal.dataset.manifest import Item, load_items

from .features import extract
from .findings import verdict

SUSPECT = 0.6  # a family is suspected if the lower end of its AUROC's 95% interval is above this
FOLDS, REPEATS = (
    5,
    3,
)  # one way of cutting folds moves the AUROC of some hundred pictures by 0.03, so three are averaged
TELLING = 3  # features named of a family
DIFFERENT = 0.1  # share of pictures that would have to change their value for the classes to be alike in it


def audit(data: DatasetRoot, limit: int | None = 2000, seed: int = 7, duplicates: bool = True) -> dict:
    """Score each family of cheap features, and all together, on telling the classes apart, and say in words what was found.

    Every score is out of fold (5 folds, no source in two, the mean of three ways to cut them), with a 95% interval from a bootstrap over
    sources. All splits but `proposal` are pooled: what is judged is the dataset, and nothing is chosen by it.

    Args:
        limit: images of a class that are read, drawn so that every source gives one before any gives two; None reads all.
            Time grows with it (about 10 ms an image of 256 px, a minute or two in all for 2 × 2,000); memory by 21 kB an image.
        duplicates: also run `check` on the whole root, which decodes every file once, for near-duplicates and sources in several splits.

    Returns:
        JSON-ready: "families" and "together" with "auroc" {"value", "low", "high"} and "suspected", "values" in which the classes
        differ, "threshold" (`SUSPECT`), "sources", "leaks", "problems", "left_out" (path and reason of files that cannot be read), "notes", "suspected"
        (names of families; "together" where only all of them reach it), and the "verdict" in one paragraph.

    Raises:
        ValueError: no images, `limit` below 5, or fewer than 5 sources of a class.
    """
    if limit is not None and limit < FOLDS:
        raise ValueError(f"a limit of {limit} images a class is too few to judge by: give at least {FOLDS}, better 200")
    every = [i for i in load_items(data) if i.split != "proposal"]
    checked = (
        check(data)
        if duplicates
        else CheckReport(every, notes=["near-duplicates and sources in several splits were not looked for"])
    )
    items, notes = _with_sources(every, data.manifest.exists())
    drawn = sample_items(items, limit, seed)
    if len(drawn) < len(items):
        notes.append(
            f"a sample was read: {len(drawn)} of {len(items)} images, at most {limit} of a class, drawn over sources with seed {seed}"
        )
    used, table, names, facts, left_out = _read(data, drawn)
    _enough(used)
    labels, groups = np.array([i.label for i in used]), [i.group for i in used]
    families, together = _score(table, names, labels, groups, seed)
    report = {
        "seed": seed,
        "limit": limit,
        "threshold": SUSPECT,
        "images": _count(used),
        "sources_read": {name: len({i.group for i in used if i.label == k}) for k, name in enumerate(LABELS)},
        "families": families,
        "together": together,
        "values": _values(facts, labels),
        "sources": _sources(every),
        "leaks": checked.leaks,
        "problems": checked.problems,
        "left_out": left_out,
        "notes": notes + checked.notes,
        "suspected": [name for name, found in families.items() if found["suspected"]]
        or ["together"] * together["suspected"],
    }
    return {**report, "verdict": verdict(report)}


def sample_items(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    """At most `limit` items of each class, in their order: sources shuffled by `seed`, each giving one picture before any gives two."""
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    for label in (0, 1):
        groups: dict[str, list[int]] = defaultdict(list)
        for index in rng.permutation([k for k, i in enumerate(items) if i.label == label]).tolist():
            groups[items[index].group].append(index)
        turns = [
            (turn, place, index) for place, members in enumerate(groups.values()) for turn, index in enumerate(members)
        ]
        chosen.update(index for _, _, index in sorted(turns)[:limit])
    return [items[k] for k in sorted(chosen)]


def _with_sources(items: list[Item], manifest: bool) -> tuple[list[Item], list[str]]:
    """Without a manifest, sources are guessed from file names; where that finds next to none, each file is its own."""
    counts = [len({i.group for i in items if i.label == label}) for label in (0, 1)]
    if manifest or min(counts) >= FOLDS or not all(counts):
        return items, []
    return [replace(i, group=i.path) for i in items], [
        "the file names do not tell sources apart, so each file counts as a source of its own: if several show the same scene, the intervals are too narrow"
    ]


def _enough(items: list[Item]) -> None:
    for label, name in enumerate(LABELS):
        found = len({i.group for i in items if i.label == label})
        if found < FOLDS:
            raise ValueError(
                f"{name} has {found} sources with images that can be read; an audit needs at least {FOLDS} of each class"
            )


def _read(
    data: DatasetRoot, items: list[Item]
) -> tuple[list[Item], dict[str, np.ndarray], dict[str, list[str]], list[dict[str, str]], list[dict]]:
    """The items that can be read, their features {family: float32 [N, D]} and names, what is told of each, and the rest with reasons."""

    def one(item: Item):
        try:
            return item, extract(read_bytes(data.root / item.path)), None
        except ImageError as error:
            return item, None, str(error)

    used, facts, left_out, rows, names = [], [], [], defaultdict(list), {}
    with ThreadPoolExecutor() as pool:
        for item, found, reason in tqdm(pool.map(one, items), "reading", len(items), unit="image", delay=2):
            if found is None:
                left_out.append({"path": item.path, "reason": reason})
                continue
            used.append(item)
            facts.append(found[1])
            for family, features in found[0].items():
                names.setdefault(family, list(features))
                rows[family].append(np.fromiter(features.values(), np.float32))
    return used, {family: np.stack(r) for family, r in rows.items()}, names, facts, left_out


def _classifier(family: str, features: int, seed: int) -> ClassifierMixin:
    """For a handful of numbers, trees, which find thresholds and odd values (Geurts et al. 2006, "Extremely Randomized Trees"). For
    the overlay, a line through the 32 places that differ most: a mark shifts the mean of a place, while trees would also see
    how busy a place is, which is what pictures show."""
    if family == "overlay":
        return make_pipeline(
            SelectKBest(_shift, k=min(32, features)),
            StandardScaler(),
            LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced"),
        )
    return ExtraTreesClassifier(20, min_samples_leaf=2, class_weight="balanced", random_state=seed)


def _shift(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Difference of the classes' means in standard deviations [D]: the order of an F-test, without its fault on constant places."""
    return np.abs(features[labels == 1].mean(0) - features[labels == 0].mean(0)) / (features.std(0) + 1e-6)


def _score(
    table: dict[str, np.ndarray], names: dict[str, list[str]], labels: np.ndarray, groups: list[str], seed: int
) -> tuple[dict, dict]:
    cuts = [
        list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed + k).split(labels, labels, groups))
        for k in range(REPEATS)
    ]
    scores, families = {}, {}
    for family, features in tqdm(table.items(), "scoring", unit="family", delay=2):
        varying = np.ptp(features, axis=0) > 0
        scores[family] = np.full(len(labels), 0.5)
        if varying.any():
            model = _classifier(family, int(varying.sum()), seed)
            scores[family] = np.mean(
                [
                    cross_val_predict(model, features[:, varying], labels, cv=cut, method="predict_proba")[:, 1]
                    for cut in cuts
                ],
                axis=0,
            )
        families[family] = {
            "features": len(varying),
            "varying": int(varying.sum()),
            "telling": _telling(features, names[family], labels),
        }
    # all together: the mean of the families' log-odds, which needs no further fitting and lets a certain family outvote unsure ones
    clipped = np.clip(
        np.stack([s for f, s in scores.items() if families[f]["varying"]] or [np.full(len(labels), 0.5)]), 0.01, 0.99
    )
    scores["together"] = np.log(clipped / (1 - clipped)).mean(0)
    columns = np.stack(list(scores.values()))
    found = bootstrap(
        lambda index: dict(zip(scores, auroc(columns[:, index], labels[index]).tolist())), labels, groups, seed
    )
    result = {
        name: {"auroc": found[name], "suspected": found[name]["low"] > SUSPECT, **families.get(name, {})}
        for name in scores
    }
    return {name: result[name] for name in families}, result["together"]


def _telling(features: np.ndarray, names: list[str], labels: np.ndarray) -> list[dict]:
    """The features whose values alone order the classes best; yes-or-no ones with their shares, numbers with their medians."""
    found = []
    alone = np.concatenate(
        [auroc(features[:, k : k + 256].T, labels) for k in range(0, features.shape[1], 256)]
    )  # in parts: ranks take 8 times the memory
    for k in np.argsort(-np.abs(alone - 0.5), kind="stable")[:TELLING]:
        if alone[k] != 0.5:
            share = set(np.unique(features[:, k])) <= {0, 1}
            middle = [float((np.mean if share else np.median)(features[labels == label, k])) for label in (0, 1)]
            found.append(
                {
                    "feature": names[k],
                    "auroc": round(float(alone[k]), 4),
                    "kind": "share" if share else "median",
                    **{name: float(f"{v:.4g}") for name, v in zip(LABELS, middle)},
                }
            )
    return found


def _values(facts: list[dict[str, str]], labels: np.ndarray) -> list[dict]:
    """Exact values (format, quality, size ...) that one class has more often than the other, the largest difference first. Values
    that hardly repeat are passed over: two classes of arbitrary sizes never share many."""
    found = []
    for fact in dict.fromkeys(name for f in facts for name in f):
        counts = [Counter(f[fact] for f, label in zip(facts, labels) if label == k and fact in f) for k in (0, 1)]
        shares = [{v: c / int((labels == k).sum()) for v, c in counts[k].most_common()} for k in (0, 1)]
        gap = max(sum(max(0.0, a[v] - b.get(v, 0.0)) for v in a) for a, b in (shares, shares[::-1]))
        if gap >= DIFFERENT and max(max(s.values(), default=0) for s in shares) >= 0.2:
            top = [{v: round(s, 4) for v, s in list(share.items())[:5]} for share in shares]
            found.append({"fact": fact, "difference": round(gap, 4), **dict(zip(LABELS, top))})
    return sorted(found, key=lambda f: -f["difference"])


def _count(items: list[Item]) -> dict[str, int]:
    return {name: sum(i.label == label for i in items) for label, name in enumerate(LABELS)}


def _sources(items: list[Item]) -> dict:
    """Images and sources of each split and class, and the images of each package and generator (the 50 largest) in each class."""
    splits = {
        split: {
            name: {"images": len(own), "sources": len({i.group for i in own})}
            for label, name in enumerate(LABELS)
            for own in [[i for i in items if i.split == split and i.label == label]]
        }
        for split in dict.fromkeys(i.split for i in items)
    }
    tables, classes = {}, defaultdict(set)
    for item in items:
        classes[item.package].add(item.label)
    for column in ("package", "generator"):
        cells = Counter((getattr(i, column), i.split, i.label) for i in items if getattr(i, column))
        totals = Counter(getattr(i, column) for i in items if getattr(i, column))
        tables[column] = {
            value: {split: [cells[value, split, label] for label in (0, 1)] for split in splits}
            for value, _ in totals.most_common(50)
        }
    return {
        "splits": splits,
        "packages": tables["package"],
        "generators": tables["generator"],
        "packages_of_both_classes": sum(len(found) == 2 for package, found in classes.items() if package),
    }
