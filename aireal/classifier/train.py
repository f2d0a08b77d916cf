"""Train a classifier: the same recipe for all architectures."""

from __future__ import annotations

import difflib
import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import timm
import torch
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader

from aireal.config import LABELS, Profile
from aireal.core.json_text import read_object
from aireal.core.made_of import remember_dataset
from aireal.core.run import Run, seed_everything
from aireal.dataset.manifest import Item, load_items
from aireal.dataset.readable import require_readable, unreadable

from .accelerator import process_state
from .calibration import fit_uncertain_band
from .checkpoint import Checkpoints
from .data import eval_loader, train_loader
from .linear_probe import probe_head
from .metrics import calibrated, fit_calibration
from .model import Backbone, ClassifierConfig, create, initial_file, load, read_config, save, sha256_of
from .trainer import fit
from .training_config import TrainingConfig
from .validation import collect_logits, validation_metrics

RECIPE = 1  # version of the training; raise it when the training computes something else


@dataclass
class Trained:
    """A trained classifier; `history` has a dict for each epoch, see `trainer.fit`."""

    model: nn.Module
    config: ClassifierConfig
    history: list[dict]
    seconds: float  # of training and validation, over all resumptions
    reused: bool = False

    @property
    def images_seen(self) -> int:
        """Training images, each counted as often as the network saw it."""
        return self.history[-1]["images_seen"]

    @property
    def best(self) -> dict:
        """The epoch whose weights are kept; epoch 0 is the linear probe."""
        return max(self.history, key=lambda row: row["val_auroc"])


def ensure_classifier(run: Run, retrain: bool = False) -> Trained:
    """The ResNet34 of the run's dataset root: the stored one if it matches, else a new one."""
    return train_architecture(run, "resnet34", retrain=retrain)


def train_architecture(
    run: Run,
    architecture: str,
    training: TrainingConfig | None = None,
    *,
    retrain: bool = False,
    backbone: Backbone = "auto",
) -> Trained:
    """Any timm architecture trained on the run's dataset root, and stored in `model_folder`.

    A stored classifier of the same data and numbers is used again. An interrupted training resumes from its last
    checkpoint, to the same result. A network with pretrained weights or a backbone starts with the classification layer
    of a linear probe, and its history starts with that probe as epoch 0. The epoch with the best validation AUROC is
    kept. The profile's CLIP stays frozen, so the probe is its only epoch. Then calibration and uncertain band are
    fitted on validation. TensorBoard's logs are in `run.out`/tensorboard.
    With several processes (`accelerate launch`, `torchrun`) every process calls this, and the first one writes.

    Args:
        training: the numbers of the training; None takes those of the run's profile.
        retrain: train even if a stored classifier matches.
        backbone: initial weights where the profile fetches none, see `model.create`; None starts from random weights.

    Raises:
        ValueError: unknown architecture, a class without images, pictures that cannot be read (all of them are named
            before the first step), or what `trainer.fit` raises.
    """
    training = training or TrainingConfig.of(run.profile, run.seed)
    folder = model_folder(run, architecture, backbone)
    later_stages_use_it = folder == run.data.model and process_state().is_main_process
    train, val = (load_items(run.data, split, run.profile.limit) for split in ("train", "val"))
    key = fingerprint(architecture, train + val, run.profile, training, backbone)
    if not retrain and (stored := load_trained(folder, key, run.device)):
        process_state().print(
            f"{architecture}: the stored classifier matches these data and numbers (fingerprint {key}) and is used. "
            "retrain=True trains a new one."
        )
        if later_stages_use_it:
            run.remember_profile()
            remember_dataset(run.data, "classifier")
        return stored
    require_both_classes(train, "train", run.data.root.name)
    require_both_classes(val, "val", run.data.root.name)
    require_architecture(architecture)
    look_at_all(run.data.root, train + val)
    process_state().print(
        f"{architecture}: no stored classifier matches, so a new one is trained: "
        f"{len(train)} images, {'a linear probe' if architecture == run.profile.clip else f'{training.epochs} epochs'}"
    )
    checkpoints = Checkpoints(folder / "checkpoints", key, run.profile.checkpoint_seconds)
    with checkpoints.held() if process_state().is_main_process else nullcontext():
        trained = _train(run, architecture, training, backbone, train, val, checkpoints)
        if process_state().is_main_process:
            # config.json must not stand beside weights that it does not describe
            (folder / "config.json").unlink(missing_ok=True)
            save(trained.model, trained.config, folder, history=trained.history, seconds=trained.seconds)
            checkpoints.clear()
        if later_stages_use_it:
            run.remember_profile()
            remember_dataset(run.data, "classifier")
    process_state().wait_for_everyone()
    return trained


def _train(
    run: Run,
    architecture: str,
    training: TrainingConfig,
    backbone: Backbone,
    train: list[Item],
    val: list[Item],
    checkpoints: Checkpoints,
) -> Trained:
    """Probe, train and calibrate a new classifier."""
    state, root = process_state(), run.data.root
    seed_everything(run.seed)
    model, config = create(architecture, run.profile, backbone)
    training = replace(training, from_scratch=config.initial_weights == "random")
    held_out = eval_loader(val, root, config, training.batch_size)
    probe = None
    if not training.from_scratch:
        probe = start_from_probe(model, eval_loader(train, root, config, training.batch_size), held_out)
    history, seconds = [], 0.0
    if not config.frozen:
        batches = train_loader(train, root, config, training)
        logs = run.out / "tensorboard" / f"{architecture}-{checkpoints.fingerprint}"
        history = fit(model, batches, held_out, training, architecture, checkpoints=checkpoints, logs=logs)
        seconds = history[-1]["seconds"]
    if probe:
        history, seconds = [probe.row, *history], seconds + probe.row["seconds"]
        if not config.frozen and probe.row["val_auroc"] >= max(row["val_auroc"] for row in history):
            model.load_state_dict(probe.weights)
            state.print(
                f"{architecture}: fine-tuning was no better on validation than the linear probe that it started from, "
                "so the probe is kept"
            )
    calibration = broadcast_object_list([calibrate(model, held_out) if state.is_main_process else None])[0]
    return Trained(model, replace(config, fingerprint=checkpoints.fingerprint, **calibration), history, seconds)


def fingerprint(
    architecture: str, items: list[Item], profile: Profile, training: TrainingConfig, backbone: Backbone = "auto"
) -> str:
    """16 hexadecimal digits that change with the data, the numbers, the initial weights, or the version of the
    recipe."""
    file = initial_file(architecture, profile, backbone)
    initial, files = sha256_of(file) if file else "", [(i.path, i.sha256, i.label, i.split) for i in items]
    parts = [RECIPE, architecture, profile.image_size, profile.pretrained, asdict(training), initial, files]
    if architecture == profile.clip:
        parts.append("frozen")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def load_trained(folder: Path, key: str, device: torch.device) -> Trained | None:
    """The classifier in `folder` if its fingerprint is `key`, else None."""
    config = read_config(folder)
    if config is None or config.fingerprint != key:
        return None
    model, config = load(folder, device)
    stored = read_object(folder / "config.json", "Train again.", {"history": list[dict], "seconds": float})
    return Trained(model, config, stored["history"], stored["seconds"], reused=True)


def model_folder(run: Run, architecture: str, backbone: Backbone = "auto") -> Path:
    """Where a classifier is stored. ResNet34, which all later stages use, is in the dataset root; those that it is
    compared with, ResNet34 from random weights (`backbone` None) among them, are in `run.out`/checkpoints."""
    if architecture == "resnet34" and backbone is not None:
        return run.data.model
    names = {"resnet34": "resnet34_random", run.profile.vit: "vit", run.profile.clip: "clip"}
    return run.out / "checkpoints" / names.get(architecture, architecture)


@dataclass
class Probe:
    """A linear probe: its weights, and its metrics as epoch 0 of a history."""

    weights: dict[str, torch.Tensor]
    row: dict


def start_from_probe(model: nn.Module, batches: DataLoader, held_out: DataLoader) -> Probe:
    """Give the model the classification layer of a linear probe (`linear_probe.probe_head`), and validate it."""
    started = time.monotonic()
    model.to(process_state().device, memory_format=torch.channels_last)
    logits, labels = probe_head(model, batches)
    row = {
        "epoch": 0,
        "loss": round(nn.functional.cross_entropy(logits, labels).item(), 4),
        "accuracy": round((logits.argmax(-1) == labels).float().mean().item(), 4),
        "lr": 0.0,
        **validation_metrics(*collect_logits(model, held_out)),
        "images": 0,
        "images_seen": 0,
        "seconds": round(time.monotonic() - started, 1),
    }
    return Probe({name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}, row)


def calibrate(model: nn.Module, held_out: DataLoader) -> dict[str, float]:
    """Temperature, bias and uncertain band of the configuration, fitted on validation."""
    logits, labels = collect_logits(model, held_out)
    temperature, bias = fit_calibration(logits, labels)
    band = fit_uncertain_band(calibrated(logits, temperature, bias), labels.numpy())
    return {"temperature": temperature, "bias": bias, "uncertain_below": band}


def require_both_classes(items: Sequence[Item], split: str, root: str) -> None:
    """Raise ValueError if a split has no image of a class: nothing could be learned, and AUROC would be undefined."""
    for label, name in enumerate(LABELS):
        if not any(item.label == label for item in items):
            raise ValueError(
                f"the {split} split of {root} has {len(items)} images, but none of {name}. "
                f"Put some of several sources into data/train/{name}, or name them in manifest.csv."
            )


def look_at_all(root: Path, items: Sequence[Item]) -> None:
    """Raise ValueError if pictures cannot be read, with all their names: one at the end of an epoch would cost hours.

    The first process looks, and all raise.
    """
    state = process_state()
    require_readable(broadcast_object_list([unreadable(root, items) if state.is_main_process else None])[0], root)


def require_architecture(architecture: str) -> None:
    """Raise ValueError if timm has no such architecture."""
    if timm.is_model(architecture):
        return
    near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise ValueError(f"timm has no architecture {architecture!r}.{hint}")
