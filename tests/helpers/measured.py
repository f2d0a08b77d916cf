"""Records with measured explanations, as a test set's evaluation leaves them."""

from __future__ import annotations

import numpy as np

from aireal.evidence.cues import make_record
from aireal.evidence.record import EvidenceRecord, Occlusion


def record(k: int, fake: float, **measured) -> EvidenceRecord:
    heat = np.zeros((48, 48))
    heat[5, 5] = 1
    return make_record(f"{k}.png", np.full((48, 48, 3), 90, np.uint8), fake, heat, **measured)


def measured_records() -> list[EvidenceRecord]:
    """Eight records; the region of six matters more than random areas, and one has no test of LIME's superpixels."""
    rng, records = np.random.default_rng(0), []
    for k in range(8):
        matters, does_not = Occlusion(0.3 + 0.02 * k, 0.1, 0.0, 0.25, 1.0), Occlusion(0.0, 0.1, 0.0, 0.25, 0.25)
        measured = {
            "agreement": float(rng.uniform(0.05, 0.6)),
            "agreement_chance": 0.13,
            "peak_contradicted": k in (2, 5),
            "region_removal": matters if k < 6 else does_not,
            "lime_removal": Occlusion(0.4, 0.1 + 0.01 * k, 0.0, 0.3, 0.9) if k != 3 else None,
        }
        records.append(record(k, 0.9 if k % 2 else 0.2, **measured))
    return records
