"""The classifier for perturbed versions of a picture.

It computes in the device's fastest floating point, or in 8-bit integers where they are close enough. LIME and the
occlusion tests classify hundreds of versions of one picture. Verdicts, their probabilities and heatmaps never come from
this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aireal.classifier.data import to_batch
from aireal.classifier.quantized import QuantizedClassifier, made_for
from aireal.core.json_text import read_object
from aireal.explain.lime.lime_image import PredictKept
from aireal.explain.lime.perturb import mean_filled, perturb_on_device
from aireal.explain.lime.sampling import independent_masks

from .predictor import Predictor

QUANTIZED_FILE = "int8.onnx"  # beside the classifier's weights, where `prepare_quantized` keeps it
TRIAL_VERSIONS = 16  # of each picture: the 8-bit classifier has to be close enough on them
# The largest standard deviation of the 8-bit error, as a share of that of the probabilities. It is 1% of their
# variance, and a linear surrogate leaves far more unexplained.
CLOSE_ENOUGH = 0.1


@dataclass(frozen=True, eq=False)
class Classify:
    """A function from normalised pictures float [B, 3, S, S] to P(fake) float32 [B].

    Attributes:
        quantized: whether it computes in 8-bit integers.
    """

    function: Callable[[torch.Tensor], torch.Tensor]
    quantized: bool = False

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return self.function(batch)

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory format of batches that the function takes without a copy."""
        return torch.contiguous_format if self.quantized else torch.channels_last


class FastClassifier:
    """The two classifiers of perturbed versions, and the choice between them.

    Attributes:
        floating: computes in the device's fastest floating point.
        quantized: computes in 8-bit integers; None where it is too slow, or not prepared for this classifier, processor
            and runtime.
    """

    def __init__(self, predictor: Predictor):
        self.predictor = predictor
        self.floating = Classify(predictor.predict_fake)
        network = (
            load_quantized(predictor.folder, predictor.config.fingerprint) if predictor.device.type == "cpu" else None
        )
        self.quantized = None if network is None else Classify(lambda batch: predictor.calibrate(network(batch)), True)

    def choose(self, pictures: Sequence[np.ndarray], segments: Sequence[np.ndarray | None]) -> Classify:
        """The fastest classifier that is close enough for versions of these pictures.

        `quantized` is close enough if its error is small beside the effect of masking superpixels. The error is taken
        without its mean over a picture, since a constant changes no difference between versions. Both are measured on
        `TRIAL_VERSIONS` versions of each picture.

        Args:
            pictures: uint8 [S, S, 3] each.
            segments: the superpixels of each picture, int [S, S], or None for a picture that has none; with such a
                picture the choice is `floating`.
        """
        if self.quantized is None or any(labels is None for labels in segments):
            return self.floating
        errors, effects = [], []
        for pixels, labels in zip(pictures, segments, strict=True):
            masks = independent_masks(int(labels.max()) + 1, TRIAL_VERSIONS, seed=0)
            exact, approximate = (
                self.predict_kept(pixels, labels, classify)(masks) for classify in (self.floating, self.quantized)
            )
            error = approximate - exact
            effects.append(exact - exact.mean())
            errors.append(error - error.mean())
        return self.quantized if np.std(errors) <= CLOSE_ENOUGH * np.std(effects) else self.floating

    def predict_kept(self, pixels: np.ndarray, segments: np.ndarray, classify: Classify) -> PredictKept:
        """P(fake) of a picture as a function of the superpixels that are kept; the others take their mean colour.

        Args:
            pixels: uint8 [S, S, 3].
            segments: int [S, S], the superpixels.
        """
        image, filled = self.predictor.tensors(to_batch([pixels, mean_filled(pixels, segments)]))
        return perturb_on_device(classify, image, filled, segments, layout=classify.memory_format)


def load_quantized(folder: Path, fingerprint: str) -> QuantizedClassifier | None:
    """The 8-bit classifier of a folder.

    None if it was not prepared for the same training, processor and runtime, or is too slow.
    """
    record = (folder / QUANTIZED_FILE).with_suffix(".json")
    stored = read_quantized_record(record)
    usable = stored.items() >= made_for(fingerprint).items() and stored["found"]["used"]
    return QuantizedClassifier(folder / QUANTIZED_FILE) if usable else None


def read_quantized_record(path: Path) -> dict:
    """What the record of an 8-bit classifier says of it; empty where there is none.

    Raises:
        ValueError: the record is damaged.
    """
    fields = {"found": {"used": bool}}
    return read_object(path, "Delete it; the 8-bit classifier is then made again.", fields) if path.exists() else {}
