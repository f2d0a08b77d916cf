"""Train a classifier: one harness for all three architectures."""

from __future__ import annotations

import difflib
import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import timm
import torch
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader

from aireal import LABELS
from aireal.config import BACKBONE, Profile
from aireal.core.run import Run, seed_everything
from aireal.dataset.manifest import Item, load_items

from . import data as images
from . import linear_probe as probe
from . import model as models
from . import trainer as engine
from .calibration import fit_uncertain_band
from .checkpoint import Checkpoints
from .data import loader
from .metrics import calibrated, fit_calibration
from .trainer import collect, fit, processes

__all__ = [
    "Trained",
    "collect",
    "ensure_classifier",
    "fingerprint",
    "fit",
    "model_folder",
    "train_architecture",
    "train_or_load",
]


@dataclass
class Trained:
    """A trained classifier and how it came about; `history` has a dict an epoch, see `engine.fit`."""

    model: nn.Module
    config: models.ClassifierConfig
    history: list[dict]
    seconds: float  # of training and validation, over all resumptions
    reused: bool = False

    @property
    def images_seen(self) -> int:
        """Images it was trained with, each time it saw one."""
        return self.history[-1]["images_seen"]

    @property
    def best(self) -> dict:
        """The epoch whose weights were kept; 0 is the linear probe."""
        return max(self.history, key=lambda row: row["val_auroc"])


def fingerprint(
    architecture: str,
    items: list[Item],
    profile: Profile,
    seed: int,
    backbone: Path | None = BACKBONE,
    exact: bool = False,
) -> str:
    """Changes when the data, the numbers or the code of the training, the initial weights or the seed change, or float32 is asked for (`exact`)."""
    kept = (
        "crop",
        "image_size",
        "epochs",
        "batch_size",
        "learning_rate",
        "pretrained",
        "warmup",
        "ema_decay",
        "patience",
    )
    numbers = {name: getattr(profile, name) for name in kept} | ({"exact": True} if exact else {})
    code = [hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest() for module in (engine, images, probe)]
    initial = hashlib.sha256(backbone.read_bytes()).hexdigest() if architecture == "resnet34" and backbone else ""
    files = [(i.path, i.sha256, i.label, i.split) for i in items]
    return hashlib.sha256(json.dumps([architecture, numbers, code, initial, seed, files]).encode()).hexdigest()[:16]


def train_or_load(
    run: Run,
    architecture: str,
    train: list[Item],
    val: list[Item],
    epochs: int,
    folder: Path,
    retrain: bool = False,
    backbone: Path | None = BACKBONE,
    exact: bool = False,
) -> Trained:
    """The classifier in `folder` if it was made from these data and numbers, else a new one, saved there.

    What starts from pretrained weights or a backbone starts with the classification layer of a linear probe, and its history begins with epoch 0, that
    probe. The epoch with the best validation AUROC is kept; calibration and uncertain band are fitted on validation afterwards. A training
    that was interrupted goes on from its last checkpoint, in `folder`/checkpoints, to the same result. Under `accelerate launch` every
    process calls this, and the first one writes. TensorBoard's logs are in `run.out`/tensorboard. Without `backbone`, ResNet34 starts from random
    weights where the profile fetches none. `exact` computes in float32 even where something faster is real.

    Raises:
        ValueError: no such architecture, a class without images, or what `engine.fit` raises.
    """
    state, profile = processes(), replace(run.profile, epochs=epochs)
    print_ = fingerprint(architecture, train + val, profile, run.seed, backbone, exact)
    known = models.read_config(folder)
    if known and known.fingerprint == print_ and not retrain:
        model, config = models.load(folder, run.device)
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state.print(
            f"{architecture}: the checkpoint matches these data and numbers (fingerprint {print_}), so it is used; retrain=True trains anew"
        )
        return Trained(model, config, stored["history"], stored["seconds"], reused=True)
    require_both_classes(train, "train", run.data.root.name)
    require_both_classes(val, "val", run.data.root.name)
    require_known(architecture)
    state.print(f"{architecture}: no checkpoint matches, so it is trained now: {len(train)} images, {epochs} epochs")
    seed_everything(run.seed)
    model, config = models.create(architecture, profile, backbone)
    batches = loader(train, run.data.root, config, profile, train=True, seed=run.seed)
    held_out = loader(val, run.data.root, config, profile, train=False)
    probed = (
        start_from_probe(model, loader(train, run.data.root, config, profile, train=False), held_out)
        if config.initial_weights != "random"
        else None
    )
    checkpoints = Checkpoints(folder / "checkpoints", print_, profile.checkpoint_seconds)
    with checkpoints.held() if state.is_main_process else nullcontext():
        history = fit(
            model,
            batches,
            held_out,
            epochs,
            profile.learning_rate,
            config.initial_weights == "random",
            architecture,
            seed=run.seed,
            warmup=profile.warmup,
            ema_decay=profile.ema_decay,
            patience=profile.patience,
            checkpoints=checkpoints,
            logs=run.out / "tensorboard" / f"{architecture}-{print_}",
            exact=exact,
        )
        if probed:
            history.insert(0, probed.row)
            if probed.row["val_auroc"] >= max(row["val_auroc"] for row in history):
                model.load_state_dict(probed.state)
                state.print(
                    f"{architecture}: fine-tuning was no better on validation than the linear probe that it started from, which is kept"
                )
        fitted = broadcast_object_list([calibrate(model, held_out) if state.is_main_process else None])[0]
        config = replace(config, fingerprint=print_, **fitted)
        seconds = history[-1]["seconds"] + (probed.row["seconds"] if probed else 0.0)
        if state.is_main_process:
            (folder / "config.json").unlink(
                missing_ok=True
            )  # it must not stand beside weights that it does not describe
            models.save(model, config, folder, history=history, seconds=seconds)
            checkpoints.clear()
    state.wait_for_everyone()
    return Trained(model, config, history, seconds)


@dataclass
class Probed:
    """A linear probe: its weights, and its figures as epoch 0 of a history."""

    state: dict
    row: dict


def start_from_probe(model: nn.Module, batches: DataLoader, held_out: DataLoader) -> Probed:
    """Give the model the classification layer of a linear probe (`probe.probe_head`), and validate that."""
    began = time.monotonic()
    model.to(processes().device, memory_format=torch.channels_last)
    logits, labels = probe.probe_head(model, batches)
    right = (logits.argmax(-1) == labels).float().mean().item()
    row = {
        "epoch": 0,
        "loss": round(nn.functional.cross_entropy(logits, labels).item(), 4),
        "accuracy": round(right, 4),
        "lr": 0.0,
        **engine.validation_figures(*collect(model, held_out)),
        "images": 0,
        "images_seen": 0,
        "seconds": round(time.monotonic() - began, 1),
    }
    return Probed({name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}, row)


def ensure_classifier(run: Run, retrain: bool = False) -> Trained:
    """The ResNet34 of the run's dataset root: the one that is there, or else trained now."""
    return train_architecture(run, "resnet34", retrain=retrain)


def train_architecture(
    run: Run, architecture: str, epochs: int | None = None, retrain: bool = False, exact: bool = False
) -> Trained:
    """Any timm architecture on the run's dataset root, in its own folder; `epochs` instead of the profile's, `exact` in float32."""
    train, val = (load_items(run.data, split, run.profile.limit) for split in ("train", "val"))
    if epochs is None:
        epochs = run.profile.epochs
    return train_or_load(run, architecture, train, val, epochs, model_folder(run, architecture), retrain, exact=exact)


def model_folder(run: Run, architecture: str) -> Path:
    """Where a classifier is kept: ResNet34, which all later stages use, in the dataset root; the ones to compare it with in `run.out`."""
    return (
        run.data.model
        if architecture == "resnet34"
        else run.out / "checkpoints" / ("vit" if architecture == run.profile.vit else architecture)
    )


def require_both_classes(items: Sequence[Item], split: str, root: str) -> None:
    """Raises ValueError where a split has no image of a class: nothing could be learnt, and no AUROC be measured."""
    for label, name in enumerate(LABELS):
        if not any(item.label == label for item in items):
            raise ValueError(
                f"the {split} split of {root} has {len(items)} images, but none of {name}: put some in data/train/{name}, of several sources, "
                "or name them in manifest.csv"
            )


def require_known(architecture: str) -> None:
    """Raises ValueError where timm has no such architecture."""
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        raise ValueError(
            f"timm has no architecture {architecture!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
        )


def calibrate(model: nn.Module, held_out: DataLoader) -> dict[str, float]:
    """Temperature, bias and uncertain band of the configuration, fitted on validation."""
    logits, labels = collect(model, held_out)
    temperature, bias = fit_calibration(logits, labels)
    band = fit_uncertain_band(calibrated(logits, temperature, bias), labels.numpy())
    return {"temperature": temperature, "bias": bias, "uncertain_below": band}
