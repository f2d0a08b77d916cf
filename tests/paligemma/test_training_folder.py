"""Checkpoints go on in another number format, and nothing of another training is deleted."""

from __future__ import annotations

import dataclasses

import pytest

from aireal.paligemma import model as models
from aireal.paligemma import train as training
from aireal.paligemma.callbacks import RegionAccuracy
from aireal.paligemma.train import finetune
from helpers.interruption import stopped_after
from helpers.paligemma import PROFILE, batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)


class RuntimeEnds(Exception):
    """Where a runtime ends in the middle of a training."""


def train(folder, rows, out, dtype="auto", **numbers):
    model, processor = models.load(folder, "cpu", dtype=dtype)
    profile = dataclasses.replace(PROFILE, **numbers)
    return finetune(models.attach_lora(model, 4), processor, rows[:8], rows[8:12], profile, 7, out)


@pytest.fixture
def interrupted(folder, rows, tmp_path):
    """The checkpoints of a float16 training that ended at its third evaluation."""
    with stopped_after(2, RegionAccuracy, "__call__", error=RuntimeEnds):
        train(folder, rows, tmp_path, dtype="float16")
    return tmp_path


def checkpoints(out) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").glob("*/checkpoint-*"))


@pytest.mark.fault(
    "weights",
    "a fine-tuning goes on at a GPU with another number format",
    "began in float16 and goes on in bfloat16",
    "the steps that were done",
)
def test_a_float16_training_goes_on_in_bfloat16(folder, rows, interrupted, capsys):
    assert checkpoints(interrupted) == ["checkpoint-1", "checkpoint-2"]
    history = train(folder, rows, interrupted, dtype="bfloat16")
    assert (history.resumed_from, history.steps) == (2, 6)
    assert "began in float16 and goes on in bfloat16" in capsys.readouterr().out
    assert not (interrupted / "checkpoints").exists()


def test_a_finished_training_is_recognised_in_another_format(folder, rows, tmp_path):
    history = train(folder, rows, tmp_path, lora_steps=2)
    assert train(folder, rows, tmp_path, dtype="bfloat16", lora_steps=2) == history


@pytest.mark.fault(
    "weights",
    "checkpoints of another fine-tuning in the same folder",
    "checkpoints of 1 other trainings are kept",
    "they are kept, and go on when they are asked for",
)
def test_checkpoints_of_another_training_are_kept(folder, rows, interrupted, capsys):
    train(folder, rows, interrupted, lora_steps=2)
    assert checkpoints(interrupted) == ["checkpoint-1", "checkpoint-2"]
    assert "checkpoints of 1 other trainings are kept" in capsys.readouterr().out
    assert train(folder, rows, interrupted, dtype="float16").resumed_from == 2


def test_an_adapter_that_is_replaced_is_put_aside(folder, rows, tmp_path, capsys):
    train(folder, rows, tmp_path, lora_steps=1)
    first = (tmp_path / "adapter_model.safetensors").read_bytes()
    train(folder, rows, tmp_path, lora_steps=2)
    (kept,) = (tmp_path / "earlier").iterdir()
    assert (kept / "adapter_model.safetensors").read_bytes() == first
    assert f"put into {tmp_path.name}/earlier/{kept.name}" in capsys.readouterr().out
    assert models.load_adapter(models.load(folder, "cpu")[0], kept)


def test_an_adapter_that_a_kill_left_half_saved_is_not_put_aside(folder, rows, tmp_path, monkeypatch, capsys):
    def end(*_):
        raise RuntimeEnds

    with monkeypatch.context() as patch, pytest.raises(RuntimeEnds):
        patch.setattr(training, "finish", end)
        train(folder, rows, tmp_path, lora_steps=1)
    assert (tmp_path / "adapter_model.safetensors").is_file()
    train(folder, rows, tmp_path, lora_steps=1)
    assert not (tmp_path / "earlier").exists()
    assert "the adapter of another training" not in capsys.readouterr().out


@pytest.mark.fault(
    "weights",
    "a fine-tuning ends while an earlier adapter lies there",
    "",
    "the earlier adapter, until the next one is complete",
)
def test_an_adapter_stays_until_the_next_one_is_complete(folder, rows, tmp_path, monkeypatch):
    train(folder, rows, tmp_path, lora_steps=1)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}

    def end(self, model, loss):
        raise RuntimeEnds

    monkeypatch.setattr(RegionAccuracy, "__call__", end)
    with pytest.raises(RuntimeEnds):
        train(folder, rows, tmp_path, lora_steps=2)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == before
