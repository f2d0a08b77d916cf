"""The estimate of memory and time counts the real weights and advises the smallest change."""

from __future__ import annotations

import dataclasses

import psutil
import pytest
import torch

from aireal.config import PROFILES
from aireal.paligemma import full_size
from aireal.paligemma.memory_estimate import Sizes, available_gib, estimate_finetuning, estimate_profile, memory, sizes
from aireal.paligemma.model import attach_lora
from aireal.paligemma.small.model import build_small_paligemma
from helpers.fake_gpu import fake_gpu, l4_, t4_, two_t4_  # noqa: F401  (fixtures)
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@pytest.fixture(name="full", scope="module")
def full_():
    return full_size.configuration(full_size.make_processor())


def test_counts_are_those_of_paligemma_3b(full):
    counts = sizes(full, 8)
    assert counts.weights == 2_923_466_480
    assert counts.adapter == 9_831_424
    assert counts.tokens == 320


def test_counts_are_those_of_a_built_model(small):
    model, _ = small
    assert sizes(model.config, 4).weights == model.num_parameters()
    wrapped = attach_lora(model, 4)
    assert sizes(model.config, 4).adapter == sum(p.numel() for p in wrapped.parameters() if p.requires_grad)


def test_an_estimate_grows_with_the_batch_and_shrinks_with_four_bits(full):
    gpu = torch.device("cuda")
    one, four = (estimate_finetuning(full, 8, batch, 100, gpu, available=14.7, speed=2e13) for batch in (1, 4))
    quantised = estimate_finetuning(full, 8, 4, 100, gpu, four_bit=True, available=14.7, speed=2e13)
    assert one.total < four.total
    assert quantised.total < four.total - 2.4
    assert four.fits
    assert four.seconds == pytest.approx(4 * one.seconds)
    assert 7 < one.total < 8.5  # the peak that one step reached on a CPU was 7.75 GiB


def test_the_advice_for_two_gpus_is_a_batch_that_both_can_share(full):
    shared = {"available": 8.5, "speed": 2e13, "processes": 2}
    estimate = estimate_finetuning(full, 8, 2, 100, torch.device("cuda"), **shared)
    assert estimate.advice == "set lora_batch = 2 in the profile", "one row on each"


@pytest.mark.fault(
    "processes",
    "a fine-tuning that will not fit the GPU",
    "does NOT fit, and the smallest change that makes it fit",
    "the estimate says it beforehand",
)
@pytest.mark.parametrize(
    ("available", "advice"),
    [
        (9.0, "set lora_batch = 1 in the profile"),
        (5.6, "set lora_batch = 1 and four_bit = True"),
        (3.0, "a larger GPU"),
    ],
)
def test_an_estimate_that_does_not_fit_advises_the_smallest_change(full, available, advice):
    estimate = estimate_finetuning(full, 8, 4, 100, torch.device("cuda"), available=available, speed=2e13)
    assert not estimate.fits
    assert advice in estimate.advice
    assert "does NOT fit" in estimate.summary()
    assert advice[1:] in estimate.summary()


def test_on_a_cpu_four_bits_are_not_advised(full):
    estimate = estimate_finetuning(full, 8, 64, 1, torch.device("cpu"), available=5.0, speed=1e11)
    assert "four_bit" not in estimate.advice
    assert "larger machine" in estimate.advice


def test_speed_and_free_memory_are_measured_where_they_are_not_given():
    estimate = estimate_finetuning(build_small_paligemma()[0].config, 4, 4, 10, torch.device("cpu"))
    assert 0 < estimate.seconds < 600
    assert estimate.fits
    assert "fits into" in estimate.summary()


def test_memory_counts_every_part_once():
    counts = Sizes(1000, 600, 10, 2, 3, 4, 5)
    parts = memory(counts, batch=1, weight_bytes=2, device="cuda", four_bit=True, checkpointing=True)
    assert parts["weights"] * 2**30 == pytest.approx(2 * 400 + 600 * 4.13 / 8)
    assert parts["adapter"] * 2**30 == pytest.approx(160)
    assert set(parts) == {"weights", "adapter", "logits", "activations", "libraries"}


def on_a_t4(full, **changes):
    return estimate_finetuning(full, 8, 4, 1000, torch.device("cuda"), **changes)


def test_paligemma_3b_fits_a_t4_in_these_parts(full, t4):
    estimate = on_a_t4(full)
    assert {name: round(value, 2) for name, value in estimate.parts.items()} == {
        "weights": 5.45,
        "adapter": 0.15,
        "logits": 4.29,
        "activations": 1.8,
        "libraries": 0.6,
    }
    assert estimate.fits
    assert estimate.advice == ""


def test_the_words_are_the_same_before_and_after_the_model_is_loaded(full, monkeypatch, t4):
    before = on_a_t4(full).summary()
    fake_gpu(monkeypatch, dataclasses.replace(t4, free=t4.free - 5.9, reserved=5.9))
    assert on_a_t4(full).summary() == before
    fake_gpu(monkeypatch, dataclasses.replace(t4, free=t4.free - 5.9))  # another process holds it
    assert "does NOT fit into the 8.6 GiB" in on_a_t4(full).summary()


def test_the_time_on_a_t4_is_the_published_one(full, t4, l4, monkeypatch):
    fake_gpu(monkeypatch, t4)
    assert on_a_t4(full).seconds == pytest.approx(4000 / 0.76)
    fake_gpu(monkeypatch, l4)
    faster = on_a_t4(full, speed=6e13)
    assert faster.seconds < 4000 / 0.76


def test_reranking_after_the_training_fits_beside_the_weights(full, t4):
    estimate = on_a_t4(full)
    # 16 rows of 64 positions and 257,216 words in 16 bits, and two float32 copies of one row
    assert estimate.rerank == pytest.approx((16 * 2 + 8) * 64 * 257_216 / 2**30)
    kept = estimate.parts["weights"] + estimate.parts["libraries"]
    assert kept + estimate.rerank < t4.free
    assert "reranking afterwards 0.61" in estimate.summary()


def test_float32_weights_do_not_fit_a_t4(full, t4):
    estimate = on_a_t4(full, dtype="float32")
    assert estimate.parts["weights"] == pytest.approx(2 * on_a_t4(full).parts["weights"])
    with pytest.raises(ValueError, match="does NOT fit.*lora_batch|does NOT fit.*four_bit"):
        estimate.require_fit()


def test_what_fits_is_let_through(full, t4):
    on_a_t4(full).require_fit()


def test_two_gpus_share_the_batch_of_a_profile(two_t4):
    profile = dataclasses.replace(PROFILES["full"], paligemma="embedded")
    one, two = (estimate_profile(profile, torch.device("cuda"), count, speed=2e13) for count in (1, 2))
    assert two.parts["logits"] == pytest.approx(one.parts["logits"] / 2)
    assert two.parts["weights"] == one.parts["weights"]


def test_memory_of_this_process_counts_as_free_on_a_cpu():
    held = psutil.Process().memory_info().rss
    assert available_gib(torch.device("cpu")) * 2**30 > held
