"""LIME finds planted causes and gives the package's weights.

Its intervals hold the true weights, and sampling stops when the list has settled.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lime.lime_image import LimeImageExplainer
from threadpoolctl import threadpool_limits

from aireal.explain import lime
from aireal.explain.lime.perturb import mean_filled, perturb_on_device
from aireal.explain.lime.sampling import antithetic_masks, hadamard_blocks, independent_masks
from aireal.explain.lime.stability import expected_agreement, top_jaccard
from aireal.explain.lime.surrogate import fit, proximity
from helpers.images import noise


def contrasts(batch: np.ndarray) -> np.ndarray:
    """A model that predicts fake for strong contrast between neighbouring pixels."""
    contrast = np.abs(np.diff(np.asarray(batch, dtype=float), axis=2)).mean((1, 2, 3))
    fake = 1 / (1 + np.exp(-(contrast - 4)))
    return np.stack([1 - fake, fake], 1)


def additive(count: int, seed: int, pairs: float = 0.15, triples: float = 0.05):
    """P(fake) of masks: a sigmoid of the sum of single effects and of interactions of two and three superpixels."""
    rng = np.random.default_rng(seed)
    single = 0.4 * rng.standard_t(4, count)
    terms = [
        (k, amount * rng.normal(size=count), np.array([rng.choice(count, k, replace=False) for _ in range(count)]))
        for k, amount in ((2, pairs), (3, triples))
    ]

    def fake(masks: np.ndarray) -> np.ndarray:
        signs = 2.0 * masks - 1
        interactions = sum(signs[:, members].prod(axis=2) @ amounts for _, amounts, members in terms)
        return 1 / (1 + np.exp(-signs @ single - interactions))

    return fake


def limit(fake) -> np.ndarray:
    """Nearly the weights that endless samples would give."""
    masks = antithetic_masks(24, 40_000, 123)
    return fit(masks, fake(masks), pairs=True).coefficients


@pytest.mark.parametrize("side", [20, 32, 64, 224, 512])
def test_superpixels_suit_the_picture_and_are_numbered_without_gaps(photograph, side):
    segments = lime.superpixels(np.asarray(photograph.resize((side, side))))
    numbers, requested = np.unique(segments), np.clip(side * side / 1024, 16, 100)
    assert segments.shape == (side, side)
    assert (numbers == np.arange(len(numbers))).all()
    assert requested / 2 <= len(numbers) <= 1.5 * requested


@pytest.mark.parametrize(
    "image, sentence",
    [
        (np.asarray(noise(1, 15)), "15×15 px is too small for superpixels, give one of at least 16 px a side"),
        (np.full((64, 64, 3), 128, np.uint8), "one flat area"),
    ],
)
def test_a_picture_without_superpixels_to_compare_is_one_sentence(image, sentence):
    with pytest.raises(ValueError, match=sentence):
        lime.explain(image, lime.wrap_picture_model(image, contrasts), samples=10, seed=0)


@given(st.integers(2, 100), st.integers(2, 600), st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_masks_are_pairs_the_same_for_a_seed_and_fewer_are_the_first_of_more(count, samples, seed):
    masks = antithetic_masks(count, samples, seed)
    assert masks.shape == (samples // 2 * 2, count)
    assert masks.dtype == bool
    assert (masks[::2] ^ masks[1::2]).all()
    assert (masks == antithetic_masks(count, 2 * samples, seed)[: len(masks)]).all()


@given(st.integers(2, 100), st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_superpixels_are_orthogonal_and_kept_half_of_the_time_within_a_block(count, seed):
    block = next(hadamard_blocks(count, np.random.default_rng(seed)))
    signs = 2 * block.astype(int) - 1
    assert (signs.T @ signs == len(block) * np.eye(count)).all()
    assert (signs.sum(axis=0) == 0).all()
    assert count < len(block) // 2 <= 2 * count


def test_each_row_keeps_superpixels_independently_with_probability_one_half():
    rows = np.array([antithetic_masks(7, 2, seed)[0] for seed in range(4000)])
    assert np.abs(rows.mean(axis=0) - 0.5).max() < 0.035, "four standard errors"
    assert np.abs(np.corrcoef(rows.T) - np.eye(7)).max() < 0.07
    counts = np.bincount(rows @ (1 << np.arange(7)), minlength=128)
    chi_square = ((counts - 4000 / 128) ** 2 / (4000 / 128)).sum()
    assert 80 < chi_square < 190, "127 degrees of freedom; the limits are far in the tails"


def test_too_few_samples_are_one_sentence():
    with pytest.raises(ValueError, match="cannot draw pairs from 1 samples: ask for at least 2"):
        antithetic_masks(10, 1, 0)


@pytest.mark.parametrize("seed", [5, 6])
def test_weights_and_fitted_r2_are_those_of_the_package(photograph, seed):
    image = np.asarray(photograph.resize((96, 96)))
    segments = lime.superpixels(image)
    masks = independent_masks(int(segments.max()) + 1, 150, seed)
    ours = fit(masks, lime.wrap_picture_model(image, contrasts)(segments)(masks), pairs=False)
    theirs = LimeImageExplainer(random_state=seed).explain_instance(
        image,
        contrasts,
        labels=(1,),
        top_labels=None,
        num_features=1000,
        num_samples=150,
        random_seed=seed,
        segmentation_fn=lambda _: segments,
    )
    expected = dict(theirs.local_exp[1])
    assert ours.coefficients == pytest.approx([expected[k] for k in range(len(expected))], abs=1e-6)
    assert np.abs(ours.coefficients).max() > 1e-3
    assert ours.intercept == pytest.approx(theirs.intercept[1], abs=1e-6)
    assert ours.r2_fitted == pytest.approx(theirs.score, abs=1e-6)


@pytest.mark.parametrize("pairs", [False, True])
def test_r2_is_that_of_samples_left_out(pairs):
    """The closed form equals new fits without each pair, or each sample."""
    masks, size = (antithetic_masks if pairs else independent_masks)(9, 60, 3), 2 if pairs else 1
    fake, weights = additive(9, 1)(masks), proximity(masks)
    residuals = np.empty(60)
    for first in range(0, 60, size):
        out = np.arange(first, first + size)
        rest = np.setdiff1d(np.arange(60), out)
        surrogate = fit(masks[rest], fake[rest], pairs=pairs)
        residuals[out] = fake[out] - surrogate.intercept - masks[out] @ surrogate.coefficients
    spread = weights @ (fake - np.average(fake, weights=weights)) ** 2
    surrogate = fit(masks, fake, pairs=pairs)
    assert surrogate.r2 == pytest.approx(1 - weights @ residuals**2 / spread, abs=1e-9)
    assert surrogate.r2 < surrogate.r2_fitted


@pytest.mark.parametrize("sampler, pairs", [(independent_masks, False), (antithetic_masks, True)])
def test_the_intervals_hold_the_limit_95_times_of_100(sampler, pairs):
    covered, scatter, stated = [], [], []
    for model in range(3):
        fake = additive(24, model)
        truth, weights = limit(fake), []
        for seed in range(100):
            masks = sampler(24, 128, seed)
            surrogate = fit(masks, fake(masks), pairs=pairs)
            covered.append((surrogate.low <= truth) & (truth <= surrogate.high))
            weights.append(surrogate.coefficients)
            stated.append(np.diag(surrogate.covariance))
        scatter.append(np.var(weights, axis=0, ddof=1))
    assert 0.92 < np.mean(covered) < 0.98
    assert 0.8 < np.mean(stated) / np.mean(scatter) < 1.25


def test_paired_masks_scatter_less_than_independent_ones():
    fake = additive(24, 4)
    variance = {}
    for name, sampler, pairs in (("stock", independent_masks, False), ("ours", antithetic_masks, True)):
        weights = [
            fit(masks, fake(masks), pairs=pairs).coefficients
            for masks in (sampler(24, 128, seed) for seed in range(100))
        ]
        variance[name] = np.var(weights, axis=0).mean()
    assert variance["ours"] < 0.7 * variance["stock"]


def test_agreement_by_hand():
    weights = np.array([5.0, -4.0, 3.0, 0.1, 0.0])
    jaccard, signs = top_jaccard(weights, np.array([5.0, 4.0, 0.1, 3.0, 0.0]), top=3)
    assert jaccard == 2 / 4, "superpixels 0 and 1 are in both tops, 0 to 3 in either"
    assert signs == 3 / 4, "of 0 to 3 only 1 changed its sign"
    assert top_jaccard(weights, weights) == (1, 1)


def test_two_lists_agree_as_much_as_expected():
    expected, observed = [], []
    for model in range(4):
        fake, all_masks = additive(24, model), (antithetic_masks(24, 192, seed) for seed in range(40))
        surrogates = [fit(masks, fake(masks), pairs=True) for masks in all_masks]
        weights = np.array([surrogate.coefficients for surrogate in surrogates])
        observed.append([agreement.mean() for agreement in top_jaccard(weights[::2], weights[1::2])])
        expected.append(np.mean([expected_agreement(s, np.random.default_rng(0)) for s in surrogates[:10]], axis=0))
    assert np.mean(expected, axis=0) == pytest.approx(np.mean(observed, axis=0), abs=0.08)


@pytest.mark.parametrize("place", [0, 4, 8])
def test_the_patch_that_decides_is_found(place):
    row, column = divmod(place, 3)
    image = np.asarray(noise(1, 96)) // 16 + 100  # noise, so that masking by the mean colour has an effect everywhere
    patch = (slice(row * 32 + 8, row * 32 + 24), slice(column * 32 + 8, column * 32 + 24))
    image[patch] = np.asarray(noise(2, 16))
    result = lime.explain(image, lime.wrap_picture_model(image, contrasts), samples=300, seed=1)
    strongest = result.top[0]
    assert strongest.weight > 0
    assert strongest.low > 0
    assert (result.segments[patch] == strongest.superpixel).mean() > 0.5
    assert len(result.features) == result.segments.max() + 1
    assert len(result.top) == 5
    assert all(feature.low <= feature.weight <= feature.high for feature in result.features)
    assert list(result.features) == sorted(result.features, key=lambda feature: -abs(feature.weight))


def linear(weights: np.ndarray, noise_level: float = 0.0):
    """The `predict_kept_for` of a linear model.

    Superpixels 0, 1, ... have these weights, the others weight 0. With a noise level each mask has an offset of its
    own.
    """

    def predict_kept_for(segments: np.ndarray):
        all_weights = np.zeros(segments.max() + 1)
        all_weights[: len(weights)] = weights

        def predict_kept(masks: np.ndarray) -> np.ndarray:
            offsets = np.array([np.random.default_rng(row.view(np.uint8)).normal() for row in masks])
            return np.clip(0.5 + (masks - 0.5) @ all_weights + noise_level * offsets, 0, 1)

        return predict_kept

    return predict_kept_for


def test_sampling_stops_when_the_list_has_settled_and_not_before(photograph):
    image = np.asarray(photograph.resize((96, 96)))
    clear = lime.explain(image, linear(np.array([0.2, -0.17, 0.14, -0.11, 0.08])), samples=1000, seed=3)
    assert clear.settled
    assert clear.rankable
    assert clear.samples < 150
    assert clear.expected_jaccard > 0.95
    assert clear.r2 > 0.9
    assert [feature.superpixel for feature in clear.top] == [0, 1, 2, 3, 4]
    noisy = lime.explain(image, linear(np.array([0.02, -0.017]), noise_level=0.2), samples=400, seed=3)
    assert not noisy.settled
    assert not noisy.rankable
    assert noisy.samples == 400
    assert noisy.r2 < 0.3
    assert noisy.r2 < noisy.r2_fitted


def test_settled_lists_agree_over_ten_seeds(photograph):
    image = np.asarray(photograph.resize((96, 96)))
    model = linear(np.array([0.1, -0.09, 0.08, -0.07, 0.06, 0.03]), noise_level=0.1)
    results = [lime.explain(image, model, samples=2000, seed=seed) for seed in range(10)]
    assert all(result.settled for result in results)
    weights = np.array([[f.weight for f in sorted(r.features, key=lambda f: f.superpixel)] for r in results])
    first, second = np.triu_indices(10, 1)
    jaccard, signs = top_jaccard(weights[first], weights[second])
    assert jaccard.mean() >= 0.8
    assert signs.mean() >= 0.95


def test_too_few_samples_never_settle(photograph):
    image = np.asarray(photograph.resize((96, 96)))
    result = lime.explain(image, linear(np.array([0.2, -0.17, 0.14, -0.11, 0.08])), samples=31, seed=3)
    assert result.samples == 30
    assert not result.settled


def test_the_list_of_a_constant_model_is_not_ranked(photograph):
    image = np.asarray(photograph.resize((64, 64)))
    result = lime.explain(image, lambda _: lambda masks: np.full(len(masks), 0.7), samples=200, seed=0)
    assert result.r2 == 0
    assert result.r2_fitted == 0
    assert not result.rankable
    assert all(feature.weight == 0 for feature in result.features)


def test_the_same_seed_gives_the_same_list_and_another_one_another(photograph):
    image = np.asarray(photograph.resize((96, 96)))
    once, twice, another = (
        lime.explain(image, lime.wrap_picture_model(image, contrasts), samples=120, seed=seed) for seed in (5, 5, 6)
    )
    assert once.features == twice.features
    assert once.r2 == twice.r2
    assert once.expected_jaccard == twice.expected_jaccard
    assert once.features != another.features


def test_the_list_does_not_depend_on_the_number_of_threads(photograph):
    lists, pixels = [], np.asarray(photograph)
    for threads in (1, 2):
        with threadpool_limits(threads):
            made = lime.explain(pixels, lime.wrap_picture_model(pixels, contrasts), samples=512, seed=5)
            lists.append((made.features, made.r2, made.expected_jaccard))
    assert lists[0] == lists[1]


def test_the_seed_is_31_bits_of_the_digest():
    assert lime.seed_from_digest("ff" * 32) == 2**31 - 1
    assert lime.seed_from_digest("00000001" + "f" * 56) == 1


def test_a_probability_that_is_no_number_is_one_sentence(photograph):
    image = np.asarray(photograph.resize((64, 64)))
    with pytest.raises(ValueError, match="the classifier gave no number .NaN. for 64 of 64 pictures"):
        lime.explain(image, lambda _: lambda masks: np.full(len(masks), np.nan), samples=200, seed=0)


@pytest.mark.parametrize("count, batch", [(2, 4), (9, 4), (8, 4), (3, 16)])
def test_pictures_composed_on_the_device_are_those_of_the_package(photograph, count, batch):
    image = np.asarray(photograph.resize((48, 64)))
    segments = lime.superpixels(image)
    masks = independent_masks(int(segments.max()) + 1, count, 1)
    batches, layouts = [], []

    def classify(pictures: torch.Tensor) -> torch.Tensor:
        batches.append(pictures.clone())
        layouts.append(pictures.is_contiguous(memory_format=torch.channels_last))
        return pictures.mean((1, 2, 3))

    normalised, filled = (
        torch.from_numpy(x.copy()).permute(2, 0, 1) / 255 for x in (image, mean_filled(image, segments))
    )
    fake = perturb_on_device(classify, normalised, filled, segments, batch)(masks)
    pictures = package_pictures(image, segments, count)
    assert (torch.cat(batches) * 255).round().numpy().transpose(0, 2, 3, 1).tolist() == pictures.tolist()
    assert all(layouts)
    assert fake.dtype == np.float64
    assert fake == pytest.approx(pictures.mean((1, 2, 3)) / 255, abs=1e-6)


def package_pictures(image: np.ndarray, segments: np.ndarray, count: int) -> np.ndarray:
    """The pictures that the package classifies for the masks of `independent_masks(..., count, 1)`."""
    batches = []

    def predict(batch: np.ndarray) -> np.ndarray:
        batches.append(batch)
        return np.full((len(batch), 2), 0.5)

    LimeImageExplainer(random_state=1).explain_instance(
        image,
        predict,
        labels=(1,),
        top_labels=None,
        num_features=1000,
        num_samples=count,
        random_seed=1,
        segmentation_fn=lambda _: segments,
    )
    return np.concatenate(batches)
