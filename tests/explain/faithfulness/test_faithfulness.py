"""Scores, controls, selection, occlusion, agreement and sanity check.

They are compared with the library and with toy classifiers whose answer is known.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pytorch_grad_cam.metrics import road as library

from aireal.evidence.cues import make_record, region_pixels
from aireal.evidence.record import REGIONS, EvidenceRecord, LimeFeature, Occlusion
from aireal.explain.faithfulness import imputation
from aireal.explain.faithfulness.agreement import chance_iou, heatmap_lime_iou, iou, lime_map
from aireal.explain.faithfulness.imputation import impute
from aireal.explain.faithfulness.occlusion import FILLINGS, occlude, occlusion_test, random_like, region_mask
from aireal.explain.faithfulness.sanity import cascading_randomisation, passes_sanity, randomised_blocks, reset_block
from aireal.explain.faithfulness.scores import curve_ends, hottest_pixels, insertion_deletion, rank_pixels, road
from aireal.explain.faithfulness.select_method import blurred_random, numpy_seed, select_heatmap
from aireal.explain.faithfulness.summary import summarise
from aireal.figures import explanations as figures
from helpers.planted_models import RedNet, as_batch, picture_with_patch


def redness(images: torch.Tensor) -> np.ndarray:
    """P(fake) of a toy classifier: the number of pixels that are redder than any blurred or averaged pixel."""
    excess = (images[:, 0] - images[:, 1:].mean(1) - 0.5).relu().mean((1, 2))
    return 1 - torch.exp(-200 * excess).numpy()


def pictures(count: int = 9) -> torch.Tensor:
    return as_batch(*(picture_with_patch(*divmod(place % 9, 3)) for place in range(count)))


def patch_maps(count: int = 9) -> np.ndarray:
    """The right maps: hot in the middle of the patch, colder with the distance, without ties."""
    y, x = np.mgrid[:96, :96]
    places = [divmod(place % 9, 3) for place in range(count)]
    squared = ((y - 32 * row - 15.3) ** 2 + (x - 32 * column - 15.8) ** 2 for row, column in places)
    return np.stack([np.exp(-distance / 300) + 1e-6 * (y + x / 97) for distance in squared]).astype(np.float32)


# imputation and occlusion

# of the library's imputer, which passes tensors to numpy
ignore_library_warning = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@ignore_library_warning
@pytest.mark.parametrize("side", [16, 24, 33])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_imputation_equals_the_librarys(side, share):
    images = torch.randn(2, 3, side, side)
    masks = torch.rand(2, side, side) < share
    masks[:, side // 4 : side // 2, side // 4 :] = True
    stock = library.NoisyLinearImputer(noise=0)
    expected = torch.stack([stock(image, (~mask).float()) for image, mask in zip(images, masks)])
    assert impute(images, masks, tolerance=1e-4).numpy() == pytest.approx(expected.numpy(), abs=5e-4)


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(bool, (16, 16)), st.integers(0, 99))
def test_an_imputation_keeps_visible_pixels_and_lies_between_their_extremes(mask, seed):
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    imputed, visible = impute(image, torch.from_numpy(mask)[None])[0], ~torch.from_numpy(mask)
    assert torch.isfinite(imputed).all()
    assert (imputed[:, visible] == image[0][:, visible]).all()
    if visible.any():
        low, high = (pick(image[0][:, visible], 1, keepdim=True).values[..., None] for pick in (torch.min, torch.max))
        assert (imputed >= low - 0.01).all()
        assert (imputed <= high + 0.01).all()


@pytest.mark.parametrize("side", [96, 128, 256])
@pytest.mark.parametrize("share", [0.2, 0.8, 0.97])
def test_wide_holes_are_filled_with_the_mean_of_their_neighbours(side, share, photograph, monkeypatch):
    monkeypatch.setattr(imputation, "STEPS", 30)  # it takes fewer than ten
    pixels = torch.from_numpy(np.asarray(photograph.resize((side, side))).copy())
    picture = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
    for seed in range(3):
        mask = torch.from_numpy(hottest_pixels(blurred_random(1, side, seed)[0], share))[None]
        imputed = impute(picture, mask)
        weight = imputation.neighbours(torch.ones(1, 1, side, side))
        error = (imputed - imputation.neighbours(imputed) / weight).abs() * mask
        assert float(error.max()) < 0.01
        assert imputed.min() >= picture.min() - 0.01
        assert imputed.max() <= picture.max() + 0.01


def test_all_pictures_of_a_batch_are_filled_as_if_alone():
    images, masks = torch.randn(3, 3, 32, 32), torch.rand(3, 32, 32) < 0.5
    masks[1] = True  # the whole picture
    together = impute(images, masks)
    assert all(torch.allclose(together[k], impute(images[k : k + 1], masks[k : k + 1])[0], atol=1e-4) for k in range(3))
    assert torch.allclose(together[1], images[1].mean((1, 2), keepdim=True).expand_as(images[1]), atol=1e-5)


@pytest.mark.parametrize("filling", FILLINGS)
def test_occlusion_changes_masked_pixels_alone_and_is_reproducible(filling):
    image, masks = torch.randn(1, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 4:12, 4:12], masks[1, 20:, 20:] = True, True
    changed, again = occlude(image, masks, filling, seed=3), occlude(image, masks, filling, seed=3)
    different = (changed != image).any(1)
    assert (different == masks).all()
    assert torch.equal(changed, again)
    assert filling != "noisy_linear" or not torch.equal(changed, occlude(image, masks, filling, seed=4))


def test_the_error_for_an_unknown_filling_names_the_known_ones():
    with pytest.raises(ValueError, match="choose one of blur, mean, noisy_linear"):
        occlude(torch.randn(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool), "magic")


# ranking and scores


@given(hnp.arrays(np.float32, (6, 7), elements=st.sampled_from([0.0, 0.25, 1.0])), st.floats(0, 1))
def test_the_hottest_share_has_exactly_that_many_pixels_and_no_hotter_ones_outside(heat, share):
    mask = hottest_pixels(heat, share)
    assert mask.sum() == round(share * 42)
    assert sorted(rank_pixels(heat)) == list(range(42))
    assert mask.all() or not mask.any() or heat[mask].min() >= heat[~mask].max()


def test_pixels_of_equal_heat_follow_from_the_hot_places_outwards():
    heat = np.zeros((32, 32))
    heat[20:24, 20:24] = 1
    rows, columns = np.nonzero(hottest_pixels(heat, 100 / 1024))
    assert rows.min() >= 14
    assert columns.min() >= 14


@ignore_library_warning
def test_road_equals_the_librarys(monkeypatch):
    class Quiet(library.NoisyLinearImputer):
        def __init__(self):
            super().__init__(noise=0)

    monkeypatch.setattr(library, "NoisyLinearImputer", Quiet)
    images, labels, rng = torch.rand(3, 3, 24, 24), [1, 0, 1], np.random.default_rng(0)
    permuted = rng.permutation(576).reshape(1, 24, 24).astype(np.float32) / 576
    maps = np.concatenate([blurred_random(2, 24, seed=1), permuted])

    def predict(x):
        contrast = x[:, 0, 4:12, 4:12].mean((1, 2)) - x[:, 1, 12:].mean((1, 2))
        return torch.sigmoid(5 * (contrast + 0.3 * x.std((1, 2, 3)) - 0.1))

    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.stack([1 - predict(x), predict(x)], 1)

    targets = [lambda out, label=label: out[label] for label in labels]
    expected = library.ROADCombined([20, 40, 60, 80])(images, maps, targets, Model())
    assert road(predict, images, maps, labels, noise=0) == pytest.approx(expected, abs=1e-3)
    assert np.abs(expected).min() > 0.01


@pytest.mark.parametrize("label", [0, 1])
def test_the_right_map_scores_high_and_its_reverse_as_low(label):
    images, right, labels = pictures(4), patch_maps(4), [label] * 4
    sign = 1 if label else -1  # the patch is evidence against the verdict real
    good, bad = (sign * road(redness, images, maps, labels) for maps in (right, 1 - right))
    assert (good > 0.2).all()
    assert good == pytest.approx(-bad, abs=1e-3)
    insertion, deletion = insertion_deletion(redness, images, right, labels)
    assert (sign * (insertion - deletion) > 0.5).all()


@given(st.integers(0, 99), st.sampled_from([np.sqrt, np.square, lambda x: 3 * x + 1]))
@settings(max_examples=4, deadline=None)
def test_scores_depend_on_the_order_of_heat_alone(seed, change):
    images = as_batch(picture_with_patch(0, 0, side=48))
    maps = np.random.default_rng(seed).permutation(48 * 48).reshape(1, 48, 48) / 2304
    ends = curve_ends(redness, images, [1])
    assert road(redness, images, change(maps), [1]) == pytest.approx(road(redness, images, maps, [1]))
    once, again = (insertion_deletion(redness, images, m, [1], ends=ends) for m in (maps, change(maps)))
    assert np.array(once) == pytest.approx(np.array(again))


def test_the_areas_of_a_constant_classifier_are_its_probability():
    insertion, deletion = insertion_deletion(lambda x: torch.full((len(x),), 0.7), pictures(2), patch_maps(2), [1, 0])
    assert insertion == pytest.approx([0.7, 0.3])
    assert deletion == pytest.approx([0.7, 0.3])
    with pytest.raises(ValueError, match="no number"):
        curve_ends(lambda x: torch.full((len(x),), float("nan")), pictures(1), [1])


# selection of the method


def test_the_selection_beats_its_controls_where_the_cause_is_planted_and_is_plain_json():
    model, images, groups = RedNet().eval(), pictures(), [f"g{k}" for k in range(9)]
    state = np.random.get_state()[1].copy()
    selection, again = (
        select_heatmap(model, images, redness, [1] * 9, groups, seed=1, methods=["gradcam", "layercam"])
        for _ in range(2)
    )
    rows = selection["rows"]
    assert (np.random.get_state()[1] == state).all()
    assert json.loads(json.dumps(selection)) == selection
    assert selection["beats_controls"]
    assert "beats both controls" in selection["words"]["controls"]
    assert [row["method"] for row in rows if row["control"]] == ["randomcam", "blurred random"]
    assert len(rows) == 6
    assert abs(rows[-1]["road"]["value"]) < 0.15 < rows[0]["road"]["value"]
    assert again["rows"][0]["road"] == rows[0]["road"]


def test_plain_gradcam_stays_and_nothing_beats_the_controls_where_nothing_matters():
    candidates = {"methods": ["layercam"], "layers": ["layer3.1"]}
    model, groups = RedNet().eval(), list("abcd")
    selection = select_heatmap(
        model, pictures(4), lambda x: np.full(len(x), 0.6), [1] * 4, groups, seed=1, **candidates
    )
    assert selection["winner"] == {"method": "gradcam", "layer": "layer4.1"}
    assert not selection["beats_controls"]
    assert "stays" in selection["words"]["choice"]
    assert "hint only" in selection["words"]["controls"]
    assert all(row["road"]["value"] == pytest.approx(0) for row in selection["rows"])


def test_a_flat_map_gains_nothing_over_the_blurred_random_map():
    blind = RedNet().eval()
    torch.nn.init.zeros_(blind.fc.weight)
    candidates = {"methods": ["gradcam"], "layers": ["layer4.1"]}
    selection = select_heatmap(blind, pictures(4), redness, [1] * 4, list("abcd"), seed=1, **candidates)
    plain, blurred = selection["rows"][0], selection["rows"][-1]
    assert plain["flat"] == 4
    assert blurred["flat"] == 0
    assert plain["road"] == blurred["road"]
    assert not selection["beats_controls"]


def test_methods_that_are_the_same_by_mathematics_are_scored_once():
    model, images = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval(), torch.randn(2, 3, 64, 64)
    selection = select_heatmap(model, images, lambda x: x.mean((1, 2, 3)).sigmoid(), [1, 1], ["a", "b"], seed=1)
    same_as = {(row["method"], row["layer"]): row["same_as"] for row in selection["rows"]}
    plain = "gradcam at layer4.1"
    assert same_as["hirescam", "layer4.1"] == plain
    assert same_as["xgradcam", "layer4.1"] == plain
    assert same_as["hirescam", "layer3.1"] is None


def test_random_controls_are_smooth_and_seeded_and_leave_numpys_generator_alone():
    maps, again = blurred_random(2, 64, 5), blurred_random(2, 64, 5)
    assert (maps == again).all()
    assert maps.min() == 0
    assert maps.max() == 1
    assert np.abs(np.diff(maps, axis=1)).max() < 0.2
    np.random.seed(3)
    expected = np.random.uniform()
    np.random.seed(3)
    with numpy_seed(9):
        inside = np.random.uniform()
    assert np.random.uniform() == expected != inside


# occlusion tests of one picture


@pytest.mark.parametrize("region", REGIONS)
def test_the_region_mask_is_the_region(region):
    image = np.arange(100 * 100).reshape(100, 100)
    assert (image[region_mask(region, 100)] == region_pixels(image, region).ravel()).all()


@given(hnp.arrays(bool, (12, 12)), st.integers(0, 999))
def test_a_random_area_has_the_same_size_and_profile(mask, seed):
    moved = random_like(mask, np.random.default_rng(seed))
    assert moved.sum() == mask.sum()
    for axis in (0, 1):
        assert sorted(moved.sum(axis)) == sorted(mask.sum(axis))


def test_a_random_area_lies_elsewhere():
    mask = region_mask("middle-center", 96)
    assert all(iou(mask, random_like(mask, np.random.default_rng(seed))) < 0.2 for seed in range(50))


def test_masking_the_patch_matters_more_than_masking_anything_else():
    image = pictures()[4]
    patch, again = (occlusion_test(redness, image, region_mask("middle-center", 96), 1, seed=2) for _ in range(2))
    assert patch == again
    assert patch.drop > 0.3
    assert patch.beats == 1
    assert patch.random_low <= patch.random <= patch.random_high < patch.drop
    elsewhere = occlusion_test(redness, image, region_mask("top-left", 96), 1, seed=2)
    assert abs(elsewhere.drop) < 0.01
    assert elsewhere.beats < 0.9
    against = occlusion_test(redness, image, region_mask("middle-center", 96), 0, seed=2)
    assert against.drop == pytest.approx(-patch.drop)
    with pytest.raises(ValueError, match="empty or the whole picture"):
        occlusion_test(redness, image, np.zeros((96, 96), bool), 1, seed=2)


# agreement and summary


def test_agreement_is_one_for_the_same_places_and_zero_for_others():
    segments = np.arange(25).reshape(5, 5).repeat(4, 0).repeat(4, 1)
    features = [LimeFeature(k, 1.0 if k < 5 else -0.5 if k >= 20 else 0.0) for k in range(25)]
    top = np.linspace(1, 0, 20)[:, None].repeat(20, 1)
    assert heatmap_lime_iou(top, segments, features, 1) == 1
    assert heatmap_lime_iou(1 - top, segments, features, 1) == 0
    assert heatmap_lime_iou(top, segments, features, 0) == 0
    assert heatmap_lime_iou(1 - top, segments, features, 0) == 1
    assert lime_map(segments, features[:3], 1)[0, 12:].tolist() == [0] * 8
    by_chance = chance_iou(top, segments, features, 1, seed=1, draws=400)
    assert 0.08 < by_chance < 0.4
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0


def record(k: int, fake: float, **measured) -> EvidenceRecord:
    heat = np.zeros((48, 48))
    heat[5, 5] = 1
    return make_record(f"{k}.png", np.full((48, 48, 3), 90, np.uint8), fake, heat, **measured)


def measured_records() -> list[EvidenceRecord]:
    """Eight records; the region of six matters more than random areas, and one has no test of LIME's superpixels."""
    rng, records = np.random.default_rng(0), []
    for k in range(8):
        matters, does_not = Occlusion(0.3 + 0.02 * k, 0.1, 0.0, 0.25, 1.0), Occlusion(0.0, 0.1, 0.0, 0.25, 0.25)
        measured = {
            "agreement": float(rng.uniform(0.05, 0.6)),
            "agreement_chance": 0.13,
            "region_removal": matters if k < 6 else does_not,
            "lime_removal": Occlusion(0.4, 0.1 + 0.01 * k, 0.0, 0.3, 0.9) if k != 3 else None,
        }
        records.append(record(k, 0.9 if k % 2 else 0.2, **measured))
    return records


def test_a_summary_counts_what_was_measured_and_leaves_out_what_was_not():
    records, groups = measured_records(), [f"g{k}" for k in range(8)]
    metrics = summarise(records, groups, seed=1)
    assert json.loads(json.dumps(metrics)) == metrics
    region = metrics["all"]["region"]
    assert region["beats_random"]["value"] == 0.75
    assert region["beats_random"]["low"] <= 0.75 <= region["beats_random"]["high"]
    assert region["beats"]["value"] == pytest.approx((6 + 2 * 0.25) / 8, abs=1e-4)
    assert region["excess"]["value"] == pytest.approx(region["drop"]["value"] - region["random"]["value"], abs=1e-3)
    assert metrics["all"]["lime"]["n"] == 7
    assert metrics["all"]["agreement"]["chance"] == 0.13
    assert metrics["real"]["n"] == 4
    assert metrics["fake"]["n"] == 4
    assert metrics["fake"]["lime"]["n"] == 3


def test_a_summary_of_nothing_measured_is_empty_and_not_an_error():
    metrics = summarise([record(0, 0.9), record(1, 0.8)], ["a", "b"], seed=1)
    assert metrics["all"] == {"n": 2, "agreement": None, "region": None, "lime": None}
    assert metrics["real"]["n"] == 0


# sanity check


def test_randomisation_starts_at_the_output_and_leaves_the_model_alone():
    model = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images, labels = torch.randn(3, 3, 64, 64), [1, 0, 1]
    record = cascading_randomisation(model, images, labels, 64, method="layercam", seed=1, repeats=2)
    names = [step["layer"] for step in record["steps"]]
    assert names[:3] == ["fc", "layer4.1", "layer4.0"]
    assert names[-2:] == ["bn1", "conv1"]
    assert record["layer"] == "layer4.1"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    for step in record["steps"]:
        assert -1 <= step["correlation"]["value"] <= 1
        assert 0 <= step["flat"] <= 1
    at_layer = cascading_randomisation(model, images, labels, 64, "layercam", "layer4.1", 1, 2)
    assert at_layer["steps"][0]["layer"] == "fc"


@pytest.mark.parametrize(
    "architecture, extra, last", [("rexnet_150", {}, "stem"), ("vit_tiny_patch16_224", {"img_size": 96}, "embeddings")]
)
def test_all_weights_of_the_other_architectures_are_drawn_anew(architecture, extra, last):
    model = timm.create_model(architecture, num_classes=2, **extra).eval()
    blocks = randomised_blocks(model)
    covered = {id(p) for _, modules in blocks for module in modules for p in module.parameters(recurse=False)}
    assert covered == {id(p) for p in model.parameters()}
    assert blocks[0][0] == "head"
    assert blocks[-1][0] == last


def test_the_sanity_check_is_passed_where_weights_decide_and_failed_where_the_picture_does():
    """Maps that follow the picture's brightness with any weights (an edge detector in disguise) must not pass."""

    class Parrot(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer4, self.fc = torch.nn.Sequential(torch.nn.AvgPool2d(8)), torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(self.layer4(x).mean((2, 3)))

    images = torch.from_numpy(blurred_random(6, 96, 3))[:, None].expand(-1, 3, -1, -1).clone()
    parrot = cascading_randomisation(Parrot().eval(), images, [1] * 6, 96, method="eigencam", seed=2)
    assert not passes_sanity(parrot)
    assert parrot["steps"][-1]["correlation"]["value"] == pytest.approx(1, abs=1e-3)
    net = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval()
    assert passes_sanity(cascading_randomisation(net, torch.randn(6, 3, 96, 96), [0, 1] * 3, 96, seed=2))


def test_weights_are_drawn_on_the_cpu_and_return_to_their_device(monkeypatch):
    """A GPU draws by a generator of its own, so its figure would differ from run to run."""
    moved, block = [], torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    monkeypatch.setattr(block, "to", lambda device: moved.append(device))
    monkeypatch.setattr(block[0], "reset_parameters", lambda: moved.append("drawn"))
    reset_block(list(block.modules()))
    assert moved == ["cpu", "drawn", torch.device("cpu")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_sanity_check_is_repeatable_on_a_gpu():
    net = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval().cuda()
    images = torch.randn(6, 3, 96, 96, device="cuda")
    first, second = (cascading_randomisation(net, images, [0, 1] * 3, 96, seed=2) for _ in range(2))
    assert first == second


def test_a_sanity_check_without_any_map_says_so():
    blind = RedNet().eval()
    torch.nn.init.zeros_(blind.fc.weight)
    with pytest.raises(ValueError, match="maps that are not flat"):
        cascading_randomisation(blind, pictures(2), [1, 1], 96)


# figures


def test_figures_show_every_candidate_control_image_and_step():
    model, images, groups = RedNet().eval(), pictures(4), list("abcd")
    selection = select_heatmap(model, images, redness, [1] * 4, groups, seed=1, methods=["gradcam", "layercam"])
    labels = [text.get_text() for text in figures.plot_heatmap_choice(selection).axes[0].get_yticklabels()]
    assert len(labels) == sum(row["same_as"] is None for row in selection["rows"])
    assert labels[-1] == "blurred random (control)"
    assert "6 of 8" in figures.plot_occlusion(measured_records()).axes[0].get_title()
    agreement = figures.plot_agreement(measured_records(), 0.12)
    legend = [text.get_text() for text in agreement.axes[0].get_legend().get_texts()]
    assert any("two random maps: 0.12" in text for text in legend)
    assert any("verdict fake: 4 images" in text for text in legend)
    sanity = cascading_randomisation(RedNet().eval(), pictures(2), [1, 1], 96, seed=2, repeats=1)
    assert len(figures.plot_sanity(sanity).axes[0].get_xticks()) == len(sanity["steps"]) + 1
