"""Sanity check: cascading randomisation of weights."""

from __future__ import annotations

import pytest
import timm
import torch

from aireal.explain.faithfulness.sanity import cascading_randomisation, passes_sanity, randomised_blocks, reset_block
from aireal.explain.faithfulness.select_method import blurred_random
from helpers.planted_models import RedNet, pictures


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
