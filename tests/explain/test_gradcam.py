"""Heatmaps find planted causes, equal the library's and keep no memory; errors name the layer and the method."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import timm
import torch
from pytorch_grad_cam import GradCAM
from torch import nn

from aireal.evidence import record as evidence
from aireal.evidence.cues import peak_of, region_of
from aireal.explain.gradcam import (
    METHODS,
    Heatmaps,
    HeatmapsOfLayer,
    LogitDifference,
    candidate_layers,
    overlay,
    token_grid,
)
from helpers.planted_models import RedNet, RedPatch, as_batch, picture_with_patch

ARCHITECTURES = [
    ("resnet34", {"zero_init_last": False}),
    ("rexnet_150", {}),
    ("vit_tiny_patch16_224", {"img_size": 96, "dynamic_img_size": True}),
]


@pytest.mark.parametrize("place", range(9))
def test_gradcam_finds_the_patch_that_decides(place):
    image = picture_with_patch(*divmod(place, 3))
    with Heatmaps(RedPatch().eval(), 96) as heatmaps:
        heat = heatmaps(as_batch(image), [1])[0]
    assert heat.shape == (96, 96)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1
    assert region_of(*peak_of(heat)) == evidence.REGIONS[place]


# without the two eigen methods: the sign of a principal component is arbitrary
@pytest.mark.parametrize("method", [method for method in METHODS if not method.startswith("eigen")])
@pytest.mark.parametrize("layer", ["layer4.1", "layer3.1"])
def test_each_method_and_layer_finds_the_patch_in_a_deeper_net(method, layer):
    images = as_batch(*(picture_with_patch(*divmod(place, 3)) for place in range(9)))
    model = RedNet().eval()
    assert candidate_layers(model) == ["layer4.1", "layer3.1"]
    with Heatmaps(model, 96, method, layer) as heatmaps:
        regions = [region_of(*peak_of(heat)) for heat in heatmaps(images, [1] * 9)]
    assert regions == list(evidence.REGIONS)


@pytest.mark.parametrize("architecture, extra", ARCHITECTURES)
def test_heatmaps_of_all_three_architectures_equal_the_librarys(architecture, extra):
    model = timm.create_model(architecture, num_classes=2, **extra).eval()
    pixels, labels, compared = torch.randn(2, 3, 96, 96), [0, 1], 0
    for layer in candidate_layers(model):
        for method in ("gradcam", "layercam", "eigencam"):
            grid = token_grid(model, (96, 96))
            with METHODS[method](model, [model.get_submodule(layer)], reshape_transform=grid) as library:
                expected = library(pixels, [LogitDifference(label) for label in labels])
            with Heatmaps(model, 96, method, layer) as heatmaps:
                maps, usable = heatmaps.with_flat(pixels, labels)
            assert maps.shape == (2, 96, 96)
            assert maps[usable] == pytest.approx(expected[usable], abs=1e-6)
            compared += usable.sum()
    assert compared >= 8  # with random weights the evidence for a class may be negative everywhere, and the map flat
    assert len(set(candidate_layers(model))) == 2
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("architecture, extra", ARCHITECTURES)
def test_maps_of_all_methods_from_one_pass_equal_those_of_each_method(architecture, extra):
    model = timm.create_model(architecture, num_classes=2, **extra).eval()
    pixels, labels = torch.randn(2, 3, 96, 96), [0, 1]
    for layer in candidate_layers(model):
        with HeatmapsOfLayer(model, 96, list(METHODS), layer) as of_layer:
            together = of_layer(pixels, labels)
        assert list(together) == list(METHODS)
        for method, maps in together.items():
            with Heatmaps(model, 96, method, layer) as heatmaps:
                assert maps == pytest.approx(heatmaps.with_flat(pixels, labels)[0], abs=1e-4), method
    assert all(not module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", ["layercam", "eigencam"])  # Grad-CAM's maps of an untrained network may be flat
def test_maps_of_verdicts_equal_maps_of_the_same_labels(method):
    model, batch = timm.create_model("test_resnet", num_classes=2).eval(), torch.randn(4, 3, 96, 96)
    with torch.no_grad():
        logits = model(batch)
    threshold = logits[:, 1].median()  # an untrained network gives all pictures the same verdict
    with Heatmaps(model, 96, method) as heatmaps:
        maps, _, same_pass = heatmaps.of_verdicts(batch, lambda logits: int(logits[1] > threshold))
        assert np.array_equal(maps, heatmaps(batch, (logits[:, 1] > threshold).long().tolist()))
    assert same_pass.numpy() == pytest.approx(logits.numpy(), abs=1e-6)


def test_frozen_weights_and_no_grad_around_it_change_no_heatmap():
    images = as_batch(picture_with_patch(1, 2))
    model = RedNet().eval()
    with Heatmaps(model, 96) as heatmaps:
        expected = heatmaps(images, [1])
    model.requires_grad_(False)
    with Heatmaps(model, 96) as heatmaps, torch.no_grad():
        assert (heatmaps(images, [1]) == expected).all()
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_second_object_on_the_same_network_changes_nothing():
    model, pixels = timm.create_model("resnet18", num_classes=2, zero_init_last=False).eval(), torch.randn(2, 3, 64, 64)
    with Heatmaps(model, 64, "layercam", "layer3.1") as alone:
        expected = alone(pixels, [1, 1])
    with Heatmaps(model, 64) as outer, Heatmaps(model, 64, "layercam", "layer3.1") as nested:
        outer.with_flat(pixels, [1, 1])
        assert nested(pixels, [1, 1]) == pytest.approx(expected, abs=1e-6)


def test_memory_is_flat_over_2000_pictures_and_the_forwards_between_them():
    model, pixels = RedPatch().eval(), as_batch(*[picture_with_patch(1, 1)] * 10)
    with Heatmaps(model, 96) as heatmaps:

        def run(batches: int) -> int:
            for _ in range(batches):
                heatmaps(pixels, [1] * 10)
                with torch.inference_mode():
                    model(pixels)
            hooks = heatmaps.cam.activations_and_grads
            assert heatmaps.cam.outputs is None
            assert not hooks.activations
            assert not hooks.gradients
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            few, many = run(5), run(200)
        finally:
            tracemalloc.stop()
    assert many - few < 100_000  # bytes; one batch of maps alone has 368,640


def test_a_flat_heatmap_is_an_error_that_names_layer_and_method():
    with Heatmaps(RedPatch().eval(), 96) as heatmaps:
        flat = as_batch(np.zeros((96, 96, 3), np.uint8), picture_with_patch(0, 0))
        with pytest.raises(ValueError, match=r"\(gradcam\) of layer layer4.0 is flat"):
            heatmaps(flat, [1, 1])
        maps, usable = heatmaps.with_flat(flat, [1, 1])
    assert usable.tolist() == [False, True]
    assert not maps[0].any()
    assert maps[1].max() > 0.99


@pytest.mark.parametrize("method", ["gradcam", "eigencam"])
def test_logits_that_are_no_numbers_are_an_error_that_names_layer_and_method(method):
    model = RedPatch().eval()
    nn.init.constant_(model.layer4[0].weight, float("nan"))
    with (
        Heatmaps(model, 96, method) as heatmaps,
        pytest.raises(ValueError, match=rf"\({method}\) of layer layer4.0: .* no number"),
    ):
        heatmaps(as_batch(picture_with_patch(0, 0)), [1])


def test_hooks_are_removed_at_the_end():
    model = RedPatch().eval()
    with Heatmaps(model, 96) as heatmaps:
        heatmaps(as_batch(picture_with_patch(0, 0)), [1])
        assert model.layer4[0]._forward_hooks
    assert not model.layer4[0]._forward_hooks


def test_unknown_models_methods_and_layers_say_which_are_known():
    with pytest.raises(ValueError, match="ResNet, rexnet or ViT"):
        Heatmaps(nn.Linear(3, 2), 96)
    with pytest.raises(ValueError, match="'magic' is not known: choose one of gradcam, .*layercam"):
        Heatmaps(RedPatch(), 96, method="magic")
    with pytest.raises(ValueError, match="'fc' is no heatmap layer of this RedNet: choose one of layer4.1, layer3.1"):
        Heatmaps(RedNet(), 96, layer="fc")


def test_the_overlay_is_red_where_the_map_is_hot_and_blue_where_it_is_cold(photograph):
    image = np.asarray(photograph)
    heat = np.zeros(image.shape[:2], np.float32)
    heat[:80, :80] = 1
    drawn = overlay(image, heat).astype(int)
    assert drawn.shape == image.shape
    assert drawn[10, 10, 0] > drawn[10, 10, 2]
    assert drawn[200, 200, 2] > drawn[200, 200, 0]


def test_a_map_explains_the_logit_difference_and_not_one_logit():
    """Adding the same number to both logits must not change a map."""

    class Shifted(RedNet):
        def forward(self, x):
            logits = super().forward(x)  # first: the hooks record the first pass through the layer
            energy = self.layer3(self.stem(x).relu()).square().sum((1, 2, 3))
            return logits + 5 * x.mean((1, 2, 3))[:, None] + 3 * energy[:, None]

    torch.manual_seed(1)
    plain = RedNet().eval()
    shifted = Shifted().eval()
    shifted.load_state_dict(plain.state_dict())
    pixels = as_batch(picture_with_patch(0, 2), picture_with_patch(2, 1))
    with Heatmaps(plain, 96, layer="layer3.1") as a, Heatmaps(shifted, 96, layer="layer3.1") as b:
        assert a.cam.__class__ is GradCAM
        assert b(pixels, [1, 1]) == pytest.approx(a(pixels, [1, 1]), abs=1e-4)
