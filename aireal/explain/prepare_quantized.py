"""Preparation of the 8-bit classifier for perturbed pictures, where it is fast enough on this machine."""

from __future__ import annotations

import time

import numpy as np
import torch

from aireal.classifier.data import to_batch
from aireal.classifier.quantized import QuantizedClassifier, made_for, missing_packages, quantize
from aireal.core.device import precision
from aireal.core.files import write_json
from aireal.core.imagefile import square
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items
from aireal.dataset.readable import open_item
from aireal.explain.lime.perturb import mean_filled, superpixels_or_none
from aireal.explain.lime.sampling import independent_masks

from .fast_classifier import QUANTIZED_FILE, Classify, read_quantized_record
from .predictor import Predictor

PICTURES = 8  # validation pictures of each class: every second one calibrates the ranges, the others are the test
VERSIONS = 4  # of each picture, with superpixels masked
LEAST_SPEEDUP = 1.2  # over the device's fastest floating point; a smaller gain is not worth the error


def prepare_quantized(run: Run, least_speedup: float = LEAST_SPEEDUP) -> dict:
    """Quantise the classifier of the dataset root, and keep the file beside its weights if it is fast enough.

    The measurement is stored, too, and not repeated for the same classifier, processor and runtime.

    Args:
        least_speedup: the smallest speedup, over the device's fastest floating point, with which it is kept.

    Returns:
        {"used", "speedup", "floating" (the precision that it is compared with), and for P(fake) of pictures that did
        not calibrate the ranges "largest_difference", "mean_difference" and "spread" (standard deviation of P(fake))};
        {"used": False, "why"} where it was not tried.
    """
    if run.device.type != "cpu":
        return {"used": False, "why": f"{run.device.type} computes in {precision(run.device)}"}
    if missing := missing_packages():
        return {"used": False, "why": f"not installed: {', '.join(missing)} (pip install -r requirements.txt)"}
    path = (run.data.model / QUANTIZED_FILE).with_suffix(".json")
    with Predictor(run.data.model, run.device) as predictor:
        key = made_for(predictor.config.fingerprint)
        stored = read_quantized_record(path)
        if stored.items() >= key.items():
            return stored["found"]
        trial = _try(run, predictor, least_speedup)
    if not trial["used"]:
        (run.data.model / QUANTIZED_FILE).unlink(missing_ok=True)
    write_json(path, key | {"found": trial})
    return trial


def _try(run: Run, predictor: Predictor, least_speedup: float) -> dict:
    versions = [perturbed_versions(run, predictor, item) for item in load_items(run.data, "val", PICTURES)]
    versions = [batch for batch in versions if batch is not None]
    if len(versions) < 2:
        return {"used": False, "why": "there are too few validation pictures"}
    calibration, test = torch.cat(versions[::2]), torch.cat(versions[1::2])
    network = QuantizedClassifier(quantize(predictor.model, calibration, run.data.model / QUANTIZED_FILE))
    exact, exact_seconds = _timed(Classify(predictor.predict_fake), test)
    fast, fast_seconds = _timed(Classify(lambda batch: predictor.calibrate(network(batch)), True), test)
    error, speedup = (fast - exact).abs(), exact_seconds / fast_seconds
    return {
        "used": speedup >= least_speedup,
        "speedup": round(speedup, 2),
        "floating": precision(run.device).replace("no", "fp32"),
        "largest_difference": round(float(error.max()), 4),
        "mean_difference": round(float(error.mean()), 4),
        "spread": round(float(exact.std()), 4),
    }


def _timed(classify: Classify, batch: torch.Tensor) -> tuple[torch.Tensor, float]:
    """P(fake) float64 [B], and the seconds of the second call; the first call allocates memory."""
    classify(batch)
    began = time.perf_counter()
    fake = classify(batch).double()
    return fake, time.perf_counter() - began


def perturbed_versions(run: Run, predictor: Predictor, item: Item) -> torch.Tensor | None:
    """Versions of a picture as LIME classifies them; None for a picture without superpixels.

    They are normalised, float [VERSIONS, 3, S, S]. The first version is the whole picture.
    """
    pixels = np.asarray(square(open_item(run.data.root, item), predictor.size))
    segments = superpixels_or_none(pixels)
    if segments is None:
        return None
    kept = independent_masks(int(segments.max()) + 1, VERSIONS, run.seed)[:, segments]
    return predictor.tensors(to_batch(np.where(kept[..., None], pixels, mean_filled(pixels, segments))))
