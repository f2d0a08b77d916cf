"""`aireal finetune` makes what is missing and trains; two processes train as one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from aireal.cli import main
from aireal.config import REPOSITORY
from aireal.paligemma.training_arguments import training_arguments
from helpers.fake_gpu import two_t4_  # noqa: F401  (a fixture)
from helpers.images import SAMPLE
from helpers.paligemma import folder_, small_  # noqa: F401  (fixtures)

ADAPTER = "products/data/paligemma_lora"


def command(out) -> list[str]:
    return ["finetune", "--profile", "smoke", "--root", str(SAMPLE), "--out", str(out), "--steps", "2"]


@pytest.fixture(scope="module")
def trained(smoke_run, tmp_path_factory):
    """The outputs of one process, with all that the training needs."""
    out = tmp_path_factory.mktemp("finetune") / "one"
    shutil.copytree(smoke_run.out, out)
    assert main(command(out)) == 0
    return out


def test_the_command_leaves_an_adapter_and_its_history(trained):
    record = json.loads((trained / ADAPTER / "training.json").read_text(encoding="utf-8"))
    assert record["history"]["steps"] == 2
    assert (record["history"]["skipped"], record["history"]["not_finite"]) == (0, 0)
    assert not (trained / ADAPTER / "checkpoints").exists()


def test_a_second_call_finds_the_finished_training(trained, capsys):
    before = (trained / ADAPTER / "adapter_model.safetensors").stat().st_mtime_ns
    assert main(command(trained)) == 0
    assert (trained / ADAPTER / "adapter_model.safetensors").stat().st_mtime_ns == before
    assert "2 steps" in capsys.readouterr().out


def test_two_processes_train_as_one(trained, tmp_path):
    out = tmp_path / "two"
    shutil.copytree(trained, out, ignore=shutil.ignore_patterns("paligemma_lora"))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "aireal"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([*torchrun, *command(out)], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("2 processes share each batch, 2 rows each") == 1, "only the first process prints"
    one, two = (load_file(folder / ADAPTER / "adapter_model.safetensors") for folder in (trained, out))
    assert one.keys() == two.keys()
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-4), name
    one, two = (json.loads((folder / ADAPTER / "training.json").read_text("utf-8")) for folder in (trained, out))
    assert two["fingerprint"] == one["fingerprint"], "the processes are no part of the training"
    assert [step for step, _ in two["history"]["val_region"]] == [step for step, _ in one["history"]["val_region"]]
    assert dict(two["history"]["loss"]) == pytest.approx(dict(one["history"]["loss"]), abs=1e-2)


def test_processes_that_cannot_share_a_batch_are_told(small, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 4 rows equally. Set lora_batch"):
        training_arguments(small[0], tmp_path, 2, 4, 1e-3, 7, evaluate=False)
