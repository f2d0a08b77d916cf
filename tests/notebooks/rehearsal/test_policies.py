"""A rehearsal of `full`: what a run decides on each GPU before it computes anything. The GPUs are stand-ins."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState

from aireal.classifier import accelerator
from aireal.classifier.accelerator import INIT_SCALE, make_accelerator, process_state
from aireal.core.run import start
from aireal.explain.prepare_quantized import prepare_quantized
from aireal.paligemma import full_size
from aireal.paligemma.memory_estimate import estimate_finetuning
from aireal.paligemma.number_format import branch, dtype_for
from aireal.stages import requirements
from aireal.stages.requirements import check_requirements
from aireal.stages.sentence_model import choose_sentence_model
from helpers.fake_gpu import A100, L4, P100, T4, TWO_T4, fake_gpu
from helpers.images import SAMPLE
from helpers.runtimes import KEYS

SIXTEEN_BITS = {"fp16": torch.float16, "bf16": torch.bfloat16}


@pytest.fixture
def run_on(monkeypatch, tmp_path):
    """Start a run of `auto` on a GPU."""

    def run_on(gpu):
        fake_gpu(monkeypatch, gpu)
        monkeypatch.setattr(torch, "manual_seed", lambda seed: None)  # it would initialise CUDA
        return start("rehearsal", "auto", SAMPLE, out=tmp_path, keep=tmp_path / "keep")

    return run_on


@pytest.fixture
def full_shape():
    return full_size.configuration(full_size.make_processor())


@pytest.mark.parametrize(("gpu", "precision"), [(T4, "fp16"), (TWO_T4, "fp16"), (L4, "bf16"), (A100, "bf16")])
def test_a_gpu_takes_full_in_its_own_precision(run_on, full_shape, gpu, precision, capsys):
    run = run_on(gpu)
    assert (run.profile.name, run.device.type) == ("full", "cuda")
    assert f"{gpu.name}, {gpu.free:.1f} of {gpu.total:.1f} GiB free, {precision}" in capsys.readouterr().out
    assert dtype_for(full_shape, run.device, run.profile.dtype) == SIXTEEN_BITS[precision]
    assert branch(run.profile.paligemma, run.device) == str(SIXTEEN_BITS[precision]).removeprefix("torch.")
    profile, device = run.profile, run.device
    assert estimate_finetuning(full_shape, profile.lora_rank, profile.lora_batch, 1, device, speed=1e13).fits
    assert prepare_quantized(run) == {"used": False, "why": f"cuda computes in {precision}"}


@pytest.mark.parametrize(("gpu", "processes", "says"), [(TWO_T4, 1, True), (T4, 1, False), (TWO_T4, 2, False)])
def test_a_run_says_that_it_leaves_a_gpu_idle(run_on, monkeypatch, gpu, processes, says, capsys):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    run_on(gpu)
    assert ("one of 2 GPUs is used" in capsys.readouterr().out) == says


def test_processes_wait_while_one_makes_what_is_missing(monkeypatch):
    """torch's own limit of ten minutes is less than notebooks 03 and 04 take on a T4."""
    monkeypatch.setattr(accelerator, "PartialState", lambda **given: given)
    assert process_state()["timeout"] > timedelta(hours=6)


@pytest.mark.parametrize(("gpu", "precision"), [(T4, "fp16"), (L4, "bf16")])
def test_classifiers_train_in_it_with_a_gentle_scaler(run_on, gpu, precision):
    run_on(gpu)
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = make_accelerator(exact=False, logs=None)
        assert (accelerator.device.type, accelerator.mixed_precision) == ("cuda", precision)
        assert (accelerator.scaler.get_scale() if accelerator.scaler else None) == (
            INIT_SCALE if precision == "fp16" else None
        )
    finally:  # accelerate keeps device and precision for the rest of the process
        AcceleratorState._reset_state(reset_partial_state=True)


def test_a_gpu_without_kernels_takes_sample(run_on):
    run = run_on(P100)
    assert (run.profile.name, run.device.type) == ("sample", "cpu")


def test_the_captions_need_a_key_or_the_offline_author(run_on, monkeypatch):
    run = run_on(T4)
    with pytest.raises(ValueError, match="there is no ANTHROPIC_API_KEY.*author = 'offline'"):
        check_requirements(run, "claude")
    check_requirements(run, "claude", author="offline")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEYS["ANTHROPIC_API_KEY"])
    check_requirements(run, "claude")


def test_the_demonstration_on_a_new_runtime_fetches_no_gated_model(run_on, monkeypatch):
    run = run_on(T4)
    monkeypatch.setattr(requirements, "hf_hub_download", lambda *names, **options: pytest.fail("fetched"))
    check_requirements(run, "sentences")
    assert choose_sentence_model(run).name == "embedded"


def test_the_weights_of_a_t4_are_asked_for_on_a_disk_with_room(run_on, full_shape, monkeypatch, capsys):
    run = run_on(T4)
    asked = []
    monkeypatch.setattr(requirements, "hf_hub_download", lambda name, file, revision: asked.append((name, revision)))
    monkeypatch.setattr("aireal.paligemma.model.load_config", lambda *arguments: (full_shape, "float16"))
    monkeypatch.setattr(requirements.shutil, "disk_usage", lambda path: SimpleNamespace(free=60e9))
    check_requirements(run, "rexnet_150", run.profile.vit, run.profile.clip, "resnet34", "paligemma")
    assert asked[-1] == ("google/paligemma-3b-pt-224", "float16")
    assert [name for name, _ in asked[:-1]] == [
        "timm/rexnet_150.nav_in1k",
        "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
        "timm/vit_base_patch16_clip_224.openai",
        "timm/resnet34.a1_in1k",
    ]
