"""Summary of the explanations of a test set, with 95% intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aireal.core.statistics import bootstrap, grouped_rate
from aireal.evidence.record import CLASSES, EvidenceRecord, Occlusion

# field of the record by area: the cell that the heatmap names, and the superpixels that support the verdict most
AREAS = {"region": "region_removal", "lime": "lime_removal"}


def summarise(records: Sequence[EvidenceRecord], groups: Sequence[str], seed: int) -> dict:
    """Agreement of both explanations, and the occlusion tests of their areas, for all pictures and for each verdict.

    Args:
        groups: the sources of the pictures, for the bootstrap.

    Returns:
        {"all" | "real" | "fake": {"n", "agreement", "contradicted", "region", "lime"}}; a part is None where nothing
        was measured.

        "agreement" is {"n", "value", "low", "high", "chance"}. "contradicted" is {"n", "value", "low", "high"}, the
        share of pictures in which LIME counts the heatmap's peak as evidence against it. "region" and "lime" are {"n",
        "drop", "random", "excess", "beats", "beats_by_chance"}, with intervals:

        - "drop" and "random": drops of P(verdict) when the area and when random areas are masked;
        - "excess": drop less random;
        - "beats": mean share of random areas that matter less; by chance it is "beats_by_chance", 0.5.
    """
    parts = {"all": range(len(records))} | {
        label: [k for k, record in enumerate(records) if record.label == label] for label in CLASSES
    }
    return {
        name: {
            "n": len(index),
            "agreement": _agreement(records, groups, seed, index),
            "contradicted": _contradicted(records, groups, index),
            **{area: _occlusion(records, groups, seed, field, index) for area, field in AREAS.items()},
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
    estimates = _means({"agreement": values}, groups, seed, measured)
    return {"n": len(measured), **estimates["agreement"], "chance": round(float(by_chance), 4)}


def _contradicted(records: Sequence[EvidenceRecord], groups: Sequence[str], index: Sequence[int]) -> dict | None:
    measured = [k for k in index if records[k].peak_contradicted is not None]
    if not measured:
        return None
    share = grouped_rate([records[k].peak_contradicted for k in measured], [groups[k] for k in measured])
    return {"n": len(measured), **share}


def _occlusion(
    records: Sequence[EvidenceRecord], groups: Sequence[str], seed: int, field: str, index: Sequence[int]
) -> dict | None:
    measured = [k for k in index if getattr(records[k], field) is not None]
    if not measured:
        return None
    tests: list[Occlusion] = [getattr(records[k], field) for k in measured]
    drop, random, beats = (np.array([getattr(test, name) for test in tests]) for name in ("drop", "random", "beats"))
    values = {"drop": drop, "random": random, "excess": drop - random, "beats": beats}
    return {"n": len(measured), **_means(values, groups, seed, measured), "beats_by_chance": 0.5}


def _means(values: dict[str, np.ndarray], groups: Sequence[str], seed: int, measured: list[int]) -> dict[str, dict]:
    """Means with bootstrap intervals of values that were measured for the pictures `measured`."""
    one_class = np.zeros(len(measured), int)  # a source may have pictures of both verdicts, and is drawn as a whole
    sources = [groups[k] for k in measured]
    return bootstrap(lambda index: {name: v[index].mean() for name, v in values.items()}, one_class, sources, seed)
