"""A tiny dataset root, trainings in processes of their own that a test can kill, and their results."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import ImageFilter
from torch import nn
from torch.utils.data import DataLoader

from aireal.classifier import train as train_module
from aireal.classifier.data import eval_loader, train_loader
from aireal.classifier.model import create
from aireal.classifier.training_config import TrainingConfig
from aireal.cli import main
from aireal.config import LABELS, PROFILES, DatasetRoot, Profile
from aireal.core.run import Run
from aireal.dataset.manifest import Item, load_items, write_manifest
from tests.helpers.images import noise

# `smoke` writes a checkpoint at every step
TINY = replace(PROFILES["smoke"], limit=None, image_size=40, crop=32, ema_decay=0.9)
EPOCHS, STEPS = 3, 9
BATCH_NORM, LAYER_NORM = "test_resnet", "test_efficientnet_ln"  # timm's smallest networks
KILL_POINTS = {  # name: (owner of a method, its name); the last two write a checkpoint
    "step": (torch.optim.AdamW, "step"),
    "flush": (os, "fsync"),
    "rename": (Path, "replace"),
}

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["aireal.classifier.train"])


def make_root(folder: Path) -> Path:
    """24 training and 12 validation images of 40 px; the AI images are a little smoother."""
    splits = [(split, label) for split, n in (("train", 12), ("val", 6)) for label in (0, 1) for _ in range(n)]
    items = []
    for number, (split, label) in enumerate(splits):
        item = Item(f"data/train/{LABELS[label]}/{number}.png", str(number), label, split, str(number))
        (folder / item.path).parent.mkdir(parents=True, exist_ok=True)
        blur = ImageFilter.GaussianBlur(0.6 + 0.03 * (number % 3) + 0.03 * label)
        noise(number, 40).filter(blur).save(folder / item.path)
        items.append(item)
    write_manifest(folder / "manifest.csv", items)
    return folder


def run_in(root: Path, out: Path, profile: Profile = TINY, seed: int = 7) -> Run:
    return Run("train", profile, DatasetRoot.at(root), out, seed, torch.device("cpu"))


def tiny_config(epochs: int, **numbers) -> TrainingConfig:
    """Numbers of a training from scratch on `make_root`."""
    return replace(TrainingConfig.of(TINY, seed=7, epochs=epochs), from_scratch=True, **numbers)


def model_and_loaders(root: Path, architecture: str = LAYER_NORM) -> tuple[nn.Module, DataLoader, DataLoader]:
    """A model, and loaders of training and validation."""
    torch.manual_seed(1)
    model, config = create(architecture, TINY)
    train, val = (load_items(DatasetRoot.at(root), split) for split in ("train", "val"))
    batches = train_loader(train, root, config, tiny_config(1, seed=3))
    return model, batches, eval_loader(val, root, config, TINY.batch_size)


def train_here(
    root: Path, out: Path, kill: tuple[str, int] | None = None, profile: Profile = TINY, seed: int = 7
) -> None:
    """Train a network with dropout in this process, which must be a new one.

    Args:
        kill: one of `KILL_POINTS` and the number of the call at which the process is killed.
    """
    torch.set_num_threads(1)
    out.mkdir(exist_ok=True)
    sys.stdout = open(out / "output.txt", "w", buffering=1)

    def create_with_dropout(*arguments):
        model, config = create(*arguments)
        model.drop_rate = 0.5
        return model, config

    train_module.create = create_with_dropout
    if kill:
        kill_at(*kill)
    run = run_in(root, out, profile, seed)
    train_module.train_architecture(run, BATCH_NORM, TrainingConfig.of(profile, seed, EPOCHS))


def kill_at(point: str, number: int) -> None:
    """Make the given call of a kill point end this process with SIGKILL."""
    owner, name = KILL_POINTS[point]
    original, calls = getattr(owner, name), itertools.count(1)

    def deadly(*arguments, **options):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(owner, name, deadly)


def train(root: Path, out: Path, kill: tuple[str, int] | None = None, **more) -> str:
    """`train_here` in a new process; what it printed."""
    process = processes.Process(target=train_here, args=(root, out, kill), kwargs=more)
    process.start()
    process.join(200)
    assert process.exitcode == (-signal.SIGKILL if kill else 0)
    return (out / "output.txt").read_text()


def command(root: Path, out: Path, architecture: str, epochs: int) -> list[str]:
    """Arguments of `aireal`."""
    options = {"root": root, "profile": "smoke", "architecture": architecture, "epochs": epochs, "out": out}
    return ["train", *(str(part) for name, value in options.items() for part in (f"--{name}", value))]


def run_command(arguments: list[str], output: Path) -> str:
    """The command in a new process with one thread; what it printed."""
    process = processes.Process(target=_run_command, args=(arguments, output))
    process.start()
    process.join(200)
    assert process.exitcode == 0
    return output.read_text()


def _run_command(arguments: list[str], output: Path) -> None:
    torch.set_num_threads(1)
    sys.stdout = output.open("w", buffering=1)
    sys.exit(main(arguments))


def result(out: Path, architecture: str = BATCH_NORM) -> tuple[bytes, dict]:
    """The bytes of the weights, and the stored configuration and history without their times."""
    folder = out / "checkpoints" / architecture
    stored = json.loads((folder / "config.json").read_text())
    stored.pop("seconds")
    stored["history"] = [{name: row[name] for name in row if name != "seconds"} for row in stored["history"]]
    assert not (folder / "checkpoints").exists(), "a finished training leaves no checkpoints"
    return (folder / "model.safetensors").read_bytes(), stored
