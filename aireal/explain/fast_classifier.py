"""The classifier for perturbed versions of a picture: in the fastest floating point, or in 8-bit integers where they are close enough.

LIME and the occlusion tests ask about hundreds of versions of one picture. Verdicts, probabilities and heatmaps never come from here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aireal.classifier.data import to_batch
from aireal.classifier.quantized import QuantizedClassifier, made_for
from aireal.explain.lime.lime_image import PredictKept
from aireal.explain.lime.perturb import mean_filled, perturb_on_device
from aireal.explain.lime.sampling import independent_masks

from .predictor import Predictor

QUANTIZED_FILE = "int8.onnx"  # beside the classifier's weights, where `prepare_quantized` found it worth it
TRIAL_VERSIONS = 16  # of each picture, on which the 8-bit classifier has to be close enough
# the 8-bit error's standard deviation over that of the probabilities: 1% of their variance, where a linear surrogate leaves far
# more unexplained
CLOSE_ENOUGH = 0.1


@dataclass(frozen=True, eq=False)
class Classify:
    """P(fake) float32 [B] of normalised pictures float [B, 3, S, S], as a function."""

    function: Callable[[torch.Tensor], torch.Tensor]
    quantized: bool = False

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return self.function(batch)

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout of batches that the function takes without a copy."""
        return torch.contiguous_format if self.quantized else torch.channels_last


class FastClassifier:
    """The ways to classify versions of pictures, and the choice between them.

    Attributes:
        floating: in the device's fastest floating point.
        quantized: in 8-bit integers; None where they are not prepared for this classifier, processor and runtime, or not worth it.
    """

    def __init__(self, predictor: Predictor):
        self.predictor = predictor
        self.floating = Classify(predictor.predict_fake)
        network = (
            load_quantized(predictor.folder, predictor.config.fingerprint) if predictor.device.type == "cpu" else None
        )
        self.quantized = None if network is None else Classify(lambda batch: predictor.calibrate(network(batch)), True)

    def choose(self, pictures: Sequence[np.ndarray], segments: Sequence[np.ndarray | None]) -> Classify:
        """The fastest way that is close enough for versions of these pictures.

        That is `quantized` where its error, but for a constant a picture, is small beside the effect of masking superpixels. It is
        measured on `TRIAL_VERSIONS` versions of each picture.

        Args:
            pictures: uint8 [S, S, 3] each.
            segments: the superpixels of each, int [S, S]; None for a picture that has none, which takes `floating`.
        """
        if self.quantized is None or any(part is None for part in segments):
            return self.floating
        errors, effects = [], []
        for pixels, part in zip(pictures, segments, strict=True):
            masks = independent_masks(int(part.max()) + 1, TRIAL_VERSIONS, seed=0)
            exact, guess = (self.predict_kept(pixels, part, way)(masks) for way in (self.floating, self.quantized))
            effects.append(exact - exact.mean())
            errors.append(guess - exact - (guess - exact).mean())
        return self.quantized if np.std(errors) <= CLOSE_ENOUGH * np.std(effects) else self.floating

    def predict_kept(self, pixels: np.ndarray, segments: np.ndarray, classify: Classify) -> PredictKept:
        """P(fake) of a picture uint8 [S, S, 3] whose superpixels are masked by their mean colour, as a function of those that are kept."""
        image, filled = self.predictor.tensors(to_batch([pixels, mean_filled(pixels, segments)]))
        return perturb_on_device(classify, image, filled, segments, layout=classify.memory_format)


def load_quantized(folder: Path, fingerprint: str) -> QuantizedClassifier | None:
    """The 8-bit classifier of a folder; None where there is none, or it is of another training, processor or runtime."""
    record = (folder / QUANTIZED_FILE).with_suffix(".json")
    stored = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    usable = stored.items() >= made_for(fingerprint).items() and stored["found"]["used"]
    return QuantizedClassifier(folder / QUANTIZED_FILE) if usable else None
