"""Heatmap, superpixels, cues and record agree with planted causes."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from conftest import noise
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from aireal import evidence, lime
from aireal.gradcam import Heatmaps, overlay


class RedPatch(nn.Module):
    """A ResNet-shaped model that calls an image fake where it is red: the cause of its verdict is known."""

    def __init__(self):
        super().__init__()
        self.layer4 = nn.ModuleList([nn.Conv2d(3, 2, 8, stride=8, bias=False)])
        with torch.no_grad():
            weight = torch.tensor([[-1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
            self.layer4[0].weight.copy_(weight[:, :, None, None].expand(2, 3, 8, 8) / 64)

    def forward(self, x):
        return self.layer4[0](x).relu().mean((2, 3))


def picture_with_patch(row: int, column: int, side: int = 96) -> np.ndarray:
    image = np.full((side, side, 3), 90, dtype=np.uint8)
    cell = side // 3
    image[row * cell + 8:row * cell + 24, column * cell + 8:column * cell + 24] = (255, 0, 0)
    return image


def as_batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("place", range(9))
def test_gradcam_finds_the_patch_that_decides(place):
    image = picture_with_patch(*divmod(place, 3))
    with Heatmaps(RedPatch().eval(), 96) as heatmaps:
        heat = heatmaps(as_batch(image), [1])[0]
    assert heat.shape == (96, 96) and heat.min() >= 0 and heat.max() <= 1
    assert evidence.region_of(*evidence.peak_of(heat)) == evidence.REGIONS[place]


@pytest.mark.parametrize("place", [0, 4, 8])
def test_lime_finds_the_patch_that_decides(place):
    row, column = divmod(place, 3)
    image = np.asarray(noise(1, 96)) // 16 + 100  # hiding a superpixel behind its mean colour must change something everywhere
    patch = (slice(row * 32 + 8, row * 32 + 24), slice(column * 32 + 8, column * 32 + 24))
    image[patch] = np.asarray(noise(2, 16))

    def predict(batch):  # strong contrast between neighbours is what this model calls fake
        contrast = np.abs(np.diff(np.asarray(batch, dtype=float), axis=2)).mean((1, 2, 3))
        fake = 1 / (1 + np.exp(-(contrast - 4)))
        return np.stack([1 - fake, fake], 1)

    found = lime.explain(image, predict, samples=300, seed=1)
    covered = (found.segments[patch] == found.top[0].superpixel).mean()
    assert found.top[0].weight > 0 and covered > 0.5
    assert len(found.features) == found.segments.max() + 1 and found.r2 <= 1


def test_lime_gives_the_same_list_for_the_same_seed_and_agrees_with_the_package():
    from lime.lime_image import LimeImageExplainer

    image = np.asarray(noise(3, 48).resize((96, 96)))

    def predict(batch):
        score = np.asarray(batch, dtype=float)[:, :48].mean((1, 2, 3)) / 255
        return np.stack([1 - score, score], 1)

    once, twice = (lime.explain(image, predict, samples=120, seed=5) for _ in range(2))
    assert once.features == twice.features and once.r2 == twice.r2
    stock = LimeImageExplainer(random_state=5).explain_instance(
        image, predict, labels=(1,), top_labels=None, num_features=1000, num_samples=120, random_seed=5,
        segmentation_fn=lambda _: once.segments)
    wanted = dict(stock.local_exp[1])
    assert all(f.weight == pytest.approx(wanted[f.superpixel], abs=1e-9) for f in once.features)


def test_a_flat_picture_has_no_superpixels_to_compare():
    with pytest.raises(ValueError, match="one flat area"):
        lime.explain(np.full((64, 64, 3), 128, np.uint8), lambda b: np.full((len(b), 2), 0.5), samples=10, seed=0)


@pytest.mark.parametrize("side", [32, 64, 224, 512])
def test_superpixels_suit_the_picture_and_are_numbered_without_gaps(photograph, side):
    segments = lime.superpixels(np.asarray(photograph.resize((side, side))))
    numbers = np.unique(segments)
    assert (numbers == np.arange(len(numbers))).all() and 4 <= len(numbers) <= 130


@pytest.mark.parametrize("architecture, extra", [
    ("resnet34", {"zero_init_last": False}), ("rexnet_150", {}), ("vit_tiny_patch16_224", {"img_size": 96, "dynamic_img_size": True}),
])
def test_heatmaps_of_all_three_architectures_have_the_pictures_size(architecture, extra):
    model = timm.create_model(architecture, num_classes=2, **extra).eval()
    found = []
    with Heatmaps(model, 96) as heatmaps:
        for label in (0, 1):
            try:
                found.append(heatmaps(torch.randn(1, 3, 96, 96), [label]))
            except ValueError:  # random weights: the evidence for one of the two classes may be negative everywhere
                continue
    assert found and all(maps.shape == (1, 96, 96) and 0 <= maps.min() < maps.max() <= 1 for maps in found)


def test_a_flat_heatmap_is_an_error_that_names_the_layer():
    model = RedPatch().eval()
    with Heatmaps(model, 96) as heatmaps, pytest.raises(ValueError, match="layer Conv2d is flat"):
        heatmaps(as_batch(np.zeros((96, 96, 3), np.uint8)), [1])


def test_hooks_are_taken_off_again():
    model = RedPatch().eval()
    with Heatmaps(model, 96) as heatmaps:
        heatmaps(as_batch(picture_with_patch(0, 0)), [1])
        assert model.layer4[0]._forward_hooks
    assert not model.layer4[0]._forward_hooks


def test_an_unknown_model_says_which_kinds_are_known():
    with pytest.raises(ValueError, match="ResNet, rexnet or ViT"):
        Heatmaps(nn.Linear(3, 2), 96)


def test_the_overlay_is_red_where_the_map_is_hot_and_blue_where_it_is_cold(photograph):
    image = np.asarray(photograph)
    heat = np.zeros(image.shape[:2], np.float32)
    heat[:80, :80] = 1
    out = overlay(image, heat).astype(int)
    assert out.shape == image.shape and out[10, 10, 0] > out[10, 10, 2] and out[200, 200, 2] > out[200, 200, 0]


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_region_and_its_pixels_hold_the_point(x, y):
    marked = np.zeros((90, 120))
    marked[int(y * 90), int(x * 120)] = 1
    assert evidence.region_pixels(marked, evidence.region_of(x, y)).sum() == 1


@pytest.mark.parametrize("name, rgb", {
    "white": (250, 250, 250), "black": (5, 5, 5), "gray": (128, 128, 128), "red": (220, 20, 20), "green": (30, 160, 40), "blue": (20, 60, 220),
    "yellow": (240, 220, 30), "brown": (110, 60, 20), "orange": (250, 140, 20), "pink": (250, 120, 200), "purple": (130, 40, 200), "cyan": (60, 220, 230),
}.items())
def test_colours_have_the_names_people_use(rgb, name):
    assert evidence.colour_name(np.full((9, 9, 3), rgb, np.uint8)) == name


def test_cues_tell_flat_from_rough_and_dark_from_bright():
    flat = evidence.measure_cues(np.full((90, 90, 3), 20, np.uint8), "top-left")
    rough = evidence.measure_cues(np.asarray(noise(2, 90)), "middle-center")
    assert (flat.brightness, flat.texture, flat.edges, flat.colour) == ("dark", "smooth", "soft", "black")
    assert (rough.texture, rough.edges) == ("rough", "sharp")


@given(st.floats(0, 1))
def test_the_number_is_the_verdicts_own_and_has_two_decimals(p):
    label, percent = evidence.verdict(p)
    assert label == ("fake" if p >= 0.5 else "real") and 50 <= percent <= 100
    assert percent == round(100 * (p if label == "fake" else 1 - p), 2)


def test_a_record_survives_json():
    import json

    found = {"lime": (evidence.LimeFeature(57, 0.1056),), "lime_r2": 0.4}
    record = evidence.make_record("한글.jpg", np.asarray(noise(1, 96)), 0.98671, np.random.rand(96, 96), **found)
    assert evidence.EvidenceRecord.from_dict(json.loads(record.to_json())) == record and record.probability == 98.67
