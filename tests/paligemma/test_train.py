"""Fine-tuning learns its rows, keeps the best weights, resumes after a kill and is not repeated."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from aireal.config import REPOSITORY
from aireal.paligemma import model as models
from aireal.paligemma import train, training_arguments
from aireal.paligemma.callbacks import RegionAccuracy
from aireal.paligemma.number_format import compute_dtype
from aireal.paligemma.train import finetune
from aireal.paligemma.training_folder import last_complete_checkpoint
from helpers.images import write
from helpers.paligemma import PROFILE, batch_, examples_, folder_, rows_, small_, train_on_files  # noqa: F401


def lora_weights(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if ".lora_" in name}


def equal_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_finetuning_learns_its_rows_and_leaves_the_base_unchanged(small, rows, tmp_path):
    model, processor = small
    frozen = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrapped = models.attach_lora(model, 8)
    profile = dataclasses.replace(PROFILE, lora_steps=30, lora_batch=8, lora_rank=8)
    history = finetune(wrapped, processor, rows[:8], rows[8:14], profile, 7, tmp_path)
    assert history.steps == 30
    assert history.loss[-1][1] < history.loss[0][1]
    assert len(history.val_loss) >= 5
    assert [sample["wanted"] for sample in history.samples] == [row.sentence for row in rows[8:14]], "of both languages"
    assert {path.name for path in tmp_path.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "base.json",
        "README.md",
        "training.json",
    }
    for name, tensor in wrapped.unload().state_dict().items():
        assert torch.equal(tensor, frozen[name]), name


def test_a_finished_training_is_loaded_and_not_repeated(small, folder, rows, tmp_path):
    model, processor = small
    history = finetune(models.attach_lora(model, 4), processor, rows[:8], rows[8:12], PROFILE, 7, tmp_path)
    second = models.attach_lora(models.load(folder, "cpu")[0], 4)
    began = time.monotonic()
    assert finetune(second, processor, rows[:8], rows[8:12], PROFILE, 7, tmp_path) == history
    assert time.monotonic() - began < 2
    saved = models.load_adapter(models.load(folder, "cpu")[0], tmp_path)
    assert equal_weights(lora_weights(second), lora_weights(saved))


def test_checkpointed_activations_of_large_models_change_no_loss(folder, rows, tmp_path, monkeypatch):
    def losses(out):
        model, processor = models.load(folder, "cpu")
        return finetune(models.attach_lora(model, 4), processor, rows[:8], [], PROFILE, 7, tmp_path / out).loss

    plain = losses("plain")
    monkeypatch.setattr(training_arguments, "SMALL_HIDDEN", 0)
    assert np.allclose(losses("checkpointed"), plain, atol=2e-3)


def test_the_best_weights_on_validation_are_kept_not_the_last(small, folder, rows, tmp_path, monkeypatch):
    """Eleven steps, evaluated after 2, 4, ... and 11; the second and third differ only in their loss."""
    model, processor = small
    accuracies, evaluated = dict(zip((2, 4, 6, 8, 10, 11), (0.2, 0.8, 0.8, 0.4, 0.4, 0.1))), []

    def evaluate(self, model, loss):
        evaluated.append(lora_weights(model))
        accuracy = list(accuracies.values())[len(evaluated) - 1]
        return {"region": accuracy, "selection_score": accuracy - 1e-5 * loss}

    monkeypatch.setattr(RegionAccuracy, "__call__", evaluate)
    wrapped = models.attach_lora(model, 4)
    profile = dataclasses.replace(PROFILE, lora_steps=11)
    history = finetune(wrapped, processor, rows[:8], rows[8:14], profile, 7, tmp_path)
    assert history.val_region == [[step, accuracy] for step, accuracy in accuracies.items()]
    losses = dict(history.val_loss)
    assert history.best_step == (6 if losses[6] < losses[4] else 4)
    best = evaluated[list(accuracies).index(history.best_step)]
    saved = lora_weights(models.load_adapter(models.load(folder, "cpu")[0], tmp_path))
    assert equal_weights(saved, best)
    assert equal_weights(lora_weights(wrapped), best)
    assert not equal_weights(saved, evaluated[-1])


def test_training_stops_without_improvement(small, rows, tmp_path, monkeypatch):
    accuracies = iter((0.5, 0.8, 0.4, 0.7, 0.9))

    def evaluate(self, model, loss):
        accuracy = next(accuracies)
        return {"region": accuracy, "selection_score": accuracy - 1e-5 * loss}

    monkeypatch.setattr(RegionAccuracy, "__call__", evaluate)
    profile = dataclasses.replace(PROFILE, lora_steps=10, lora_patience=2)
    history = finetune(models.attach_lora(small[0], 4), small[1], rows[:8], rows[8:12], profile, 7, tmp_path)
    assert [step for step, _ in history.val_region] == [2, 4, 6, 8]
    assert history.steps == 8
    assert history.best_step == 4


def test_training_prints_memory_time_and_sentences(small, rows, tmp_path, capsys):
    model, processor = small
    finetune(models.attach_lora(model, 4), processor, rows[:8], rows[8:12], PROFILE, 7, tmp_path)
    output = capsys.readouterr().out
    assert "memory before the first step" in output
    assert "memory after the last step" in output
    assert " s left" in output
    assert output.count("validation sentences") == 6
    assert rows[8].prompt in output


def test_an_unknown_argument_of_the_trainer_stops_before_training(small, rows, tmp_path):
    model, processor = small
    with pytest.raises(ValueError, match="did you mean 'weight_decay'"):
        finetune(models.attach_lora(model, 4), processor, rows[:8], [], PROFILE, 7, tmp_path, weight_deca=0.1)
    assert not (tmp_path / "adapter_model.safetensors").exists()


def test_the_trainer_has_the_number_format_that_the_look_at_overflow_leaves(small, rows, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def to_bfloat16(model, processor, rows):
        base = model.get_base_model()
        base.weight_format = dataclasses.replace(base.weight_format, dtype=torch.bfloat16)

    def arguments(model, *numbers, **more):
        raise Stopped(compute_dtype(model))

    monkeypatch.setattr(train, "avoid_overflow", to_bfloat16)
    monkeypatch.setattr(train, "training_arguments", arguments)
    with pytest.raises(Stopped, match="bfloat16"):
        finetune(models.attach_lora(small[0], 4), small[1], rows[:8], [], PROFILE, 7, tmp_path)


@pytest.mark.fault(
    "files",
    "a disk that does not give PaliGemma's checkpoints",
    "cannot be read now",
    "no checkpoint is deleted; the training goes on once the disk answers",
)
def test_a_disk_that_does_not_answer_costs_no_checkpoint(tmp_path, monkeypatch):
    for step in (5, 10):
        for name in ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"):
            write(tmp_path / f"checkpoint-{step}" / name, b"{}")
    read_text = Path.read_text

    def broken(path, *arguments, **options):
        if path.name == "trainer_state.json":
            raise OSError(errno.EIO, "Input/output error")
        return read_text(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", broken)
        with pytest.raises(ValueError, match="checkpoint-10 cannot be read now .* run again"):
            last_complete_checkpoint(tmp_path)
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from helpers.paligemma import train_on_files
train_on_files(Path({folder!r}), Path({here!r}), "killed")
"""


@pytest.mark.fault(
    "processes",
    "`kill -9` of a fine-tuning, and a half-written checkpoint",
    "checkpoint-59 is incomplete",
    "the same adapter, byte for byte, as without the kill",
)
def test_a_killed_training_resumes_and_ends_the_same(folder, rows, tmp_path, capsys):
    """kill -9 after the first checkpoint, and a later incomplete one; the curve is that of an uninterrupted run."""
    for i, row in enumerate(rows[:8]):
        row.overlay.save(tmp_path / f"{i}.png")
    texts = json.dumps([[row.prompt, row.sentence] for row in rows[:8]], ensure_ascii=False)
    (tmp_path / "rows.json").write_text(texts, encoding="utf-8")
    program = KILLED.format(tests=str(REPOSITORY / "tests"), folder=str(folder), here=str(tmp_path))
    checkpoints = tmp_path / "killed" / "checkpoints"
    kill_when_written(program, checkpoints, "*/checkpoint-12/trainer_state.json")
    (written,) = checkpoints.glob("*/checkpoint-12")
    assert not (tmp_path / "killed" / "training.json").exists()
    incomplete = written.with_name("checkpoint-59")
    incomplete.mkdir()
    (incomplete / "adapter_model.safetensors").write_bytes(b"half")
    without = shutil.copytree(written, written.with_name("checkpoint-58"))
    (without / "optimizer.pt").unlink()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the killed process: sums in another order would differ in the last digit
    try:
        resumed, whole = train_on_files(folder, tmp_path, "killed"), train_on_files(folder, tmp_path, "unbroken")
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "checkpoint-59 is incomplete" in printed
    assert "checkpoint-58 is incomplete" in printed
    assert 12 <= resumed.resumed_from < 60
    assert resumed.steps == whole.steps == 60
    assert resumed.loss == whole.loss
    assert resumed.samples == whole.samples
    assert (resumed.val_region, resumed.best_step) == (whole.val_region, whole.best_step)
    killed, unbroken = ((tmp_path / out / "adapter_model.safetensors").read_bytes() for out in ("killed", "unbroken"))
    assert killed == unbroken


def is_whole(file: Path) -> bool:
    """Whether a JSON file was written to its end."""
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")))
    except ValueError:
        return False


def kill_when_written(program: str, folder, pattern: str) -> None:
    """Run a Python program and kill it as soon as the folder has a whole JSON file of that pattern."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 400
    while not any(map(is_whole, folder.glob(pattern))) and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    process.kill()
    process.wait()
