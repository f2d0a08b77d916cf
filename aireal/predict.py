"""Verdict, number and heatmap of pictures, with a trained classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .classifier.calibration import uncertain
from .classifier.evaluate import calibrated
from .classifier.images import normalise, to_tensor
from .classifier.model import load
from .evidence import EvidenceRecord, make_record, verdict
from .gradcam import Heatmaps
from .imagefile import square
from .run import autocast, best_device


@dataclass(frozen=True)
class Seen:
    """One picture as the classifier saw it: uint8 [S, S, 3], P(fake) after calibration, Grad-CAM float32 [S, S] in 0..1 of the
    verdict's class, and the record of all that."""

    pixels: np.ndarray
    probability_fake: float
    heatmap: np.ndarray
    record: EvidenceRecord


class Predictor:
    """A trained classifier with its Grad-CAM hooks; use it in a `with`.

    Numbers and heatmaps come from full precision; only LIME's thousand perturbed pictures use the fast one.
    """

    def __init__(self, folder: Path, device: torch.device | None = None):
        self.device = device or best_device()
        self.model, self.config = load(folder, self.device)
        self.size = self.config.image_size
        self._normalise = normalise(self.config)
        self._heatmaps = Heatmaps(self.model, self.size)

    def __enter__(self) -> Predictor:
        self._heatmaps.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._heatmaps.__exit__(*error)

    def tensors(self, pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
        return self._normalise(torch.as_tensor(pixels)).to(self.device, memory_format=torch.channels_last)

    def _fake(self, batch: torch.Tensor) -> np.ndarray:
        return calibrated(self.model(batch), self.config.temperature, self.config.bias)

    @torch.inference_mode()
    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [B, S, S, 3] → [B, 2] calibrated, in the fastest precision of the hardware: the function that LIME samples."""
        with autocast(self.device):
            fake = self._fake(self.tensors(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))))
        return np.stack([1 - fake, fake], axis=1)

    def look(self, names: list[str], images: list[Image.Image]) -> list[Seen]:
        """Verdict, heatmap and record of RGB pictures of any size, in one batch; the largest centred square is what is seen."""
        squares = [square(image, self.size) for image in images]
        batch = self.tensors(torch.stack([to_tensor(s) for s in squares]))
        with torch.inference_mode():
            fake = self._fake(batch)
        labels = [verdict(float(p))[0] for p in fake]
        maps = self._heatmaps(batch, [int(label == "fake") for label in labels])
        seen = []
        for name, image, p, heat in zip(names, squares, fake, maps):
            pixels = np.asarray(image)
            seen.append(Seen(pixels, float(p), heat, make_record(name, pixels, float(p), heat, uncertain=uncertain(p, self.config.uncertain_below))))
        return seen
