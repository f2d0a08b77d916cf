"""A training that is killed, resumed, launched as two processes or loaded by workers is the same training; and what cannot be
trained says why."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import ImageFilter
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from aireal.classifier import data as images
from aireal.classifier import model as models
from aireal.classifier import trainer as engine
from aireal.classifier.checkpoint import Checkpoints
from aireal.classifier.train import collect, fit, train_architecture
from aireal.cli import main
from aireal.config import PROFILES, DatasetRoot
from aireal.core.device import precision
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items, write_manifest
from helpers.images import noise

NUMBERS = replace(PROFILES["smoke"], limit=None, image_size=40, crop=32, ema_decay=0.9)  # a checkpoint at every step
EPOCHS, STEPS = 3, 9
DEADLY = {
    "step": (torch.optim.AdamW, "step"),
    "flush": (os, "fsync"),
    "rename": (Path, "replace"),
}  # the last two write a checkpoint
BATCH_NORM, LAYER_NORM = "test_resnet", "test_efficientnet_ln"  # timm's smallest

workers = multiprocessing.get_context("forkserver")
workers.set_forkserver_preload(["aireal.classifier.train"])


@pytest.fixture
def root(tmp_path) -> Path:
    """24 training and 12 validation images of 40 px; the fakes are a little smoother."""
    items = []
    for number, (split, label) in enumerate(
        [(split, label) for split, n in (("train", 12), ("val", 6)) for label in (0, 1) for _ in range(n)]
    ):
        path = f"data/train/{('0_real', '1_fake')[label]}/{number}.png"
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        noise(number, 40).filter(ImageFilter.GaussianBlur(0.6 + 0.03 * (number % 3) + 0.03 * label)).save(
            tmp_path / "root" / path
        )
        items.append(Item(path, str(number), label, split, str(number)))
    write_manifest(tmp_path / "root" / "manifest.csv", items)
    return tmp_path / "root"


def run_in(root: Path, out: Path, numbers=NUMBERS, seed: int = 7) -> Run:
    return Run("train", numbers, DatasetRoot.at(root), out, seed, torch.device("cpu"))


def train_here(root: Path, out: Path, kill: tuple | None = None, numbers=NUMBERS, seed: int = 7) -> None:
    """In a process of its own: a training with dropout, which is killed when it comes to the given call: which of `DEADLY`, and its number."""
    torch.set_num_threads(1)
    out.mkdir(exist_ok=True)
    sys.stdout = open(out / "said.txt", "w", buffering=1)
    create = models.create

    def with_dropout(*given):
        model, config = create(*given)
        model.drop_rate = 0.5
        return model, config

    models.create = with_dropout
    if kill:
        (owner, name), at = DEADLY[kill[0]], kill[1]
        original, calls = getattr(owner, name), itertools.count(1)

        def deadly(*given, **named):
            if next(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*given, **named)

        setattr(owner, name, deadly)
    train_architecture(run_in(root, out, numbers, seed), BATCH_NORM, EPOCHS)


def train(root: Path, out: Path, kill: tuple | None = None, **more) -> str:
    """What a training in a process of its own said."""
    process = workers.Process(target=train_here, args=(root, out, kill), kwargs=more)
    process.start()
    process.join(200)
    assert process.exitcode == (-signal.SIGKILL if kill else 0)
    return (out / "said.txt").read_text()


def result(out: Path, architecture: str = BATCH_NORM) -> tuple[bytes, dict]:
    """The weights' bytes, and all that is known of the training but for how long it took."""
    folder = out / "checkpoints" / architecture
    about = json.loads((folder / "config.json").read_text())
    about.pop("seconds")
    about["history"] = [{name: value for name, value in row.items() if name != "seconds"} for row in about["history"]]
    assert not (folder / "checkpoints").exists(), "nothing is left of a finished training's checkpoints"
    return (folder / "model.safetensors").read_bytes(), about


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_anywhere_it_ends_with_the_same_weights(root, tmp_path):
    train(root, tmp_path / "unbroken")
    whole = result(tmp_path / "unbroken")
    deaths = {
        "early": [("step", 1), ("step", 5)],  # before there is a checkpoint, then within the second epoch
        "writing": [("flush", 3), ("flush", 1)],  # half-way through the checkpoint after a validation, twice
        "late": [
            ("step", 8),
            ("rename", 2),
        ],  # then between the finished weights and the config.json that makes them count
    }
    for name, kills in deaths.items():
        for kill in kills:
            train(root, tmp_path / name, kill)
            assert not (tmp_path / name / "checkpoints" / BATCH_NORM / "config.json").exists()
        assert "going on after step" in train(root, tmp_path / name)
        assert result(tmp_path / name) == whole
    train(root, tmp_path / "other", seed=8)
    assert result(tmp_path / "other")[0] != whole[0], "another seed, another training"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_damaged_checkpoint_is_left_out_for_the_one_before(root, tmp_path):
    train(root, tmp_path / "unbroken")
    harm = {
        "cut": lambda b: b[: len(b) // 2],
        "flipped": lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:],
        "emptied": lambda b: b"",
    }
    for name, damage in harm.items():
        train(root, tmp_path / name, ("step", 6))
        files = sorted((tmp_path / name).rglob("step-*.safetensors"))
        assert [f.name for f in files] == ["step-00000004.safetensors", "step-00000005.safetensors"]
        files[-1].write_bytes(damage(files[-1].read_bytes()))
        said = train(root, tmp_path / name)
        assert "step-00000005.safetensors is damaged" in said and f"going on after step 4 of {STEPS}" in said
        assert result(tmp_path / name) == result(tmp_path / "unbroken")


def test_other_numbers_start_anew(root, tmp_path):
    train(root, tmp_path / "out", ("step", 3))
    said = train(root, tmp_path / "out", numbers=replace(NUMBERS, learning_rate=2e-3))
    assert "so the training starts anew" in said and "going on" not in said
    train(root, tmp_path / "fresh", numbers=replace(NUMBERS, learning_rate=2e-3))
    assert result(tmp_path / "out") == result(tmp_path / "fresh")


def test_two_trainings_do_not_share_a_folder(tmp_path):
    with Checkpoints(tmp_path / "checkpoints", "a").held():
        with (
            pytest.raises(ValueError, match="another training is running"),
            Checkpoints(tmp_path / "checkpoints", "a").held(),
        ):
            pass
    with Checkpoints(tmp_path / "checkpoints", "a").held():
        pass


def command(root: Path, out: Path, architecture: str, epochs: int) -> list[str]:
    return [
        "train",
        "--root",
        str(root),
        "--profile",
        "smoke",
        "--architecture",
        architecture,
        "--epochs",
        str(epochs),
        "--out",
        str(out),
    ]


def test_the_command_survives_kill_9(root, tmp_path):
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "aireal", *command(root, tmp_path / "killed", BATCH_NORM, 8)]
    process = subprocess.Popen(line, env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while (
        len(list((tmp_path / "killed").rglob("step-*.safetensors"))) < 2
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    said = {}
    for name in ("killed", "unbroken"):
        process = workers.Process(
            target=run_command, args=(command(root, tmp_path / name, BATCH_NORM, 8), tmp_path / f"{name}.txt")
        )
        process.start()
        process.join(200)
        assert process.exitcode == 0
        said[name] = (tmp_path / f"{name}.txt").read_text()
    assert "going on after step" in said["killed"] and "going on after step" not in said["unbroken"]
    assert result(tmp_path / "killed") == result(tmp_path / "unbroken")


def run_command(arguments: list[str], said: Path) -> None:
    torch.set_num_threads(1)
    sys.stdout = said.open("w", buffering=1)
    sys.exit(main(arguments))


def test_two_launched_processes_train_as_one(root, tmp_path):
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.accelerate_cli",
        "launch",
        "--num_processes",
        "2",
        "--cpu",
        "-m",
        "aireal",
    ]
    line = [
        *launch,
        *command(root, tmp_path / "two", LAYER_NORM, 4),
        "--exact",
    ]  # bfloat16 rounds what two processes add up in another order
    done = subprocess.run(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    assert done.stdout.count("no checkpoint matches") == done.stdout.count("kept: epoch") == 1, "one process speaks"
    assert "convolutions in float32" in done.stdout
    assert main([*command(root, tmp_path / "one", LAYER_NORM, 4), "--exact"]) == 0
    (_, two), (_, one) = (result(tmp_path / name, LAYER_NORM) for name in ("two", "one"))
    assert [row["images_seen"] for row in two["history"]] == [8, 16, 24, 32], (
        "each image once an epoch, over both processes"
    )
    for a, b in zip(two["history"], one["history"]):
        assert a == pytest.approx(b, abs=2e-3)
    a, b = (load_file(tmp_path / name / "checkpoints" / LAYER_NORM / "model.safetensors") for name in ("two", "one"))
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a), (
        "gradients are averaged, nothing is seen twice"
    )
    again = train_architecture(run_in(root, tmp_path / "one", PROFILES["smoke"]), LAYER_NORM, 4)
    assert not again.reused, "what was trained in float32 is another classifier"


def test_what_is_kept_is_what_was_measured(root, tmp_path):
    trained = train_architecture(run_in(root, tmp_path), BATCH_NORM, EPOCHS)
    model, config = models.load(tmp_path / "checkpoints" / BATCH_NORM)
    logits, labels = collect(
        model, images.loader(load_items(DatasetRoot.at(root), "val"), root, config, NUMBERS, train=False)
    )
    assert engine.validation_figures(logits, labels).items() <= trained.best.items()
    assert torch.equal(
        logits,
        collect(
            trained.model, images.loader(load_items(DatasetRoot.at(root), "val"), root, config, NUMBERS, train=False)
        )[0],
    )
    assert trained.images_seen == 24 * EPOCHS and trained.seconds == trained.history[-1]["seconds"] > 0


def test_curves_are_in_tensorboard(root, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(root, tmp_path, ("step", 6))
    train(root, tmp_path)
    history = result(tmp_path)[1]["history"]
    events = EventAccumulator(str(next((tmp_path / "tensorboard").iterdir()))).Reload()
    assert set(events.Tags()["scalars"]) == {
        "training/loss",
        "training/lr",
        "validation/loss",
        "validation/accuracy",
        "validation/auroc",
    }
    assert [e.step for e in events.Scalars("training/loss")] == list(range(1, STEPS + 1)), (
        "each step once, though it was killed"
    )
    assert [e.value for e in events.Scalars("validation/auroc")] == pytest.approx([row["val_auroc"] for row in history])


def some_model(root: Path, architecture: str = LAYER_NORM, numbers=NUMBERS):
    torch.manual_seed(1)
    model, config = models.create(architecture, numbers)
    train, val = (load_items(DatasetRoot.at(root), split) for split in ("train", "val"))
    return (
        model,
        images.loader(train, root, config, numbers, train=True, seed=3),
        images.loader(val, root, config, numbers, train=False),
    )


def test_it_stops_early_and_keeps_the_best(root, capsys):
    model, batches, held_out = some_model(root)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    history = fit(model, batches, held_out, 9, 0.0, True, "still", patience=2)  # learns nothing
    assert len(history) == 3 and "stops after 3 of 9" in capsys.readouterr().out
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_average_lags_behind_the_weights_and_is_what_counts(root):
    kept = []
    for decay in (0.0, 0.9):
        model, batches, held_out = some_model(root, BATCH_NORM)
        fit(model, batches, held_out, 1, 1e-2, True, seed=5, ema_decay=decay)
        kept.append(model.state_dict())
    raw, averaged = kept
    assert any(not torch.allclose(raw[name], averaged[name]) for name in raw if name.endswith("running_mean"))
    start = some_model(root, BATCH_NORM)[0].state_dict()
    weight = "fc.weight" if "fc.weight" in raw else next(name for name in raw if raw[name].ndim > 1)
    assert (averaged[weight] - start[weight]).norm() < (raw[weight] - start[weight]).norm()


def test_a_training_that_diverges_says_where_and_keeps_its_checkpoint(root, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"diverged: at step \d of 9 .*Try a learning rate below 1e\+30.*stays in"):
        train_architecture(run_in(root, tmp_path, replace(NUMBERS, learning_rate=1e30)), LAYER_NORM, EPOCHS)
    kept = sorted(tmp_path.rglob("step-*.safetensors"))
    assert kept and all(tensor.isfinite().all() for tensor in load_file(kept[-1]).values())
    assert len(train_architecture(run_in(root, tmp_path), LAYER_NORM, 1).history) == 1, (
        "and the next training is not disturbed"
    )


@pytest.mark.parametrize(
    "split, message",
    [("train", "train split of root has 12 images, but none of 1_fake"), ("val", "val split of root has 6")],
)
def test_a_class_without_images_is_named(root, tmp_path, capsys, split, message):
    items = [i for i in load_items(DatasetRoot.at(root)) if (i.split, i.label) != (split, 1)]
    write_manifest(root / "manifest.csv", items)
    run = run_in(root, tmp_path)
    with pytest.raises(ValueError, match=message):
        train_architecture(run, BATCH_NORM, 1)


def test_the_command_sums_up_and_reuses(root, tmp_path, capsys):
    assert main(command(root, tmp_path / "out", BATCH_NORM, 2)) == 0
    said = capsys.readouterr().out
    assert (
        "16 images seen" in said
        and "of 2, validation AUROC" in said
        and str(tmp_path / "out" / "checkpoints" / BATCH_NORM) in said
    )
    assert main(command(root, tmp_path / "out", BATCH_NORM, 2)) == 0
    assert "so it is used" in capsys.readouterr().out
    assert main(command(root, tmp_path / "out", "resnet_34", 2)) == 2
    assert "did you mean resnet34" in capsys.readouterr().err


@pytest.mark.parametrize("processes", [0, 2])
def test_an_epoch_is_the_same_however_it_is_loaded(root, processes):
    _, batches, _ = some_model(root)
    batches.sampler.set_epoch(2)
    again = DataLoader(batches.dataset, 8, sampler=batches.sampler, num_workers=processes)
    torch.manual_seed(99)
    whole = list(batches)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(whole, again))
    batches.sampler.set_epoch(3)
    assert not torch.equal(whole[0][0], next(iter(batches))[0])


def test_rates_and_groups():
    rates = [engine.rate(step, 100, 0.1) for step in range(100)]
    assert (
        rates[0] == pytest.approx(0.1)
        and max(rates) == rates[9] == rates[10] == 1.0
        and rates[55] == pytest.approx(0.5)
        and rates[-1] < 1e-3
    )
    assert np.argmax(rates) in (9, 10) and engine.rate(0, 1, 0.1) == 1.0
    model, _ = models.create("resnet34", replace(NUMBERS, pretrained=False))
    groups = engine.parameter_groups(model, 1e-3, from_scratch=False)
    where = {id(p): (g["peak"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert len(where) == len(list(model.parameters()))
    assert where[id(model.fc.weight)] == (1e-3, 0.05) and where[id(model.fc.bias)] == (1e-3, 0.0)
    assert where[id(model.conv1.weight)] == (1e-4, 0.05) and where[id(model.bn1.weight)] == (1e-4, 0.0)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists() or torch.cuda.is_available(),
    reason="asks an x86 Linux for its flags",
)
def test_bfloat16_only_where_the_processor_has_it():
    flags = Path("/proc/cpuinfo").read_text()
    assert precision(torch.device("cpu")) == ("bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "no")


def test_reduced_precision_is_real_or_refused(root, monkeypatch, capsys):
    monkeypatch.setattr(engine, "precision", lambda device: "bf16")
    model, batches, held_out = some_model(root)
    seen = []
    handle = model.conv_stem.register_forward_hook(lambda module, given, out: seen.append((module.training, out.dtype)))
    fit(model, batches, held_out, 1, 1e-3, True, "fast")
    assert "convolutions in bfloat16" in capsys.readouterr().out
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}, (
        "training is fast, validation in full precision"
    )
    seen.clear()
    collect(model, held_out)
    handle.remove()
    assert set(seen) == {(False, torch.float32)}, "prediction is in full precision again"
    broken = SimpleNamespace(device=torch.device("cpu"), mixed_precision="bf16", num_processes=1, autocast=nullcontext)
    with pytest.raises(ValueError, match="bf16 was asked for, but convolutions give torch.float32"):
        engine.effective_precision(broken)
