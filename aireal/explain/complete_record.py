"""Completion of an evidence record: LIME's list, its agreement with the heatmap, and the occlusion tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aireal.evidence.record import EvidenceRecord
from aireal.explain.faithfulness.agreement import chance_iou, contradicts_peak, heatmap_lime_iou
from aireal.explain.faithfulness.occlusion import occlusion_test, region_mask
from aireal.explain.lime.lime_image import ReportProgress

from . import lime
from .working_picture import WorkingPicture

# raise it when a record's measurements are computed otherwise: stored ones are then made anew
MEASURES = 3


@dataclass(frozen=True)
class CompletedRecord:
    """The record of one picture and LIME's result.

    Attributes:
        lime: None where LIME was not asked for or could not run.
        note: why LIME could not run; empty otherwise.
    """

    record: EvidenceRecord
    lime: lime.LimeResult | None = None
    note: str = ""


def complete_record(picture: WorkingPicture, samples: int, progress: ReportProgress | None = None) -> CompletedRecord:
    """The record with every measurement that the picture allows.

    Args:
        samples: the largest number of samples that LIME may draw; 0 leaves LIME out.
        progress: as in `lime.explain`.
    """
    record = measure_region(picture)
    return add_lime(picture, record, samples, progress) if samples else CompletedRecord(record)


def measure_region(picture: WorkingPicture) -> EvidenceRecord:
    """The record of the prediction, with the occlusion test of the region that it names, if it names one."""
    record = picture.prediction.record
    if record.region is None:
        return record
    region = region_mask(record.region, len(picture.pixels))
    test = occlusion_test(picture.classify, picture.tensor, region, picture.label, picture.seed)
    return replace(record, region_removal=test)


def add_lime(
    picture: WorkingPicture, record: EvidenceRecord, samples: int, progress: ReportProgress | None = None
) -> CompletedRecord:
    """The record with LIME's list, its agreement with the heatmap, and the occlusion test of LIME's superpixels.

    The test masks the superpixels that support the verdict most (`supporting`). A picture that LIME cannot explain
    keeps its record, with a note. Arguments are as for `complete_record`.
    """
    try:
        segments = picture.segments
        result = lime.explain(picture.pixels, picture.predict_kept, samples, picture.seed, progress, segments)
    except ValueError as error:  # verdict and heatmap are valid without LIME
        return CompletedRecord(record, note=str(error))
    record = replace(
        record, lime=result.top, lime_r2=round(result.r2, 4), lime_samples=result.samples, lime_settled=result.settled
    )
    if picture.heatmap is not None:
        weighed = (segments, result.features, picture.label)
        agreement, chance = (round(iou(picture.heatmap, *weighed), 4) for iou in (heatmap_lime_iou, chance_iou))
        record = replace(record, agreement=agreement, agreement_chance=chance)
        record = replace(record, peak_contradicted=contradicts_peak(record.peak, *weighed))
    mask = np.isin(segments, supporting(result, picture.label))
    if mask.any():
        test = occlusion_test(picture.classify, picture.tensor, mask, picture.label, picture.seed)
        record = replace(record, lime_removal=test)
    return CompletedRecord(record, result)


def supporting(result: lime.LimeResult, label: int) -> list[int]:
    """Numbers of the superpixels that support the verdict most by LIME's weights: five, or fewer if fewer support it.

    They need not be the five strongest superpixels of `result.top`, which may also contradict the verdict.

    Args:
        label: the verdict, 0 real or 1 fake.
    """
    for_verdict = [f.superpixel for f in result.features if f.weight and (f.weight > 0) == (label == 1)]
    return for_verdict[: len(result.top)]
