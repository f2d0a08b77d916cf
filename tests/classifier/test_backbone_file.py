"""A backbone's file gives back the network that was stored, within the precision it was stored in; a file that does not
fit is one sentence. A training starts from the file of its architecture."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from aireal import config as aireal_config
from aireal.classifier.backbone_file import read_backbone, read_metadata, save_backbone
from aireal.classifier.model import BACKBONE, build_classifier, create, load_backbone, sha256_of, start_alike
from aireal.classifier.train import fingerprint, train_architecture
from aireal.classifier.training_config import TrainingConfig
from aireal.config import PROFILES
from aireal.dataset.manifest import load_items
from helpers.backbones import ABOUT, body, write_backbone

BASELINES = ("rexnet_150", "vit_tiny_patch16_224")
ARCHITECTURES = ("resnet34", *BASELINES)
HALF_STEP = {"bf16": 2**-8, "int8": 0.5 / 127}  # largest error as a share of the largest weight of a channel


@pytest.fixture(params=["bf16", "int8"])
def precision(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    torch.manual_seed(3)
    return body(request.param)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty folder in place of the package's weights."""
    monkeypatch.setattr(aireal_config, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def test_every_tensor_comes_back_within_the_precision(network, precision, tmp_path):
    stored = read_backbone(write_backbone(tmp_path, network, precision))
    state = network.state_dict()
    assert stored.keys() == state.keys()
    for name, tensor in state.items():
        if tensor.ndim < 2:
            assert torch.equal(stored[name], tensor), name
            continue
        step = HALF_STEP["bf16" if tensor.shape[0] == 1 else precision]
        bound = step * tensor.flatten(1).abs().amax(dim=1) * (1 + 1e-4)  # float32 rounds, too
        assert ((stored[name] - tensor).flatten(1).abs().amax(dim=1) <= bound).all(), name


def test_a_classifier_computes_what_the_stored_network_computes_at_every_size(network, precision, tmp_path):
    model = build_classifier(network.pretrained_cfg["architecture"], 256).eval()
    load_backbone(model, write_backbone(tmp_path, network, precision))
    for side in (128, 256):
        pixels = torch.randn(2, 3, side, side)
        with torch.inference_mode():
            features = model.forward_head(model.forward_features(pixels), pre_logits=True)
            assert torch.cosine_similarity(features, network(pixels)).min() > 0.999


def test_8_bits_take_about_half_of_the_file(tmp_path):
    network = body("vit_tiny_patch16_224")
    sizes = [write_backbone(tmp_path / p, network, p).stat().st_size for p in ("int8", "bf16")]
    assert sizes[0] < 0.55 * sizes[1]


def test_position_embeddings_are_resampled_to_a_smaller_picture(tmp_path):
    network, model = body("vit_tiny_patch16_224"), build_classifier("vit_tiny_patch16_224", 96)
    load_backbone(model, write_backbone(tmp_path, network, "bf16"))
    assert model.pos_embed.shape == (1, 1 + 36, 192)
    assert torch.equal(model.pos_embed[:, 0], network.pos_embed[:, 0].bfloat16().float()), "the class token's stays"


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(1, 40), st.floats(1e-6, 1e4), st.integers(0, 2**31), st.booleans())
def test_8_bits_keep_the_sign_and_the_order_of_size_of_any_channel(tmp_path_factory, rows, columns, size, seed, zeros):
    weight = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32) * size
    weight[0] *= 0 if zeros else 1e-3  # channels of very different size share nothing
    path = tmp_path_factory.mktemp("b") / "b.safetensors"
    save_backbone({"w": torch.from_numpy(weight)}, path, "int8", ABOUT)
    stored = read_backbone(path)["w"].numpy()
    largest = np.abs(weight).max(axis=1, keepdims=True)
    assert (np.abs(stored - weight) <= largest * HALF_STEP["int8"] * 1.001).all()
    assert np.abs(stored).max(axis=1) == pytest.approx(largest[:, 0], rel=1e-5)
    assert (stored * weight >= 0).all()


def test_the_header_says_what_the_weights_are(tmp_path):
    path = write_backbone(tmp_path, body("rexnet_150"))
    expected = ABOUT | {"architecture": "rexnet_150", "seed": "7", "precision": "int8"}
    assert read_metadata(path).items() >= expected.items()


def test_metadata_and_precision_are_required(tmp_path):
    with pytest.raises(ValueError, match="lack recipe, teacher"):
        save_backbone({}, tmp_path / "b", "int8", {"architecture": "resnet34", "seed": 7})
    with pytest.raises(ValueError, match="bf16 or int8, not as 'int4'"):
        save_backbone({}, tmp_path / "b", "int4", ABOUT)
    with pytest.raises(ValueError, match="tensor w is not finite"):
        save_backbone({"w": torch.tensor([float("nan")])}, tmp_path / "b", "int8", ABOUT)
    assert not list(tmp_path.iterdir()), "nothing half-written is left"


def without(path, name: str) -> None:
    """Remove a tensor from a file."""
    tensors, header = load_file(path), read_metadata(path)
    del tensors[name]
    save_file(tensors, path, header)


@pytest.mark.fault(
    "weights",
    "a backbone file that lacks a tensor",
    "the name of what is missing",
    "nothing is filled with random numbers",
)
@pytest.mark.parametrize(
    "name, message",
    [
        ("blocks.3.attn.qkv.weight.scale", "has no blocks.3.attn.qkv.weight.scale, the scale of an 8-bit tensor"),
        ("blocks.3.norm1.bias", r"missing \['blocks.3.norm1.bias'\]"),
    ],
)
def test_a_missing_tensor_is_one_sentence(tmp_path, name, message):
    path = write_backbone(tmp_path, body("vit_tiny_patch16_224"))
    without(path, name)
    with pytest.raises(ValueError, match=message) as raised:
        load_backbone(build_classifier("vit_tiny_patch16_224", 96), path)
    assert "\n" not in str(raised.value)


@pytest.mark.fault(
    "weights",
    "a backbone file of another network, or a cut one",
    "it is of rexnet_150, not of resnet34; or: cannot be read ... Copy it again",
    "nothing is begun",
)
def test_a_file_of_another_network_and_a_cut_one_are_refused(tmp_path):
    path = write_backbone(tmp_path, body("rexnet_150"))
    with pytest.raises(ValueError, match="it is of rexnet_150, not of resnet34"):
        load_backbone(build_classifier("resnet34", 96), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read .* Copy it again"):
        load_backbone(build_classifier("rexnet_150", 96), path)


def test_an_architecture_without_file_starts_from_random_weights(weights):
    assert create("rexnet_150", PROFILES["sample"])[1].initial_weights == "random"
    write_backbone(weights, body("rexnet_150"))
    assert create("rexnet_150", PROFILES["sample"])[1].initial_weights == BACKBONE
    assert create("rexnet_150", PROFILES["sample"], None)[1].initial_weights == "random"


def test_networks_are_alike_where_all_or_none_have_a_file(weights):
    alike = []
    for architecture in ARCHITECTURES:
        alike.append(start_alike(PROFILES["sample"]))
        write_backbone(weights, body(architecture))
    assert alike == [True, False, False]
    assert start_alike(PROFILES["sample"])
    assert start_alike(PROFILES["full"]), "there all have weights of the hub"


@pytest.mark.parametrize("architecture", BASELINES)
def test_a_baseline_with_a_file_starts_from_its_linear_probe(weights, smoke_run, architecture, tmp_path):
    path = write_backbone(weights, body(architecture))
    run = dataclasses.replace(smoke_run, out=tmp_path)
    trained = train_architecture(run, architecture)
    assert [row["epoch"] for row in trained.history] == [0, 1], "the probe, then fine-tuning"
    assert trained.config.initial_weights == BACKBONE
    stored = json.loads(next((tmp_path / "checkpoints").glob("*/config.json")).read_text())
    assert stored["backbone_sha256"] == sha256_of(path)


def test_another_file_is_another_training(weights, smoke_run):
    items, training = load_items(smoke_run.data, "train", 4), TrainingConfig.of(smoke_run.profile, 7)
    prints = {fingerprint("rexnet_150", items, smoke_run.profile, training)}
    for precision in ("bf16", "int8"):
        write_backbone(weights, body("rexnet_150"), precision)
        prints.add(fingerprint("rexnet_150", items, smoke_run.profile, training))
    assert len(prints) == 3
