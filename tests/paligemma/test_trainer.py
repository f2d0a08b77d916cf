"""A training whose numbers are not finite stops with one sentence, and leaves no NaN in the weights."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from aireal.paligemma import model as models
from aireal.paligemma.data import Collator
from aireal.paligemma.train import finetune
from aireal.paligemma.trainer import EvaluatingTrainer, Numerics
from helpers.paligemma import PROFILE, batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


@pytest.fixture
def nan_on_every_third(monkeypatch):
    """Training losses of which every third is NaN; what the model computes otherwise is its own."""
    compute, calls = EvaluatingTrainer.compute_loss, []

    def compute_loss(self, model, inputs, **kwargs):
        loss = compute(self, model, inputs, **kwargs)
        calls.append(model.training)
        return loss * float("nan") if model.training and sum(calls) % 3 == 0 else loss

    monkeypatch.setattr(EvaluatingTrainer, "compute_loss", compute_loss)
    return calls


@pytest.mark.fault(
    "weights",
    "a loss that is no number in a fine-tuning",
    "the loss of 1 of 3 steps is not finite; dtype = 'bfloat16'",
    "no adapter with such numbers is stored",
)
def test_a_loss_that_is_nan_stops_the_training_before_the_weights_are_nan(small, rows, tmp_path, nan_on_every_third):
    wrapped = models.attach_lora(small[0], 4)
    with pytest.raises(ValueError, match="The loss of 1 of 3 steps is not finite.*dtype = 'bfloat16'"):
        finetune(wrapped, small[1], rows[:8], rows[8:12], PROFILE, 7, tmp_path)
    assert all(torch.isfinite(parameter).all() for parameter in wrapped.parameters())
    assert not (tmp_path / "adapter_model.safetensors").exists()


def scaler(scale: float):
    return SimpleNamespace(get_scale=lambda: scale)


def test_with_a_scaler_a_single_bad_loss_is_counted_and_the_third_stops():
    numerics = Numerics(SimpleNamespace(scaler=scaler(2.0**16), optimizer_step_was_skipped=False))
    for loss in (1.0, float("nan"), 0.5, float("inf")):
        numerics.check_loss(loss)
    assert (numerics.not_finite, numerics.seen) == (2, 4)
    with pytest.raises(ValueError, match="loss of 3 of 5 steps is not finite"):
        numerics.check_loss(float("nan"))


def test_steps_that_the_scaler_skips_are_counted_until_its_scale_is_used_up():
    accelerator = SimpleNamespace(scaler=scaler(2.0**15), optimizer_step_was_skipped=True)
    numerics = Numerics(accelerator)
    numerics.on_step_end(None, None, None)
    assert numerics.skipped == 1
    accelerator.scaler = scaler(0.5)
    with pytest.raises(ValueError, match="gradient of 2 of 0 steps is not finite"):
        numerics.on_step_end(None, None, None)


def test_a_validation_loss_that_is_nan_stops_the_training(small, rows, tmp_path, monkeypatch):
    compute = EvaluatingTrainer.compute_loss

    def compute_loss(self, model, inputs, **kwargs):
        loss = compute(self, model, inputs, **kwargs)
        if model.training:
            return loss
        return (loss[0] * float("nan"), *loss[1:]) if isinstance(loss, tuple) else loss * float("nan")

    monkeypatch.setattr(EvaluatingTrainer, "compute_loss", compute_loss)
    with pytest.raises(ValueError, match="The validation loss is not finite"):
        finetune(models.attach_lora(small[0], 4), small[1], rows[:8], rows[8:12], PROFILE, 7, tmp_path)


def test_a_training_without_bad_numbers_counts_none(small, rows, tmp_path):
    profile = dataclasses.replace(PROFILE, lora_steps=2)
    history = finetune(models.attach_lora(small[0], 4), small[1], rows[:8], [], profile, 7, tmp_path)
    assert (history.skipped, history.not_finite) == (0, 0)


def test_a_float16_checkpoint_is_read_where_there_is_no_scaler(small, tmp_path):
    """A T4 writes the scaler's state; an L4 trains in bfloat16 and has no scaler to load it into."""
    arguments = models_arguments(small[0], tmp_path)
    trainer = EvaluatingTrainer(models.attach_lora(small[0], 4), arguments, Collator(small[1]))
    (tmp_path / "checkpoint-1").mkdir()
    torch.save(torch.amp.GradScaler("cpu").state_dict(), tmp_path / "checkpoint-1" / "scaler.pt")
    trainer._load_scaler(str(tmp_path / "checkpoint-1"))
    assert trainer.accelerator.scaler is None


def models_arguments(model, folder):
    from aireal.paligemma.training_arguments import training_arguments

    return training_arguments(model, folder, 2, 2, 1e-3, 7, evaluate=False)
