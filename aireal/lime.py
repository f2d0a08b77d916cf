"""Which superpixels spoke for `1_fake`: LIME for images (Ribeiro et al. 2016) by the `lime` package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from lime.lime_image import LimeImageExplainer
from skimage.segmentation import relabel_sequential, slic

from .evidence import LimeFeature

FAKE = 1


@dataclass(frozen=True)
class LimeResult:
    """`segments` int [H, W] numbers the superpixels from 0; `features` holds all of them, the strongest weight first."""

    segments: np.ndarray
    features: tuple[LimeFeature, ...]
    r2: float  # weighted R² of the linear surrogate on its own samples
    samples: int

    @property
    def top(self) -> tuple[LimeFeature, ...]:
        return self.features[:5]


def superpixels(image: np.ndarray) -> np.ndarray:
    """int [H, W], numbered from 0 without gaps: SLIC superpixels (Achanta et al. 2012) of uint8 [H, W, 3].

    About one for every 28×28 px, but 16 to 100 of them. Where fine texture would make them crumble and merge into a few, they are made more
    compact, up to a near grid.
    """
    height, width = image.shape[:2]
    wanted = int(np.clip(height * width / 784, 16, 100))
    for compactness in (10, 40, 160, 640):
        segments = slic(image, n_segments=wanted, compactness=compactness, sigma=1, start_label=1, channel_axis=-1)
        if len(np.unique(segments)) >= wanted / 2:
            break
    return relabel_sequential(segments)[0] - 1


def explain(image: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], samples: int, seed: int, batch: int = 32) -> LimeResult:
    """LIME's weights for the class `1_fake`.

    Args:
        image: uint8 [H, W, 3].
        predict: uint8 [B, H, W, 3] → probabilities [B, 2].
        seed: of the mask sampler; derive it from the image's hash, so that the same picture gives the same list.

    Raises:
        ValueError: the picture is one flat colour or one superpixel, so that hiding parts of it changes nothing.
    """
    segments = superpixels(image)
    if segments.max() < 1 or (image == image[0, 0]).all():
        raise ValueError("LIME was left out: this picture is one flat area, and hiding parts of it changes nothing")
    explainer = _Explainer(random_state=seed)  # a fresh one each time: its state advances with every call
    found = explainer.explain_instance(
        image, predict, labels=(FAKE,), top_labels=None, num_features=int(segments.max()) + 1, num_samples=samples,
        batch_size=batch, segmentation_fn=lambda _: segments, random_seed=seed,
    )
    weights = sorted(found.local_exp[FAKE], key=lambda pair: -abs(pair[1]))
    score = found.score[FAKE] if isinstance(found.score, dict) else found.score
    return LimeResult(segments, tuple(LimeFeature(int(n), float(w)) for n, w in weights), float(score), samples)


class _Explainer(LimeImageExplainer):
    """The package's explainer with its own masks, but composed for a batch at once and without its progress bar."""

    def data_labels(self, image, fudged_image, segments, classifier_fn, num_samples, batch_size=10):
        count = int(segments.max()) + 1
        data = self.random_state.randint(0, 2, num_samples * count).reshape(num_samples, count)
        data[0, :] = 1
        labels = []
        for start in range(0, num_samples, batch_size):
            kept = data[start:start + batch_size][:, segments].astype(bool)
            labels.append(classifier_fn(np.where(kept[..., None], image, fudged_image)))
        return data, np.concatenate(labels)


def seed_of(digest: str) -> int:
    """A 31-bit seed from a sha256 hex digest."""
    return int(digest[:8], 16) & 0x7FFFFFFF
