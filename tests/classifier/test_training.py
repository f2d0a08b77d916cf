"""A training that is killed, resumed or computed by two processes is the same training. One that cannot start raises an
error that names the cause."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from aireal.classifier import train as train_module
from aireal.classifier.checkpoint import Checkpoints
from aireal.classifier.data import eval_loader
from aireal.classifier.model import load
from aireal.classifier.train import fingerprint, model_folder, train_architecture
from aireal.classifier.training_config import TrainingConfig
from aireal.classifier.validation import collect_logits, validation_metrics
from aireal.cli import main
from aireal.config import PROFILES, REPOSITORY, DatasetRoot
from aireal.dataset.manifest import load_items, write_manifest
from helpers.images import SAMPLE
from helpers.training import (
    BATCH_NORM,
    EPOCHS,
    LAYER_NORM,
    STEPS,
    TINY,
    command,
    make_root,
    result,
    run_command,
    run_in,
    train,
)

needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")


@pytest.fixture
def root(tmp_path) -> Path:
    return make_root(tmp_path / "root")


@pytest.mark.fault(
    "processes",
    "`kill -9` of a training at a step, while a checkpoint is written, or between weights and configuration",
    "resumed after step ...",
    "the same weights, byte for byte, as without the kill",
)
@needs_sigkill
def test_a_training_killed_anywhere_ends_with_the_same_weights(root, tmp_path):
    train(root, tmp_path / "unbroken")
    unbroken = result(tmp_path / "unbroken")
    kills = {
        "early": [("step", 1), ("step", 5)],  # before there is a checkpoint, then within the second epoch
        "writing": [("flush", 3), ("flush", 1)],  # half-way through the checkpoint after a validation, twice
        "late": [
            ("step", 8),
            ("rename", 2),
        ],  # then between the finished weights and the config.json that completes them
    }
    for name, points in kills.items():
        for point in points:
            train(root, tmp_path / name, point)
            assert not (tmp_path / name / "checkpoints" / BATCH_NORM / "config.json").exists()
        assert "resumed after step" in train(root, tmp_path / name)
        assert result(tmp_path / name) == unbroken
    train(root, tmp_path / "other", seed=8)
    assert result(tmp_path / "other")[0] != unbroken[0], "another seed, another training"


@pytest.mark.fault(
    "weights",
    "a checkpoint that is cut off, changed by one bit, or empty",
    "step-00000005.safetensors is damaged",
    "the training goes on from the one before, to the same weights",
)
@needs_sigkill
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(root, tmp_path):
    train(root, tmp_path / "unbroken")
    damages = {
        "cut": lambda b: b[: len(b) // 2],
        "flipped": lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:],
        "emptied": lambda b: b"",
    }
    for name, damage in damages.items():
        train(root, tmp_path / name, ("step", 6))
        files = sorted((tmp_path / name).rglob("step-*.safetensors"))
        assert [f.name for f in files] == ["step-00000004.safetensors", "step-00000005.safetensors"]
        files[-1].write_bytes(damage(files[-1].read_bytes()))
        output = train(root, tmp_path / name)
        assert "step-00000005.safetensors is damaged" in output
        assert f"resumed after step 4 of {STEPS}" in output
        assert result(tmp_path / name) == result(tmp_path / "unbroken")


def test_a_checkpoint_that_the_disk_does_not_give_is_kept(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, "a")
    checkpoints.write(1, {"x": torch.zeros(3)}, {})

    def fail(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="cannot be read now .*run again"):
        patch.setattr("aireal.classifier.checkpoint.safe_open", fail)
        checkpoints.newest()
    assert checkpoints.newest() == tmp_path / "step-00000001.safetensors"


@pytest.mark.fault(
    "weights",
    "a checkpoint of a training with other numbers",
    "training restarts",
    "no step of the other training is mixed in",
)
@needs_sigkill
def test_other_numbers_restart_the_training(root, tmp_path):
    other = replace(TINY, learning_rate=2e-3)
    train(root, tmp_path / "out", ("step", 3))
    output = train(root, tmp_path / "out", profile=other)
    assert "training restarts" in output
    assert "resumed" not in output
    train(root, tmp_path / "fresh", profile=other)
    assert result(tmp_path / "out") == result(tmp_path / "fresh")


@pytest.mark.fault(
    "processes",
    "two trainings in one folder",
    "another training is running",
    "the second does not begin; when the first has ended, it may",
)
def test_two_trainings_do_not_share_a_folder(tmp_path):
    with Checkpoints(tmp_path / "checkpoints", "a").held():
        with (
            pytest.raises(ValueError, match="another training is running"),
            Checkpoints(tmp_path / "checkpoints", "a").held(),
        ):
            pass
    with Checkpoints(tmp_path / "checkpoints", "a").held():
        pass


@pytest.mark.fault(
    "processes",
    "`kill -9` of `aireal train` at a random moment",
    "resumed after step ...",
    "the same weights, byte for byte, as without the kill",
)
@needs_sigkill
def test_the_command_survives_kill_9(root, tmp_path):
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "aireal", *command(root, tmp_path / "killed", BATCH_NORM, 8)]
    process = subprocess.Popen(line, env=one_thread, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while len(list((tmp_path / "killed").rglob("step-*.safetensors"))) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    output = {
        name: run_command(command(root, tmp_path / name, BATCH_NORM, 8), tmp_path / f"{name}.txt")
        for name in ("killed", "unbroken")
    }
    assert "resumed after step" in output["killed"]
    assert "resumed after step" not in output["unbroken"]
    assert result(tmp_path / "killed") == result(tmp_path / "unbroken")


def test_two_processes_train_as_one(root, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "aireal"]
    # in float32: two processes sum in another order, which bfloat16 rounds differently
    line = [*torchrun, *command(root, tmp_path / "two", LAYER_NORM, 4), "--exact"]
    done = subprocess.run(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    assert done.stdout.count("no stored classifier matches") == 1, "only the first process prints"
    assert done.stdout.count("kept: epoch") == 1
    assert "convolutions in float32" in done.stdout
    assert main([*command(root, tmp_path / "one", LAYER_NORM, 4), "--exact"]) == 0
    (_, two), (_, one) = (result(tmp_path / name, LAYER_NORM) for name in ("two", "one"))
    seen = [row["images_seen"] for row in two["history"]]
    assert seen == [8, 16, 24, 32], "each image once an epoch, over both processes"
    for row_of_two, row_of_one in zip(two["history"], one["history"]):
        assert row_of_two == pytest.approx(row_of_one, abs=2e-3)
    a, b = (load_file(tmp_path / name / "checkpoints" / LAYER_NORM / "model.safetensors") for name in ("two", "one"))
    for name in a:
        assert torch.allclose(a[name], b[name], atol=1e-4), "gradients are averaged, no picture is seen twice"
    run = run_in(root, tmp_path / "one", PROFILES["smoke"])
    again = train_architecture(run, LAYER_NORM, TrainingConfig.of(run.profile, run.seed, 4))
    assert not again.reused, "what was trained in float32 is another classifier"


def test_the_stored_classifier_has_the_metrics_of_its_history(root, tmp_path):
    run = run_in(root, tmp_path)
    trained = train_architecture(run, BATCH_NORM, TrainingConfig.of(TINY, 7, EPOCHS))
    model, config = load(tmp_path / "checkpoints" / BATCH_NORM)
    val = load_items(DatasetRoot.at(root), "val")
    logits, labels = collect_logits(model, eval_loader(val, root, config, TINY.batch_size))
    assert validation_metrics(logits, labels).items() <= trained.best.items()
    in_memory, _ = collect_logits(trained.model, eval_loader(val, root, config, TINY.batch_size))
    assert torch.equal(logits, in_memory)
    assert trained.images_seen == 24 * EPOCHS
    assert trained.seconds == trained.history[-1]["seconds"] > 0


@needs_sigkill
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
    steps = [e.step for e in events.Scalars("training/loss")]
    assert steps == list(range(1, STEPS + 1)), "each step once, although it was killed"
    assert [e.value for e in events.Scalars("validation/auroc")] == pytest.approx([row["val_auroc"] for row in history])


@pytest.mark.fault(
    "weights",
    "a training that diverges",
    "diverged: at step ...; try a learning rate below ...",
    "the last finite checkpoint",
)
def test_a_divergence_names_the_step_and_leaves_a_usable_checkpoint(root, tmp_path):
    diverging = run_in(root, tmp_path, replace(TINY, learning_rate=1e30))
    with pytest.raises(ValueError, match=r"diverged: at step \d of 9 .*Try a learning rate below 1e\+30.*stays in"):
        train_architecture(diverging, LAYER_NORM, TrainingConfig.of(diverging.profile, 7, EPOCHS))
    checkpoints = sorted(tmp_path.rglob("step-*.safetensors"))
    assert checkpoints
    assert all(tensor.isfinite().all() for tensor in load_file(checkpoints[-1]).values())
    trained = train_architecture(run_in(root, tmp_path), LAYER_NORM, TrainingConfig.of(TINY, 7, 1))
    assert len(trained.history) == 1, "the next training is not disturbed"


@pytest.mark.people_have(
    "training or validation pictures of one class", "refused", "which split has no pictures of which class"
)
@pytest.mark.parametrize(
    "split, message",
    [("train", "train split of root has 12 images, but none of 1_fake"), ("val", "val split of root has 6")],
)
def test_a_class_without_images_is_named(root, tmp_path, split, message):
    items = [i for i in load_items(DatasetRoot.at(root)) if (i.split, i.label) != (split, 1)]
    write_manifest(root / "manifest.csv", items)
    with pytest.raises(ValueError, match=message):
        train_architecture(run_in(root, tmp_path), BATCH_NORM)


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="0 epochs train nothing"):
        TrainingConfig.of(TINY, seed=7, epochs=0)


def test_the_command_sums_up_and_reuses(root, tmp_path, capsys):
    assert main(command(root, tmp_path / "out", BATCH_NORM, 2)) == 0
    output = capsys.readouterr().out
    assert "16 images seen" in output
    assert "of 2, validation AUROC" in output
    assert str(tmp_path / "out" / "checkpoints" / BATCH_NORM) in output
    assert main(command(root, tmp_path / "out", BATCH_NORM, 2)) == 0
    assert "and is used" in capsys.readouterr().out
    assert main(command(root, tmp_path / "out", "resnet_34", 2)) == 2
    assert "Did you mean resnet34" in capsys.readouterr().err


def test_each_classifier_has_its_folder(smoke_run):
    folders = [
        model_folder(smoke_run, "resnet34"),
        model_folder(smoke_run, "resnet34", backbone=None),
        model_folder(smoke_run, smoke_run.profile.vit),
        model_folder(smoke_run, "rexnet_150"),
    ]
    others = smoke_run.out / "checkpoints"
    assert folders == [smoke_run.data.model, others / "resnet34_random", others / "vit", others / "rexnet_150"]


def changed(smoke_run, **changes) -> str:
    """The fingerprint of the smoke training with these changes."""
    items = load_items(DatasetRoot.at(SAMPLE), "train", 4)
    training = TrainingConfig.of(smoke_run.profile, 7)
    values = {"architecture": "resnet34", "items": items, "profile": smoke_run.profile, "training": training}
    return fingerprint(**(values | changes))


def test_the_fingerprint_changes_with_data_numbers_and_initial_weights(smoke_run):
    items, training = load_items(DatasetRoot.at(SAMPLE), "train", 4), TrainingConfig.of(smoke_run.profile, 7)
    fingerprints = [
        changed(smoke_run),
        changed(smoke_run, items=items[1:]),
        changed(smoke_run, profile=replace(smoke_run.profile, image_size=128)),
        changed(smoke_run, training=replace(training, seed=8)),
        changed(smoke_run, training=replace(training, epochs=99)),
        changed(smoke_run, training=replace(training, exact=True)),
        changed(smoke_run, backbone=None),
        changed(smoke_run, architecture="resnet18"),
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert changed(smoke_run) == fingerprints[0]


def test_the_fingerprint_follows_the_recipe_and_not_the_source(smoke_run, tmp_path):
    source = Path(train_module.__file__).read_text(encoding="utf-8")
    commented = changed_module(source + "\n# a comment\n", tmp_path / "commented.py")
    raised = changed_module(source.replace("RECIPE = 1 ", "RECIPE = 2 "), tmp_path / "raised.py")
    arguments = ("resnet34", [], smoke_run.profile, TrainingConfig.of(smoke_run.profile, 7))
    assert commented["fingerprint"](*arguments) == fingerprint(*arguments)
    assert raised["RECIPE"] == 2
    assert raised["fingerprint"](*arguments) != fingerprint(*arguments)


def changed_module(source: str, path: Path) -> dict:
    """The names of a copy of the module `train` with another source."""
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"aireal.classifier.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return vars(module)


@pytest.mark.fault(
    "notebooks",
    "a TensorFlow that cannot be imported beside newer libraries",
    "no TensorBoard logs: ...",
    "the training goes on without its logs",
)
def test_a_tensorflow_that_raises_costs_the_logs_and_not_the_training(root, tmp_path):
    """Colab's TensorFlow beside newer libraries; TensorBoard imports it."""
    package = tmp_path / "runtime" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('built for another protobuf')", encoding="utf-8")
    path = os.pathsep.join((str(package.parent), str(REPOSITORY)))
    line = [sys.executable, "-m", "aireal", *command(root, tmp_path / "out", LAYER_NORM, 1)]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-500:]
    assert "no TensorBoard logs: RuntimeError, built for another protobuf" in done.stdout
    assert "kept: epoch" in done.stdout
