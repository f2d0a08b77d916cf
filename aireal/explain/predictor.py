"""Verdict, number and heatmap of pictures, with a trained classifier."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aireal.classifier.calibration import uncertain
from aireal.classifier.data import normalise, to_tensor
from aireal.classifier.metrics import calibrated
from aireal.classifier.model import load
from aireal.classifier.quantized import QuantizedClassifier, made_for
from aireal.core.device import autocast, best_device
from aireal.core.imagefile import square
from aireal.evidence.cues import make_record
from aireal.evidence.record import EvidenceRecord, verdict
from aireal.explain.lime.explain import Hide, PredictKept
from aireal.explain.lime.perturb import perturb_on_device
from aireal.explain.lime.sampling import independent_masks
from aireal.explain.lime.superpixels import mean_filled, superpixels

from .gradcam import Heatmaps

CHOICE = "heatmap.json"  # beside the classifier's weights
INT8 = "int8.onnx"  # likewise, where `int8.prepare_int8` has found it worth it
TRIAL = 16  # versions of a picture on which the 8-bit classifier has to show that it is close enough
CLOSE = 0.1  # its error in standard deviations of the probabilities: 1% of their variance, where a linear surrogate leaves far more unexplained

Classify = Callable[[torch.Tensor], torch.Tensor]  # normalised float [B, 3, S, S] → P(fake) float32 [B]


@dataclass(frozen=True)
class Prediction:
    """One picture as the classifier saw it: uint8 [S, S, 3], P(fake) after calibration, Grad-CAM float32 [S, S] in 0..1 of the
    verdict's class, and the record of all that."""

    pixels: np.ndarray
    probability_fake: float
    heatmap: np.ndarray
    record: EvidenceRecord


class Predictor:
    """A trained classifier with its Grad-CAM hooks; use it in a `with`.

    Numbers and heatmaps come from full precision; only the many versions of a picture with hidden parts that LIME and the figures of faithfulness ask
    about are classified in the fast one, or in 8-bit integers where that is close enough for the picture (`versions_of`). `method` and `layer` of the
    heatmap are those that notebook 04 chose for this classifier, Grad-CAM on the last layer where it has not.
    """

    def __init__(self, folder: Path, device: torch.device | None = None):
        self.device = device or best_device()
        self.model, self.config = load(folder, self.device)
        self.size = self.config.image_size
        self._normalise = normalise(self.config)
        self.method, self.layer = chosen_heatmap(folder, self.config.fingerprint)
        self._heatmaps = Heatmaps(self.model, self.size, self.method, self.layer)
        self._int8 = load_quantized(folder, self.config.fingerprint) if self.device.type == "cpu" else None

    def __enter__(self) -> Predictor:
        self._heatmaps.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._heatmaps.__exit__(*error)

    def tensors(self, pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
        return self._normalise(torch.as_tensor(pixels)).to(self.device, memory_format=torch.channels_last)

    def calibrated(self, logits: torch.Tensor) -> torch.Tensor:
        """P(fake) [B] of logits [B, 2]."""
        return torch.as_tensor(calibrated(logits, self.config.temperature, self.config.bias))

    @torch.inference_mode()
    def predict_fake(self, batch: torch.Tensor) -> torch.Tensor:
        """P(fake) float32 [B] after calibration of normalised pictures float [B, 3, S, S], in the fastest precision of the hardware."""
        with autocast(self.device):
            logits = self.model(batch.to(self.device).contiguous(memory_format=torch.channels_last))
        return self.calibrated(logits)

    def predict_fake_quantized(self, batch: torch.Tensor) -> torch.Tensor:
        """`fake_of` by the 8-bit classifier."""
        return self.calibrated(self._int8(batch))

    def versions_of(self, pictures: Sequence[np.ndarray]) -> Classify:
        """The fastest way that is close enough to `fake_of` for versions of these pictures, uint8 [S, S, 3], with parts hidden.

        That is `int8_of` where its error, but for a constant a picture, is small beside what hiding does to the pictures. It is asked of `TRIAL` versions of
        each, in which random superpixels have their mean colour; it is not close where a verdict hardly moves. A flat picture has no superpixels.
        """
        if self._int8 is None:
            return self.predict_fake
        errors, effects = [], []
        for pixels in pictures:
            try:
                segments = superpixels(pixels)
            except ValueError:
                return self.predict_fake
            trial = independent_masks(int(segments.max()) + 1, TRIAL, seed=0)
            known, guess = (
                self.hiding(pixels, segments, classify)(trial)
                for classify in (self.predict_fake, self.predict_fake_quantized)
            )
            effects.append(known - known.mean())
            errors.append(guess - known - (guess - known).mean())
        return self.predict_fake_quantized if np.std(errors) <= CLOSE * np.std(effects) else self.predict_fake

    def hide(self, pixels: np.ndarray, classify: Classify | None = None) -> Hide:
        """For `lime.explain`: P(fake) of the picture uint8 [S, S, 3] with superpixels hidden behind their mean colour, by `classify` or
        else by the fastest way that is close enough."""
        return lambda segments: self.hiding(pixels, segments, classify or self.versions_of([pixels]))

    def hiding(self, pixels: np.ndarray, segments: np.ndarray, classify: Classify) -> PredictKept:
        """P(fake) of the picture's versions by that way."""
        both = self.tensors(np.stack([pixels, mean_filled(pixels, segments)]).transpose(0, 3, 1, 2).copy())
        return perturb_on_device(
            classify,
            *both,
            segments,
            layout=torch.contiguous_format if classify == self.predict_fake_quantized else torch.channels_last,
        )

    def look(self, names: list[str], images: list[Image.Image]) -> list[Prediction]:
        """Verdict, heatmap and record of RGB pictures of any size, in one batch; the largest centred square is what is seen."""
        squares = [square(image, self.size) for image in images]
        batch = self.tensors(torch.stack([to_tensor(s) for s in squares]))
        maps, logits = self._heatmaps.of_verdicts(
            batch, lambda logits: int(verdict(self.calibrated(logits[None]).item())[0] == "fake")
        )
        fake = self.calibrated(logits).numpy()
        seen = []
        for name, image, p, heat in zip(names, squares, fake, maps):
            pixels = np.asarray(image)
            seen.append(
                Prediction(
                    pixels,
                    float(p),
                    heat,
                    make_record(name, pixels, float(p), heat, uncertain=uncertain(p, self.config.uncertain_below)),
                )
            )
        return seen


def load_quantized(folder: Path, fingerprint: str) -> QuantizedClassifier | None:
    """The 8-bit classifier of the folder; None where there is none, or it is of another training, processor or runtime."""
    record = (folder / INT8).with_suffix(".json")
    stored = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    return (
        QuantizedClassifier(folder / INT8)
        if stored.items() >= made_for(fingerprint).items() and stored["found"]["used"]
        else None
    )


def chosen_heatmap(folder: Path, fingerprint: str) -> tuple[str, str]:
    """Method and layer of heatmaps that were chosen for the classifier in the folder (`measure.choose_heatmap`); a choice that was made for
    another training is left out, and Grad-CAM on the last layer taken."""
    path = folder / CHOICE
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return (stored["method"], stored["layer"]) if stored.get("fingerprint") == fingerprint else ("gradcam", "")
