"""Score families of cheap features on telling the classes apart."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from aireal.config import LABELS
from aireal.core.statistics import auroc, bootstrap

SUSPECT = 0.6  # a family is suspected if the lower end of its AUROC's 95% interval is above this
FOLDS = 5
REPEATS = 3  # a single partition into folds moves the AUROC of some hundred pictures by 0.03, so three are averaged
N_TELLING = 3  # features listed for a family
RANKED_AT_ONCE = 256  # features; ranking takes 8 times the memory of the features


def score_families(
    features: dict[str, np.ndarray], names: dict[str, list[str]], labels: np.ndarray, groups: list[str], seed: int
) -> tuple[dict, dict]:
    """Out-of-fold AUROC, with a 95% interval over groups, of each family and of all together.

    The score of all together is the mean of the families' log-odds. It needs no further fitting, and lets a certain
    family outvote unsure ones.

    Args:
        features: family → float32 [N, D].
        names: family → names of its D features.
        labels: 0/1 [N]; groups: N names.

    Returns:
        ({family: entry}, entry of all together). An entry has "auroc" and "suspected"; a family's also "features",
        "varying" (numbers of features) and "telling" (`telling_features`).
    """
    folds = [
        list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed + k).split(labels, labels, groups))
        for k in range(REPEATS)
    ]
    scores, families = {}, {}
    for family, values in tqdm(features.items(), "scoring", unit="family", delay=2):
        varying = np.ptp(values, axis=0) > 0
        scores[family] = _out_of_fold(family, values[:, varying], labels, folds, seed)
        families[family] = {
            "features": len(varying),
            "varying": int(varying.sum()),
            "telling": telling_features(values, names[family], labels),
        }
    varying_scores = [score for family, score in scores.items() if families[family]["varying"]]
    scores["together"] = _mean_log_odds(varying_scores or [np.full(len(labels), 0.5)])
    columns = np.stack(list(scores.values()))
    estimates = bootstrap(
        lambda index: dict(zip(scores, auroc(columns[:, index], labels[index]).tolist())), labels, groups, seed
    )
    entries = {
        name: {"auroc": estimates[name], "suspected": estimates[name]["low"] > SUSPECT, **families.get(name, {})}
        for name in scores
    }
    return {name: entries[name] for name in families}, entries["together"]


def _out_of_fold(family: str, values: np.ndarray, labels: np.ndarray, folds: list[list], seed: int) -> np.ndarray:
    """P(fake) [N], the mean over the partitions; 0.5 where no feature varies."""
    if not values.shape[1]:
        return np.full(len(labels), 0.5)
    model = _classifier(family, values.shape[1], seed)
    return np.mean(
        [cross_val_predict(model, values, labels, cv=partition, method="predict_proba")[:, 1] for partition in folds],
        axis=0,
    )


def _mean_log_odds(scores: list[np.ndarray]) -> np.ndarray:
    clipped = np.clip(np.stack(scores), 0.01, 0.99)
    return np.log(clipped / (1 - clipped)).mean(0)


def _classifier(family: str, n_features: int, seed: int) -> ClassifierMixin:
    """Extremely randomised trees, or logistic regression for the overlay.

    Trees (Geurts et al. 2006, "Extremely Randomized Trees") find thresholds and odd values in a handful of numbers.
    The overlay gets a linear model of the 32 places that differ most: a mark shifts the mean of a place, while trees
    would also use how busy a place is, which is content.
    """
    if family == "overlay":
        return make_pipeline(
            SelectKBest(_shift, k=min(32, n_features)),
            StandardScaler(),
            LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced"),
        )
    return ExtraTreesClassifier(20, min_samples_leaf=2, class_weight="balanced", random_state=seed)


def _shift(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Difference of the classes' means in standard deviations [D].

    It ranks as an F-test does, but is defined on constant places.
    """
    return np.abs(features[labels == 1].mean(0) - features[labels == 0].mean(0)) / (features.std(0) + 1e-6)


def telling_features(features: np.ndarray, names: list[str], labels: np.ndarray) -> list[dict]:
    """The features whose values alone order the classes best.

    Returns:
        At most `N_TELLING` of {"feature", "auroc", "kind", and a number for each class}: the share of yes for a
        yes-or-no feature (kind "share"), else the median (kind "median").
    """
    aurocs = np.concatenate(
        [auroc(features[:, k : k + RANKED_AT_ONCE].T, labels) for k in range(0, features.shape[1], RANKED_AT_ONCE)]
    )
    telling = []
    for k in np.argsort(-np.abs(aurocs - 0.5), kind="stable")[:N_TELLING]:
        if aurocs[k] != 0.5:
            binary = set(np.unique(features[:, k])) <= {0, 1}
            centre = [float((np.mean if binary else np.median)(features[labels == label, k])) for label in (0, 1)]
            telling.append(
                {
                    "feature": names[k],
                    "auroc": round(float(aurocs[k]), 4),
                    "kind": "share" if binary else "median",
                    **{name: float(f"{value:.4g}") for name, value in zip(LABELS, centre)},
                }
            )
    return telling
