"""Prepare the 8-bit classifier that LIME may ask, where it is worth it on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import torch

from aireal.classifier.quantized import QuantizedClassifier, made_for, quantize
from aireal.core.device import precision
from aireal.core.files import write_json
from aireal.core.imagefile import open_rgb, square
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items
from aireal.explain.lime.perturb import mean_filled, superpixels
from aireal.explain.lime.sampling import independent_masks

from .predictor import INT8, Predictor

PICTURES = 8  # validation pictures of each class: every second one gives the ranges, on the others it is tried
VERSIONS = 4  # of each picture, with superpixels hidden
WORTH = 1.2  # times as fast as the hardware's fastest floating point; for less it is not worth its error


def prepare_quantized(run: Run) -> dict:
    """Quantise the root's classifier and keep it beside its weights if it is at least `WORTH` times as fast on this machine. What was found is kept,
    too, and not looked for again for the same classifier, processor and runtime.

    Returns:
        {"used", "speedup", "floating" (the precision it is compared with), and of P(fake) on pictures that gave no ranges: "largest_difference",
        "mean_difference", "spread" (its standard deviation)}; {"used": False, "why"} where it was not tried.
    """
    if run.device.type != "cpu":
        return {"used": False, "why": f"{run.device.type} computes in {precision(run.device)}"}
    record = (run.data.model / INT8).with_suffix(".json")
    with Predictor(run.data.model, run.device) as predictor:
        key = made_for(predictor.config.fingerprint)
        known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        if known.items() >= key.items():
            return known["found"]
        found = _try(run, predictor)
    if not found["used"]:
        (run.data.model / INT8).unlink(missing_ok=True)
    write_json(record, key | {"found": found})
    return found


def _try(run: Run, predictor: Predictor) -> dict:
    pictures = [
        found
        for item in load_items(run.data, "val", PICTURES)
        if (found := _versions(run, predictor, item)) is not None
    ]
    if len(pictures) < 2:
        return {"used": False, "why": "there are too few validation pictures"}
    known, others = torch.cat(pictures[::2]), torch.cat(pictures[1::2])
    eight = QuantizedClassifier(quantize(predictor.model, known, run.data.model / INT8))
    ways: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "floating": predictor.predict_fake,
        "int8": lambda batch: predictor.calibrated(eight(batch)),
    }
    fake, seconds = {}, {}
    for name, way in ways.items():
        way(others)  # the first call allocates
        began = time.perf_counter()
        fake[name] = way(others).double()
        seconds[name] = time.perf_counter() - began
    gap, speedup = (fake["int8"] - fake["floating"]).abs(), seconds["floating"] / seconds["int8"]
    return {
        "used": speedup >= WORTH,
        "speedup": round(speedup, 2),
        "floating": precision(run.device).replace("no", "fp32"),
        "largest_difference": round(float(gap.max()), 4),
        "mean_difference": round(float(gap.mean()), 4),
        "spread": round(float(fake["floating"].std()), 4),
    }


def _versions(run: Run, predictor: Predictor, item: Item) -> torch.Tensor | None:
    """A picture, whole and with superpixels hidden, as LIME asks about it: normalised float [VERSIONS, 3, S, S]; None for one that LIME leaves out."""
    pixels = np.asarray(square(open_rgb(run.data.root / item.path), predictor.size))
    try:
        segments = superpixels(pixels)
    except ValueError:
        return None
    kept = independent_masks(int(segments.max()) + 1, VERSIONS, run.seed)[:, segments]
    return predictor.tensors(
        np.where(kept[..., None], pixels, mean_filled(pixels, segments)).transpose(0, 3, 1, 2).copy()
    )
