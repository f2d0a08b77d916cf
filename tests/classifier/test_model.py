"""A stored classifier predicts the same after loading; weights that are missing or do not fit raise a useful error."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from aireal.classifier.cost import gmacs
from aireal.classifier.model import build_classifier, create, load, load_backbone, save
from aireal.config import PROFILES


def test_a_stored_classifier_predicts_the_same_after_loading(tmp_path):
    network, config = create("vit_tiny_patch16_224", PROFILES["smoke"])
    config = dataclasses.replace(config, temperature=1.7, bias=0.4)
    save(network, config, tmp_path, history=[])
    loaded, stored_config = load(tmp_path)
    pixels = torch.randn(2, 3, 96, 96)
    assert stored_config == config
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels), network.eval()(pixels))
    assert not list(tmp_path.glob("*.p*t*h*")), "weights are safetensors only"


@pytest.mark.fault("weights", "a folder without classifier", "the command that makes one", "nothing is begun")
def test_a_missing_classifier_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(ValueError, match="make demo"):
        load(tmp_path)


@pytest.mark.fault(
    "network",
    "the weights of a classifier's backbone cannot be downloaded",
    "profile='sample' needs no download",
    "nothing is begun",
)
def test_unreachable_weights_name_a_profile_without_download():
    with pytest.raises(ValueError, match="profile='sample'"):
        create("resnet34", PROFILES["full"])


def test_a_backbone_of_another_architecture_is_refused(tmp_path):
    network, _ = create("rexnet_150", PROFILES["smoke"])
    save_file({"nonsense": torch.zeros(2)}, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="does not fit"):
        load_backbone(network, tmp_path / "b.safetensors")


def test_multiply_accumulates_are_those_of_the_papers():
    assert gmacs(build_classifier("resnet34", 224).eval(), 224) == pytest.approx(3.67, abs=0.02)
    vit = gmacs(build_classifier("vit_tiny_patch16_224", 224).eval(), 224)
    tokens, width, depth = 197, 192, 12
    with_attention = 196 * 768 * width + depth * (12 * tokens * width**2 + 2 * tokens**2 * width)
    assert vit == pytest.approx(with_attention / 1e9, abs=0.01)
