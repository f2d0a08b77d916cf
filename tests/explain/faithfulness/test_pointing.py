"""Pointing game and half-and-half: shares of evidence, balanced mosaics and pairs, and what is refused."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import timm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aireal.config import DatasetRoot
from aireal.dataset.manifest import Item, write_manifest
from aireal.evidence.record import LimeFeature
from aireal.explain.faithfulness.half import (
    CHANCE,
    HALVES,
    encoded_again,
    find_pairs,
    half_mask,
    replace_half,
    summarise_halves,
)
from aireal.explain.faithfulness.pointing import (
    QUARTERS,
    Mosaic,
    compose,
    confident,
    draw_mosaics,
    quarter_masks,
    quarter_side,
    summarise_pointing,
)
from aireal.explain.faithfulness.positive_evidence import LIME, PositiveEvidence, lime_evidence, shares_in
from aireal.explain.fast_classifier import FastClassifier
from helpers.planted_models import PlantedPredictor, Speckles, speckled

SIDE = 48
EVIDENCE = hnp.arrays(np.float32, (8, 8), elements=st.floats(-1, 1, width=16))
CANDIDATES = {"a at x": ("a", "x"), "b at x": ("b", "x"), "randomcam at x": ("randomcam", "x"), LIME: (LIME, "")}


def mosaic_of(place: int, label: int) -> np.ndarray:
    return compose([speckled(k, label if k == place else 1 - label, SIDE) for k in range(4)])


@pytest.fixture
def evidence():
    with PositiveEvidence(FastClassifier(PlantedPredictor(Speckles(), SIDE)), 2 * SIDE) as explanations:
        yield explanations


# shares


@given(EVIDENCE)
def test_the_shares_of_the_quarters_sum_to_one_or_there_is_no_positive_evidence(evidence):
    shares = shares_in(evidence, quarter_masks(8))
    assert (shares is None) == (evidence.max() <= 0)
    assert shares is None or sum(shares) == pytest.approx(1)


@given(EVIDENCE, st.permutations(range(4)))
def test_permuted_quarters_have_permuted_shares(evidence, order):
    masks = quarter_masks(8)
    quarters = [evidence[mask].reshape(4, 4) for mask in masks]
    moved = compose([quarters[k][..., None] for k in order])[..., 0]
    shares, after = shares_in(evidence, masks), shares_in(moved, masks)
    assert after == (None if shares is None else pytest.approx([shares[k] for k in order]))


@given(EVIDENCE, st.sampled_from([("left", "right"), ("top", "bottom")]))
def test_the_shares_of_opposite_halves_sum_to_one(evidence, both):
    shares = shares_in(evidence, np.stack([half_mask(8, name) for name in both]))
    assert shares is None or sum(shares) == pytest.approx(1)


def test_a_superpixel_counts_by_its_weight_and_not_by_its_size():
    segments = np.zeros((8, 8), dtype=int)
    segments[:4, :4], segments[7, 7] = 1, 2
    features = [LimeFeature(1, 0.2), LimeFeature(2, 0.6), LimeFeature(0, -0.5)]
    assert shares_in(lime_evidence(segments, features, 1), quarter_masks(8)) == pytest.approx([0.25, 0, 0, 0.75])
    against = shares_in(lime_evidence(segments, features, 0), quarter_masks(8))
    assert against == pytest.approx([0, 16 / 47, 16 / 47, 15 / 47])


# a classifier whose answer is known


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("label", [0, 1])
def test_the_evidence_lies_in_the_only_quarter_that_has_it(evidence, place, label):
    pixels, areas = mosaic_of(place, label), quarter_masks(2 * SIDE)
    assert evidence.heatmaps(pixels, label, areas, seed=1)[evidence.chosen][place] > 0.95
    assert evidence.lime(pixels, label, areas, seed=1, samples=300)[LIME][place] > 0.95


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::7])
def test_another_order_of_the_pictures_moves_the_shares_with_them(evidence, order):
    quarters, areas = [speckled(k, int(k in (0, 3)), SIDE) for k in range(4)], quarter_masks(2 * SIDE)
    shares = evidence.heatmaps(compose(quarters), 1, areas, seed=1)[evidence.chosen]
    moved = evidence.heatmaps(compose([quarters[k] for k in order]), 1, areas, seed=1)[evidence.chosen]
    assert moved == pytest.approx([shares[k] for k in order], abs=0.05)


@pytest.mark.parametrize("name", HALVES)
def test_the_evidence_lies_in_the_replaced_half(name):
    photograph, round_trip = speckled(1, None, SIDE), speckled(2, 1, SIDE)
    pixels, areas = replace_half(photograph, round_trip, name), half_mask(SIDE, name)[None]
    with PositiveEvidence(FastClassifier(PlantedPredictor(Speckles(), SIDE)), SIDE) as evidence:
        assert evidence.heatmaps(pixels, 1, areas, seed=1)[evidence.chosen][0] > 0.95
        share = evidence.lime(pixels, 1, areas, seed=1, samples=200)[LIME][0]
        assert share > 0.75, "a few superpixels reach across the seam"
        control = replace_half(photograph, encoded_again(photograph), name)
        assert evidence.heatmaps(control, 1, areas, seed=1)[evidence.chosen] is None, "there is nothing to find"


def test_the_control_draws_its_random_weights_from_the_seed(evidence):
    pixels, areas = mosaic_of(2, 1), quarter_masks(2 * SIDE)
    control = next(name for name in evidence.candidates if name.startswith("randomcam"))
    first, again, other = (evidence.heatmaps(pixels, 1, areas, seed)[control] for seed in (1, 1, 2))
    assert first == again
    assert first != other


# mosaics


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=20, max_size=60), st.integers(0, 99))
def test_mosaics_hold_one_odd_picture_of_four_groups_and_are_balanced(pictures, seed):
    labels, groups = [int(fake) for fake, _ in pictures], [f"g{group}" for _, group in pictures]
    if min(len({g for g, of in zip(groups, labels) if of == label}) for label in (0, 1)) < 4:
        with pytest.raises(ValueError, match="at least 4 sources of each class, and found [0-3] of class"):
            draw_mosaics(labels, groups, 16, seed)
        return
    mosaics = draw_mosaics(labels, groups, 16, seed)
    for mosaic in mosaics:
        assert len({groups[k] for k in mosaic.pictures}) == 4
        assert [labels[k] == mosaic.label for k in mosaic.pictures] == [k == mosaic.place for k in range(4)]
    assert len(set(Counter((mosaic.label, mosaic.place) for mosaic in mosaics).values())) == 1
    assert len({(mosaic.label, mosaic.place) for mosaic in mosaics[:8]}) == 8
    assert len({mosaic.odd for mosaic in mosaics}) == len(mosaics)
    assert mosaics == draw_mosaics(labels, groups, 16, seed)


def test_companions_are_used_about_equally_often():
    labels, groups = [0] * 12 + [1] * 12, [str(k) for k in range(24)]
    used = Counter(k for mosaic in draw_mosaics(labels, groups, 24, 3) for k in mosaic.pictures if k != mosaic.odd)
    assert set(used.values()) == {3}


def test_too_few_mosaics_are_refused():
    with pytest.raises(ValueError, match="4 mosaics cannot be balanced .* ask for 8 or more"):
        draw_mosaics([0, 1] * 10, [str(k) for k in range(20)], 4, 1)


def test_confident_pictures_are_the_upper_half_of_those_that_are_right():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    fake = np.array([0.4, 0.1, 0.9, 0.2, 0.6, 0.1, 0.8, 0.95])
    assert confident(labels, fake).tolist() == [1, 3, 6, 7]


def test_a_quarter_keeps_the_scale_of_a_convolutional_network_and_a_vit_sees_half_of_it():
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=96, dynamic_img_size=True)
    assert quarter_side(timm.create_model("resnet18", num_classes=2), 96) == 96
    assert quarter_side(timm.create_model("rexnet_150", num_classes=2), 96) == 96
    assert quarter_side(vit, 96) == 48


def test_quarters_are_composed_in_reading_order():
    mosaic = compose([np.full((4, 4, 3), k, np.uint8) for k in range(4)])
    assert mosaic.dtype == np.uint8
    assert [set(mosaic[mask].ravel().tolist()) for mask in quarter_masks(8)] == [{k} for k in range(len(QUARTERS))]


# summaries


def test_a_summary_has_intervals_counts_flat_maps_as_chance_and_finds_equal_methods():
    mosaics = [Mosaic((0, 1, 2, 3), k % 4, k % 2) for k in range(8)]
    right = [[0.7 if place == mosaic.place else 0.1 for place in range(4)] for mosaic in mosaics]
    rows = [(m, {"a at x": s, "b at x": s, "randomcam at x": None}) for m, s in zip(mosaics, right)]
    for number in range(2):
        rows[number][1][LIME] = right[number]
    summary = summarise_pointing(rows, CANDIDATES, "a at x", list("wxyz"), seed=1)
    a, b, control, lime = summary["rows"]
    assert a["share"] == a["real"] == a["fake"] == {"value": 0.7, "low": 0.7, "high": 0.7}
    assert (a["chosen"], a["control"], a["same_as"], a["n"]) == (True, False, None, 8)
    assert (b["chosen"], b["same_as"]) == (False, "a at x")
    assert (control["control"], control["flat"], control["share"]["value"]) == (True, 8, 0.25)
    assert (lime["n"], lime["layer"]) == (2, "")
    assert (summary["n"], summary["groups"]) == (8, 4)


def test_a_half_is_compared_with_its_own_control():
    shares, controls = [{"a at x": [0.8]}, {"a at x": [0.6]}] * 3, [{"a at x": [0.5]}, {"a at x": None}] * 3
    summary = summarise_halves(shares, controls, CANDIDATES, "a at x", list("uvwxyz"), seed=1)
    (row,) = summary["rows"]
    assert [row[key]["value"] for key in ("share", "encoded_again", "difference")] == [0.7, CHANCE, 0.2]
    assert row["difference"]["low"] > 0
    assert (row["n"], row["flat"]) == (6, 0)


# pairs


def write_pairs(root: Path, names: list[tuple[str, str, str]], sizes: tuple[int, int] = (40, 40)) -> DatasetRoot:
    """A root with a photograph and its round trip for each (split, group, name); `sizes` of both."""
    items = []
    for number, (split, group, name) in enumerate(names):
        for label, folder in enumerate(("0_real", "1_fake")):
            path = f"{split}/{folder}/{name}.png"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(speckled(number, label, sizes[label])).save(root / path)
            items.append(Item(path, "", label, split, group))
    write_manifest(root / "manifest.csv", items)
    return DatasetRoot.at(root)


def test_a_pair_is_a_photograph_and_its_round_trip(tmp_path):
    data = write_pairs(tmp_path, [("test", f"g{k // 2}", f"p{k}") for k in range(10)])
    pairs = find_pairs(data, 64, seed=1)
    assert len(pairs) == 8, "each half is replaced equally often"
    assert all(pair.photograph.label == 0 and pair.round_trip.label == 1 for pair in pairs)
    assert all(pair.photograph.name == pair.round_trip.name for pair in pairs)
    assert len({pair.photograph.group for pair in pairs[:5]}) == 5, "sources take turns"


def test_the_pairs_of_dataset_align_have_names_of_their_own_and_the_file_they_were_made_of(tmp_path):
    items = []
    for number in range(8):
        for label, name in enumerate(("0_real/real", "1_fake/fake")):
            path = f"test/{name}_{number:06}.png"
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(speckled(number, label, 40)).save(tmp_path / path)
            items.append(Item(path, "", label, "test", f"g{number // 2}", file=f"mine/{number}.jpg"))
    write_manifest(tmp_path / "manifest.csv", items)
    pairs = find_pairs(DatasetRoot.at(tmp_path), 8, seed=1)
    assert len(pairs) == 8
    assert all(pair.photograph.file == pair.round_trip.file for pair in pairs)


def test_pairs_of_other_splits_are_taken_only_where_the_test_split_has_none(tmp_path):
    names = [("train", f"g{k}", f"p{k}") for k in range(6)]
    assert {p.photograph.split for p in find_pairs(write_pairs(tmp_path / "a", names), 4, 1)} == {"train"}
    both = names + [("test", f"t{k}", f"t{k}") for k in range(4)]
    assert {p.photograph.split for p in find_pairs(write_pairs(tmp_path / "b", both), 4, 1)} == {"test"}


@pytest.mark.parametrize("groups, sizes", [(3, (40, 40)), (6, (40, 41))])
def test_too_few_pairs_of_equal_size_are_refused(tmp_path, groups, sizes):
    data = write_pairs(tmp_path / "mine", [("test", f"g{k}", f"p{k}") for k in range(groups)], sizes)
    with pytest.raises(ValueError, match="at least 4 sources .* and mine has [03]: give the root"):
        find_pairs(data, 8, seed=1)


@pytest.mark.parametrize("name", HALVES)
def test_only_the_half_is_replaced(name):
    picture, other = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8)
    replaced = replace_half(picture, other, name)
    assert (replaced == np.where(half_mask(8, name)[..., None], 9, 0)).all()
    assert half_mask(8, name).mean() == CHANCE
