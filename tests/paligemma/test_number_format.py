"""Number formats by GPU and by request, and the hub's branch that has them."""

from __future__ import annotations

import pytest
import torch
from transformers import PaliGemmaConfig

from aireal.config import PROFILES
from aireal.paligemma import model as models
from aireal.paligemma.number_format import branch, dtype_for, stored_bytes
from helpers.fake_gpu import A100, L4, P100, T4, fake_gpu, t4_  # noqa: F401  (a fixture)

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
PALIGEMMA, PALIGEMMA2 = "google/paligemma-3b-pt-224", "google/paligemma2-3b-pt-224"


@pytest.mark.parametrize(
    ("gpu", "asked", "dtype", "branch_name"),
    [
        (T4, "auto", torch.float16, "float16"),
        (P100, "auto", torch.float16, "float16"),
        (L4, "auto", torch.bfloat16, "bfloat16"),
        (A100, "auto", torch.bfloat16, "bfloat16"),
        (T4, "bfloat16", torch.bfloat16, "bfloat16"),
        (T4, "float32", torch.float32, "main"),
        (L4, "float16", torch.float16, "float16"),
    ],
)
def test_a_gpu_gets_its_format_and_the_branch_in_it(monkeypatch, gpu, asked, dtype, branch_name):
    fake_gpu(monkeypatch, gpu)
    assert dtype_for(PaliGemmaConfig(), CUDA, asked) == dtype
    assert branch(PALIGEMMA, CUDA, asked) == branch_name
    assert branch(PALIGEMMA2, CUDA, asked) == "main"


def test_a_small_model_is_float32_unless_asked(small_config, t4):
    assert dtype_for(small_config, CUDA) == torch.float32
    assert dtype_for(small_config, CUDA, "float16") == torch.float16


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="dtype 'int8' is no number format. Choose auto, float16, bfloat16, float32"):
        dtype_for(PaliGemmaConfig(), CPU, "int8")


def test_only_the_first_paligemma_has_float32_on_its_main_branch():
    assert (stored_bytes(PALIGEMMA, "main"), stored_bytes(PALIGEMMA, "float16")) == (4, 2)
    assert stored_bytes(PALIGEMMA2, "main") == 2


def test_the_weights_come_from_the_branch_in_the_gpus_format(monkeypatch, t4):
    asked = []

    def refuse(source, revision):
        asked.append(revision)
        raise OSError("gone")

    monkeypatch.setattr(models.PaliGemmaConfig, "from_pretrained", refuse)
    with pytest.raises(ValueError, match="gone"):
        models.load(PALIGEMMA, "cuda")
    assert asked == ["float16", "main"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_leaves_the_format_to_the_device(name):
    assert PROFILES[name].dtype == "auto"


@pytest.fixture(name="small_config")
def small_config_():
    return models.load_config("embedded", CPU)[0]
