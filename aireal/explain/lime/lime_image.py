"""LIME's list for one picture, with as many samples as it takes until the list has settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aireal.evidence.record import LimeFeature

from .perturb import BATCH, mean_filled, superpixels
from .sampling import antithetic_masks
from .stability import TOP, expected_agreement
from .surrogate import Surrogate, fit

ReportProgress = Callable[[int, int], None]  # (samples drawn so far, the most that may be drawn)
PredictKept = Callable[[np.ndarray], np.ndarray]  # bool [N, K], True where a superpixel is kept → P(fake) [N]
Hide = Callable[[np.ndarray], PredictKept]  # segments int [H, W] → that

STEP = 64  # samples between two looks at the list; a look takes milliseconds
PAIRS_EACH = (
    2  # pairs of samples a superpixel before the first look: with fewer, the residuals say too little about the scatter
)
SETTLED_JACCARD = 0.85  # expected, of two lists; 0.80 is what must come true, and looking again and again flatters
SETTLED_SIGNS = 0.97  # likewise, for 0.95
LEAST_R2 = 0.3  # below, more than two thirds of what happens to the probability is not in the list


@dataclass(frozen=True)
class LimeResult:
    """`segments` int [H, W] numbers the superpixels from 0; `features` holds all of them, the strongest weight first, with 95% intervals.

    `r2` is the surrogate's weighted R² on samples it was not fitted to, `r2_fitted` the one on its own samples that the `lime` package gives, which
    flatters where samples are few. `expected_jaccard` is how alike the top fives of two such lists are expected to be (1: the same); `settled` says
    that this is enough, and that the signs agree.
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
        return self.features[:TOP]

    @property
    def rankable(self) -> bool:
        """Does the order of the list mean anything?"""
        return self.settled and self.r2 >= LEAST_R2


def explain(
    image: np.ndarray,
    hide: Hide,
    samples: int,
    seed: int,
    progress: ReportProgress | None = None,
    segments: np.ndarray | None = None,
) -> LimeResult:
    """LIME's weights for the class `1_fake` (Ribeiro et al. 2016), made until two such lists would agree (docs/lime.md).

    Args:
        image: uint8 [H, W, 3].
        hide: gives P(fake) of the picture with superpixels hidden behind their mean colour: `predict.Predictor.hide`, or `from_pictures`.
        samples: the most perturbed pictures that may be drawn, at least 2.
        seed: of the masks; derive it from the image's hash (`seed_of`), so that the same picture gives the same list.
        progress: called after every `STEP` samples; what it raises ends the work.
        segments: the picture's superpixels, int [H, W], where they were computed already.

    Raises:
        ValueError: the picture is too small or one flat colour, fewer than two samples, or a probability is no number.
    """
    segments = superpixels(image) if segments is None else segments
    masks = antithetic_masks(int(segments.max()) + 1, samples, seed)
    fake_of, fake = hide(segments), np.empty(0)
    while True:
        fake = np.concatenate([fake, _probabilities(fake_of, masks[len(fake) : len(fake) + STEP])])
        if progress:
            progress(len(fake), len(masks))
        enough = len(fake) >= 2 * PAIRS_EACH * masks.shape[1]
        if enough or len(fake) == len(masks):
            found = fit(masks[: len(fake)], fake, pairs=True)
            jaccard, signs = expected_agreement(found, np.random.default_rng(seed))
            settled = enough and jaccard >= SETTLED_JACCARD and signs >= SETTLED_SIGNS
            if settled or len(fake) == len(masks):
                return LimeResult(segments, _features(found), found.r2, found.r2_fitted, len(fake), settled, jaccard)


def _probabilities(fake_of: PredictKept, kept: np.ndarray) -> np.ndarray:
    fake = np.asarray(fake_of(kept), dtype=np.float64)
    if broken := int((~np.isfinite(fake)).sum()):
        raise ValueError(
            f"LIME was left out: the classifier gave no number (NaN) for {broken} of {len(fake)} pictures with hidden parts; "
            "its weights or its precision are at fault, train it again or compute in full precision"
        )
    return fake


def _features(found: Surrogate) -> tuple[LimeFeature, ...]:
    order = np.argsort(-np.abs(found.coefficients), kind="stable")
    return tuple(
        LimeFeature(int(k), *(float(column[k]) for column in (found.coefficients, found.low, found.high)))
        for k in order
    )


def from_pictures(image: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], batch: int = BATCH) -> Hide:
    """The `hide` of any model that predicts pictures.

    Args:
        image: uint8 [H, W, 3].
        predict: uint8 [B, H, W, 3] → probabilities [B, 2] (real, fake).
        batch: pictures at a time.
    """

    def hide(segments: np.ndarray) -> PredictKept:
        filled = mean_filled(image, segments)

        def fake(kept: np.ndarray) -> np.ndarray:
            starts = range(0, len(kept), batch)
            return np.concatenate(
                [predict(np.where(kept[k : k + batch, segments][..., None], image, filled))[:, 1] for k in starts]
            )

        return fake

    return hide


def seed_of(digest: str) -> int:
    """A 31-bit seed from a sha256 hex digest."""
    return int(digest[:8], 16) & 0x7FFFFFFF
