"""Where the positive evidence for a class lies: its share in given areas, for every heatmap method and for LIME."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from aireal.classifier.data import to_batch
from aireal.core.statistics import bootstrap
from aireal.evidence.record import LimeFeature
from aireal.explain import lime
from aireal.explain.fast_classifier import Classify, FastClassifier
from aireal.explain.gradcam import METHODS, HeatmapsOfLayer, candidate_layers
from aireal.explain.lime.perturb import superpixels_or_none

from .agreement import lime_map
from .select_method import SAME_MAPS, numpy_seed

LIME = "lime"
CONTROL = "randomcam"  # the same activations with random weights
Shares = dict[str, list[float] | None]  # by explanation, the share in each area; None where nothing is positive


def shares_in(evidence: np.ndarray, areas: np.ndarray) -> list[float] | None:
    """Shares of the positive evidence that lie in each area.

    Args:
        evidence: float [H, W], positive where a pixel speaks for the class.
        areas: bool [M, H, W].

    Returns:
        M numbers in 0..1; None where no evidence is positive, so that there is nothing to share.
    """
    positive = np.maximum(evidence, 0).astype(np.float64)
    total = positive.sum()
    return [float(positive[area].sum() / total) for area in areas] if total > 0 else None


def lime_evidence(segments: np.ndarray, features: Sequence[LimeFeature], label: int) -> np.ndarray:
    """float [H, W]: the weight of each superpixel for the class, spread evenly over its pixels; 0 if it is against it.

    The sum over an area is then the weight of the superpixels in it, however large they are. A superpixel that reaches
    beyond the area counts with the part that lies inside.

    Args:
        segments: int [H, W], the numbers of the superpixels.
        label: 0 real or 1 fake.
    """
    return lime_map(segments, features, label).clip(0) / np.bincount(segments.ravel())[segments]


class PositiveEvidence:
    """All explanations of a classifier for a class that is asked for, whatever the verdict is.

    Use it in a `with` statement, which removes the hooks.

    Attributes:
        size: side of the pictures in px.
        candidates: name → (method, layer) of each heatmap; plain Grad-CAM is the first.
        chosen: name of the heatmap method in use.
    """

    def __init__(self, fast: FastClassifier, size: int):
        """Register the hooks of all methods.

        Args:
            size: side of the pictures in px.
        """
        predictor, (last, *others) = fast.predictor, candidate_layers(fast.predictor.model)
        methods = {last: [*METHODS, CONTROL]} | {layer: list(METHODS) for layer in others}
        pairs = [(method, layer) for layer in methods for method in methods[layer]]
        self.candidates = {f"{method} at {layer}": (method, layer) for method, layer in pairs}
        self.chosen = f"{predictor.method} at {predictor.layer_in_use}"
        self.size, self._fast, self._stack = size, fast, ExitStack()
        self._layers = {
            layer: self._stack.enter_context(HeatmapsOfLayer(predictor.model, size, names, layer))
            for layer, names in methods.items()
        }

    def __enter__(self) -> PositiveEvidence:
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def heatmaps(self, pixels: np.ndarray, label: int, areas: np.ndarray, seed: int) -> Shares:
        """The shares of each candidate's map, as the maps are drawn: without negative evidence, smallest value 0.

        Args:
            pixels: uint8 [S, S, 3].
            label: the class whose evidence is asked for, 0 real or 1 fake.
            areas: bool [M, S, S].
            seed: of the control's random weights.
        """
        batch = self._fast.predictor.tensors(to_batch([pixels]))
        with numpy_seed(seed):  # RandomCAM draws from numpy's global generator
            maps = {
                f"{method} at {layer}": heat[0]
                for layer, methods in self._layers.items()
                for method, heat in methods(batch, [label]).items()
            }
        return {name: shares_in(heat, areas) for name, heat in maps.items()}

    def lime(self, pixels: np.ndarray, label: int, areas: np.ndarray, seed: int, samples: int) -> Shares:
        """The shares of LIME's weights; None where the picture has no superpixels.

        Args:
            seed: of the masks.
            samples: the largest number of samples that LIME may draw. The others are as for `heatmaps`.
        """
        segments = superpixels_or_none(pixels)
        if segments is None:
            return {LIME: None}
        classify = self._classify(pixels, segments)

        def predict_kept(numbers: np.ndarray) -> lime.PredictKept:
            return self._fast.predict_kept(pixels, numbers, classify)

        result = lime.explain(pixels, predict_kept, samples, seed, segments=segments)
        return {LIME: shares_in(lime_evidence(segments, result.features, label), areas)}

    def _classify(self, pixels: np.ndarray, segments: np.ndarray) -> Classify:
        """The 8-bit classifier has a fixed size, so pictures of another size take floating point."""
        same_size = self.size == self._fast.predictor.size
        return self._fast.choose([pixels], [segments]) if same_size else self._fast.floating


def rows_of(
    candidates: dict[str, tuple[str, str]], chosen: str, values: dict[str, np.ndarray], row: Callable[[str], dict]
) -> list[dict]:
    """A row for each explanation that was measured.

    Args:
        candidates: name → (method, layer).
        chosen: name of the heatmap method in use.
        values: float [N, M] by name; those with N = 0 get no row.
        row: gives the rest of a row by the name.

    Returns:
        [{"name", "method", "layer", "control", "chosen", "same_as" (an earlier explanation with the same values, or
        None), **row(name)}].
    """
    measured = [name for name in candidates if len(values[name])]
    return [
        {
            "name": name,
            "method": candidates[name][0],
            "layer": candidates[name][1],
            "control": candidates[name][0] == CONTROL,
            "chosen": name == chosen,
            "same_as": next((other for other in measured[:k] if _equal(values[other], values[name])), None),
            **row(name),
        }
        for k, name in enumerate(measured)
    ]


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the shares are the same but for rounding; NaN equals NaN."""
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=SAME_MAPS, equal_nan=True)


def mean_shares(values: dict[str, np.ndarray], labels: Sequence[int], groups: Sequence[str], seed: int) -> dict:
    """Mean of each column of numbers with its 95% interval, from one bootstrap over source groups.

    Args:
        values: float [N] by name; NaN where a picture does not belong to the column.
        labels: [N], the classes within which groups are drawn.
        groups: [N], the source of each picture.
    """
    return bootstrap(
        lambda index: {name: np.nanmean(column[index]) for name, column in values.items()},
        np.asarray(labels),
        groups,
        seed,
    )
