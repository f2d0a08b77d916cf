"""What the records of a test set say about their explanations, with 95% intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aireal.core.statistics import bootstrap, wilson
from aireal.evidence.record import EvidenceRecord, Occlusion

AREAS = {"region": "region_removal", "lime": "lime_removal"}  # the named cell of the heatmap; LIME's five superpixels


def summarise(records: Sequence[EvidenceRecord], groups: Sequence[str], seed: int) -> dict:
    """Agreement of both explanations and what hiding their areas does: all pictures, verdicts real, verdicts fake.

    Args:
        groups: the pictures' sources, for the bootstrap.

    Returns:
        {"all" | "real" | "fake": {
            "n", "agreement": {"n", "value", "low", "high", "chance"} or None,
            "region" and "lime": None where nothing was measured, or {"n", and with intervals:
                "beats_random" (share of pictures whose area matters more than the mean random one, Wilson's interval), "drop", "random" (falls of P(verdict)),
                "excess" (drop less random), "beats" (mean share of random areas that matter less), "beats_by_chance": 0.5}}}
    """
    parts = {"all": range(len(records))} | {
        label: [k for k, r in enumerate(records) if r.label == label] for label in ("real", "fake")
    }
    return {
        name: {
            "n": len(index),
            "agreement": _agreement(records, groups, seed, index),
            **{area: _removal(records, groups, seed, field, index) for area, field in AREAS.items()},
        }
        for name, index in parts.items()
    }


def _agreement(
    records: Sequence[EvidenceRecord], groups: Sequence[str], seed: int, index: Sequence[int]
) -> dict | None:
    measured = [k for k in index if records[k].agreement is not None]
    if not measured:
        return None
    values = np.array([records[k].agreement for k in measured])
    by_chance = np.mean([records[k].agreement_chance for k in measured])
    found = _means({"agreement": values}, records, groups, seed, measured)
    return {"n": len(measured), **found["agreement"], "chance": round(float(by_chance), 4)}


def _removal(
    records: Sequence[EvidenceRecord], groups: Sequence[str], seed: int, field: str, index: Sequence[int]
) -> dict | None:
    measured = [k for k in index if getattr(records[k], field) is not None]
    if not measured:
        return None
    removals: list[Occlusion] = [getattr(records[k], field) for k in measured]
    drop, random, beats = (np.array([getattr(r, name) for r in removals]) for name in ("drop", "random", "beats"))
    figures = {"drop": drop, "random": random, "excess": drop - random, "beats": beats}
    share = wilson(
        (drop > random).sum(), len(measured)
    )  # a bootstrap of a share that is 1 would know of no other value
    return {
        "n": len(measured),
        "beats_random": share,
        **_means(figures, records, groups, seed, measured),
        "beats_by_chance": 0.5,
    }


def _means(
    figures: dict[str, np.ndarray],
    records: Sequence[EvidenceRecord],
    groups: Sequence[str],
    seed: int,
    measured: list[int],
) -> dict[str, dict]:
    labels, sources = np.array([records[k].label for k in measured]), [groups[k] for k in measured]
    return bootstrap(
        lambda index: {name: values[index].mean() for name, values in figures.items()}, labels, sources, seed
    )
