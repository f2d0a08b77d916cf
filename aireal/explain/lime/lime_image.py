"""LIME's list for one picture, with as many samples as it takes until the list has settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from aireal.evidence.record import LimeFeature

from .perturb import BATCH, mean_filled, superpixels
from .sampling import antithetic_masks
from .stability import TOP, expected_agreement
from .surrogate import Surrogate, fit

ReportProgress = Callable[[int, int], None]  # (samples drawn so far, the largest number that may be drawn)
PredictKept = Callable[[np.ndarray], np.ndarray]  # bool [N, K], True where a superpixel is kept → P(fake) [N]
PredictKeptFor = Callable[[np.ndarray], PredictKept]  # segments int [H, W] → the function for masks of these segments

STEP = 64  # samples between two tests of the list; a test takes milliseconds
# Pairs of samples for each superpixel before the first test: with fewer, the residuals say too little about the
# scatter.
PAIRS_EACH = 2
# Expected agreement with which the list has settled. The true agreement has to reach 0.80 and 0.95; these limits are
# higher, because repeated tests stop at a lucky moment.
SETTLED_JACCARD = 0.85
SETTLED_SIGNS = 0.97
LEAST_R2 = 0.3  # with a lower R² the list leaves more than two thirds of the variance of P(fake) unexplained


@dataclass(frozen=True)
class LimeResult:
    """The weights of all superpixels for the class `1_fake`.

    Attributes:
        segments: int [H, W], numbers the superpixels from 0.
        features: all superpixels with 95% intervals, the strongest weight first.
        r2: the surrogate's weighted R² on samples that it was not fitted to.
        r2_fitted: its weighted R² on its own samples, as the `lime` package gives it; too high where samples are few.
        samples: the number of perturbed pictures that were classified.
        settled: whether `expected_jaccard` is high enough and the signs of two such lists are expected to agree.
        expected_jaccard: the expected Jaccard index of the top fives of two such lists (1: the same superpixels).
    """

    segments: np.ndarray
    features: tuple[LimeFeature, ...]
    r2: float
    r2_fitted: float
    samples: int
    settled: bool
    expected_jaccard: float

    @property
    def top(self) -> tuple[LimeFeature, ...]:
        """The five strongest superpixels, for or against `1_fake`."""
        return self.features[:TOP]

    @property
    def rankable(self) -> bool:
        """Whether the order of the list is meaningful."""
        return self.settled and self.r2 >= LEAST_R2


def explain(
    image: np.ndarray,
    predict_kept_for: PredictKeptFor,
    samples: int,
    seed: int,
    progress: ReportProgress | None = None,
    segments: np.ndarray | None = None,
) -> LimeResult:
    """LIME's weights for the class `1_fake` (Ribeiro et al. 2016).

    Samples are drawn until two such lists are expected to agree (docs/lime.md).

    Args:
        image: uint8 [H, W, 3].
        predict_kept_for: gives P(fake) of the picture whose other superpixels are masked by their mean colour:
            `WorkingPicture.predict_kept`, or `wrap_picture_model` of any model.
        samples: the largest number of perturbed pictures that may be drawn, at least 2.
        seed: of the masks. Derive it from the file's hash (`seed_from_digest`), so that the same picture gives the same
            list.
        progress: called after every `STEP` samples; an exception that it raises ends the work.
        segments: the superpixels of the picture, int [H, W], if they are already computed.

    Raises:
        ValueError: the picture is too small or one flat colour, `samples` is below 2, or a probability is not finite.
    """
    segments = superpixels(image) if segments is None else segments
    masks = antithetic_masks(int(segments.max()) + 1, samples, seed)
    predict_kept, fake, pools = predict_kept_for(segments), np.empty(0), ThreadpoolController()
    while True:
        fake = np.concatenate([fake, _probabilities(predict_kept, masks[len(fake) : len(fake) + STEP])])
        if progress:
            progress(len(fake), len(masks))
        enough = len(fake) >= 2 * PAIRS_EACH * masks.shape[1]
        if enough or len(fake) == len(masks):
            # matrices are small: threads of the BLAS would wait for each other, and round as their number has it
            with pools.limit(limits=1, user_api="blas"):
                surrogate = fit(masks[: len(fake)], fake, pairs=True)
                jaccard, signs = expected_agreement(surrogate, np.random.default_rng(seed))
            settled = enough and jaccard >= SETTLED_JACCARD and signs >= SETTLED_SIGNS
            if settled or len(fake) == len(masks):
                features, r2s = _features(surrogate), (surrogate.r2, surrogate.r2_fitted)
                return LimeResult(segments, features, *r2s, len(fake), settled, jaccard)


def _probabilities(predict_kept: PredictKept, masks: np.ndarray) -> np.ndarray:
    """P(fake) float64 [N] of the masks.

    Raises:
        ValueError: a probability is not finite.
    """
    fake = np.asarray(predict_kept(masks), dtype=np.float64)
    if broken := int((~np.isfinite(fake)).sum()):
        raise ValueError(
            f"LIME was left out: the classifier gave no number (NaN) for {broken} of {len(fake)} pictures with masked "
            "superpixels. Its weights or its precision are at fault: train it again or compute in full precision"
        )
    return fake


def _features(surrogate: Surrogate) -> tuple[LimeFeature, ...]:
    """All superpixels, the strongest weight first."""
    columns = (surrogate.coefficients, surrogate.low, surrogate.high)
    order = np.argsort(-np.abs(surrogate.coefficients), kind="stable")
    return tuple(LimeFeature(int(k), *(float(column[k]) for column in columns)) for k in order)


def wrap_picture_model(
    image: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], batch: int = BATCH
) -> PredictKeptFor:
    """Wrap a model that predicts pictures as the `predict_kept_for` of `explain`.

    Args:
        image: uint8 [H, W, 3].
        predict: uint8 [B, H, W, 3] → probabilities [B, 2] (real, fake).
        batch: pictures a call.
    """

    def predict_kept_for(segments: np.ndarray) -> PredictKept:
        filled = mean_filled(image, segments)

        def predict_kept(masks: np.ndarray) -> np.ndarray:
            batches = (masks[k : k + batch, segments][..., None] for k in range(0, len(masks), batch))
            return np.concatenate([predict(np.where(kept, image, filled))[:, 1] for kept in batches])

        return predict_kept

    return predict_kept_for


def seed_from_digest(digest: str) -> int:
    """A 31-bit seed from a sha256 hex digest."""
    return int(digest[:8], 16) & 0x7FFFFFFF
