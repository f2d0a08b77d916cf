"""One picture on its way through heatmap, occlusion tests, LIME and panel.

Whatever they share is computed once, when it is first needed.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from aireal.classifier.data import to_batch
from aireal.explain.lime.lime_image import PredictKept, seed_from_digest
from aireal.explain.lime.perturb import superpixels

from .fast_classifier import Classify, FastClassifier
from .gradcam import overlay
from .predictor import Prediction


class WorkingPicture:
    """A prediction with the picture's tensor, superpixels, overlay, and the classifier of its perturbed versions.

    Attributes:
        prediction: verdict, heatmap and record as the classifier gave them.
        seed: of masks and random areas, derived from the file's sha256, so that the same file gives the same record.
    """

    def __init__(self, prediction: Prediction, digest: str, fast: FastClassifier):
        """Take a prediction.

        Args:
            digest: sha256 of the file, hexadecimal.
            fast: the classifier of versions; its predictor made the prediction.
        """
        self.prediction, self.seed, self._fast = prediction, seed_from_digest(digest), fast

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [S, S, 3]."""
        return self.prediction.pixels

    @property
    def heatmap(self) -> np.ndarray | None:
        """float32 [S, S] in 0..1; None for a picture without one."""
        return self.prediction.heatmap

    @property
    def label(self) -> int:
        """The verdict: 0 real, 1 fake."""
        return int(self.prediction.record.label == "fake")

    @cached_property
    def tensor(self) -> torch.Tensor:
        """float [3, S, S], normalised, on the device."""
        return self._fast.predictor.tensors(to_batch([self.pixels]))[0]

    @cached_property
    def overlay(self) -> np.ndarray | None:
        """uint8 [S, S, 3]: the heatmap over the picture; None for a picture without a heatmap."""
        return None if self.heatmap is None else overlay(self.pixels, self.heatmap)

    @property
    def segments(self) -> np.ndarray:
        """int [S, S]: the number of each pixel's superpixel.

        Raises:
            ValueError: the picture is too small or one flat colour.
        """
        segments, reason = self._superpixels
        if segments is None:
            raise ValueError(reason)
        return segments

    @cached_property
    def _superpixels(self) -> tuple[np.ndarray | None, str]:
        """The superpixels, or None and the reason."""
        try:
            return superpixels(self.pixels), ""
        except ValueError as error:
            return None, str(error)

    @cached_property
    def classify(self) -> Classify:
        """The fastest classifier that is close enough for versions of this picture."""
        if self._fast.quantized is None:  # there is no choice, so no superpixels are needed for it
            return self._fast.floating
        return self._fast.choose([self.pixels], [self._superpixels[0]])

    def predict_kept(self, segments: np.ndarray) -> PredictKept:
        """P(fake) of the picture's versions, by `classify`, as a function of the superpixels that are kept.

        Args:
            segments: int [S, S], the superpixels.
        """
        return self._fast.predict_kept(self.pixels, segments, self.classify)
