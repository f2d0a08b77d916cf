"""Train a classifier: one harness for all three architectures."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..config import BACKBONE, Profile
from ..dataset.manifest import Item, load_items
from ..run import Run, precision, seed_everything
from . import model as models
from .evaluate import fit_calibration
from .images import loader


@dataclass
class Trained:
    """A trained classifier and how it came about; `history` has a dict an epoch (loss, val_loss, accuracy, val_accuracy, val_auroc)."""

    model: nn.Module
    config: models.ClassifierConfig
    history: list[dict]
    seconds: float
    reused: bool = False


def fingerprint(architecture: str, items: list[Item], profile: Profile, seed: int) -> str:
    """Changes when the data, the numbers of the training, the initial weights or the seed change."""
    kept = ("crop", "image_size", "epochs", "baseline_epochs", "batch_size", "learning_rate", "pretrained")
    numbers = {name: getattr(profile, name) for name in kept}
    backbone = hashlib.sha256(BACKBONE.read_bytes()).hexdigest() if architecture == "resnet34" and BACKBONE.exists() else ""
    files = [(i.path, i.sha256, i.label, i.split) for i in items]
    return hashlib.sha256(json.dumps([architecture, numbers, backbone, seed, files]).encode()).hexdigest()[:16]


def train_or_load(run: Run, architecture: str, train: list[Item], val: list[Item], epochs: int, folder: Path, retrain: bool = False) -> Trained:
    """The checkpoint in `folder` if it was made from these data and numbers, else a new one, saved there.

    The epoch with the best validation AUROC is kept; the calibration is fitted on validation afterwards.
    """
    print_ = fingerprint(architecture, train + val, run.profile, run.seed)
    known = models.read_config(folder)
    if known and known.fingerprint == print_ and not retrain:
        model, config = models.load(folder, run.device)
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        print(f"{architecture}: the checkpoint matches these data and numbers (fingerprint {print_}), so it is used; retrain=True trains anew")
        return Trained(model, config, stored["history"], stored["seconds"], reused=True)
    print(f"{architecture}: no checkpoint matches, so it is trained now: {len(train)} images, {epochs} epochs")
    seed_everything(run.seed)
    model, config = models.create(architecture, run.profile)
    config = replace(config, fingerprint=print_)
    began = time.time()
    batches = loader(train, run.data.root, config, run.profile, train=True, seed=run.seed)
    held_out = loader(val, run.data.root, config, run.profile, train=False)
    history = fit(model, batches, held_out, epochs, run.profile.learning_rate, config.initial_weights == "random", architecture)
    logits, labels = collect(model, held_out)
    temperature, bias = fit_calibration(logits, labels)
    config = replace(config, temperature=temperature, bias=bias)
    seconds = round(time.time() - began, 1)
    models.save(model, config, folder, history=history, seconds=seconds)
    return Trained(model.eval(), config, history, seconds)


def ensure_classifier(run: Run, retrain: bool = False) -> Trained:
    """The ResNet34 of the run's dataset root: the one that is there, or else trained now."""
    train, val = (load_items(run.data, split, run.profile.limit) for split in ("train", "val"))
    return train_or_load(run, "resnet34", train, val, run.profile.epochs, run.data.model, retrain)


def parameter_groups(model: nn.Module, learning_rate: float, from_scratch: bool) -> list[dict]:
    """The new classification layer at the full rate; weights that know something already at a tenth of it, so that they keep it."""
    head = {id(p) for p in model.get_classifier().parameters()}
    parts = [[p for p in model.parameters() if (id(p) in head) is new] for new in (True, False)]
    return [{"params": parts[0], "lr": learning_rate}, {"params": parts[1], "lr": learning_rate if from_scratch else learning_rate / 10}]


def fit(model: nn.Module, batches: DataLoader, held_out: DataLoader, epochs: int, learning_rate: float, from_scratch: bool, name: str = "") -> list[dict]:
    """AdamW with warm-up over the first tenth and a cosine to zero; leaves the model with the weights of its best epoch."""
    accelerator = Accelerator(mixed_precision=precision())
    groups = parameter_groups(model, learning_rate, from_scratch)
    optimiser = torch.optim.AdamW(groups, weight_decay=0.05)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=max(2, epochs * len(batches)), pct_start=0.1)
    prepared, optimiser, batches = accelerator.prepare(model.to(memory_format=torch.channels_last), optimiser, batches)
    history, best = [], None
    progress = tqdm(total=epochs * len(batches), desc=name, unit="batch")
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, **_one_epoch(accelerator, prepared, batches, optimiser, schedule, progress)}
        row |= validation_figures(*collect(model, held_out))
        history.append(row)
        progress.set_postfix(val_auroc=row["val_auroc"])
        if best is None or row["val_auroc"] > best[0]:
            best = (row["val_auroc"], copy.deepcopy(model.state_dict()))
    progress.close()
    AcceleratorState._reset_state(reset_partial_state=True)  # its precision would bind every later Accelerator of the process
    model.load_state_dict(best[1])
    return history


def _one_epoch(accelerator, model, batches, optimiser, schedule, progress) -> dict:
    model.train()
    total, right, seen = 0.0, 0, 0
    for pixels, labels in batches:
        with accelerator.autocast():
            logits = model(pixels.contiguous(memory_format=torch.channels_last)).float()
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        total, right, seen = total + loss.item() * len(labels), right + (logits.argmax(-1) == labels).sum().item(), seen + len(labels)
        progress.update()
    return {"loss": round(total / seen, 4), "accuracy": round(right / seen, 4), "images": seen}


@torch.inference_mode()
def collect(model: nn.Module, batches: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits float32 [N, 2] and labels int64 [N] of whole pictures, in order, in full precision."""
    device = next(model.parameters()).device
    model.eval()
    logits = [(model(pixels.to(device, memory_format=torch.channels_last)).float().cpu(), labels) for pixels, labels in batches]
    return torch.cat([a for a, _ in logits]), torch.cat([b for _, b in logits])


def validation_figures(logits: torch.Tensor, labels: torch.Tensor) -> dict:
    scores = logits.softmax(-1)[:, 1]
    return {
        "val_loss": round(nn.functional.cross_entropy(logits, labels).item(), 4),
        "val_accuracy": round(((scores > 0.5).long() == labels).float().mean().item(), 4),
        "val_auroc": round(float(roc_auc_score(labels, scores)), 4),
    }
