"""Verdict, probability and heatmap of pictures, by a trained classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aireal.classifier.calibration import uncertain
from aireal.classifier.data import normalise, to_tensor
from aireal.classifier.metrics import calibrated
from aireal.classifier.model import load
from aireal.core.device import autocast, best_device, threads_for
from aireal.core.imagefile import square
from aireal.core.json_text import read_object
from aireal.evidence.cues import make_record
from aireal.evidence.record import EvidenceRecord, verdict

from .gradcam import Heatmaps
from .lime.perturb import one_colour

METHOD_FILE = "heatmap.json"  # beside the classifier's weights; the heatmap method that notebook 04 selected


@dataclass(frozen=True)
class Prediction:
    """The classifier's answer for one picture.

    Attributes:
        pixels: uint8 [S, S, 3], the square that the classifier takes.
        probability_fake: P(fake) after calibration, 0..1.
        heatmap: float32 [S, S] in 0..1, of the verdict's class; None where it would mark no place (see `predict`).
        record: the evidence record of verdict, probability and heatmap.
    """

    pixels: np.ndarray
    probability_fake: float
    heatmap: np.ndarray | None
    record: EvidenceRecord


class Predictor:
    """A trained classifier with its heatmap hooks. Use it in a `with` statement, which removes the hooks.

    Probabilities and heatmaps are computed in float32.

    Attributes:
        method, layer: of the heatmap, as notebook 04 selected them for this classifier; without a selection it is
            Grad-CAM at the last layer ("gradcam" and "").
        size: side of the classifier's pictures in px.
    """

    def __init__(self, folder: Path, device: torch.device | None = None):
        """Load the classifier of a folder.

        Raises:
            ValueError: the folder holds no classifier.
        """
        self.folder, self.device = folder, device or best_device()
        self.model, self.config = load(folder, self.device)
        self.size = self.config.image_size
        self._normalise = normalise(self.config)
        self.method, self.layer = selected_method(folder, self.config.fingerprint)
        self._heatmaps = Heatmaps(self.model, self.size, self.method, self.layer)

    def __enter__(self) -> Predictor:
        self._heatmaps.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._heatmaps.__exit__(*error)

    @property
    def layer_in_use(self) -> str:
        """The heatmap's layer by its name, also where none was selected."""
        return self._heatmaps.layer

    def tensors(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pictures float [B, 3, S, S] on the device, from uint8 [B, 3, S, S]."""
        return self._normalise(pixels).to(self.device, memory_format=torch.channels_last)

    def calibrate(self, logits: torch.Tensor) -> torch.Tensor:
        """Calibrated P(fake) [B] of logits [B, 2]."""
        return torch.as_tensor(calibrated(logits, self.config.temperature, self.config.bias))

    @torch.inference_mode()
    def predict_fake(self, batch: torch.Tensor) -> torch.Tensor:
        """P(fake) float32 [B] of normalised pictures float [B, 3, S, S], in the device's fastest precision."""
        with autocast(self.device), threads_for(len(batch), self.device):
            logits = self.model(batch.to(self.device).contiguous(memory_format=torch.channels_last))
        return self.calibrate(logits)

    def predict(self, names: list[str], images: list[Image.Image]) -> list[Prediction]:
        """Verdict, heatmap and record of RGB pictures of any size, in one batch.

        The classifier sees the largest centred square of each picture. A picture has no heatmap where the map is flat
        or not finite. Neither has a picture of one colour: its map shows only where the network pads the picture.

        Raises:
            ValueError: the classifier's output is not finite.
        """
        squares = [square(image, self.size) for image in images]
        batch = self.tensors(torch.stack([to_tensor(image) for image in squares]))
        with threads_for(len(batch), self.device):
            maps, usable, logits = self._heatmaps.of_verdicts(batch, self._label)
        fake = self.calibrate(logits).numpy()
        return [self._prediction(*parts) for parts in zip(names, squares, fake, maps, usable, strict=True)]

    def _label(self, logits: torch.Tensor) -> int:
        """The verdict of one picture's logits [2]: 0 real, 1 fake."""
        return int(verdict(self.calibrate(logits[None]).item())[0] == "fake")

    def _prediction(self, name: str, image: Image.Image, fake: float, heat: np.ndarray, usable: bool) -> Prediction:
        pixels, fake = np.asarray(image), float(fake)
        heatmap = heat if usable and not one_colour(pixels) else None
        in_band = uncertain(fake, self.config.uncertain_below)
        return Prediction(pixels, fake, heatmap, make_record(name, pixels, fake, heatmap, uncertain=in_band))


def selected_method(folder: Path, fingerprint: str) -> tuple[str, str]:
    """Method and layer of the heatmap that `stages.evaluate_explanations` selected for the classifier in the folder.

    A selection for another training is ignored: the result is then Grad-CAM at the last layer.

    Raises:
        ValueError: the selection's file is damaged.
    """
    path = folder / METHOD_FILE
    if not path.exists():
        return "gradcam", ""
    cure = "Delete it; the heatmap is then Grad-CAM's, until notebook 04 selects again."
    selection = read_object(path, cure, {"fingerprint": str, "method": str, "layer": str})
    if selection["fingerprint"] != fingerprint:
        return "gradcam", ""
    return selection["method"], selection["layer"]
