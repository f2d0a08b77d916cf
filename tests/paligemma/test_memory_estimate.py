"""The estimate of memory and time counts the real weights and advises the smallest change."""

from __future__ import annotations

import pytest
import torch

from aireal.paligemma import full_size
from aireal.paligemma.memory_estimate import Sizes, estimate_finetuning, memory, sizes
from aireal.paligemma.model import attach_lora
from aireal.paligemma.small.model import build_small_paligemma
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
