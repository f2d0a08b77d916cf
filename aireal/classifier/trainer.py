"""The training loop: one process or several, in the fastest verified precision. Interruptions do not change the result.

No random state is carried from one step to the next. The order of an epoch's pictures and their augmentation follow
from (seed, epoch), the network's own randomness (dropout) from (seed, step, process), and the learning rate from the
step. A checkpoint therefore needs weights, averages and a position, and a resumed training computes what an
uninterrupted one computes.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import broadcast, broadcast_object_list
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from aireal.core.run import seed_everything

from .accelerator import effective_precision, make_accelerator, process_state, start_logs
from .checkpoint import Checkpoints
from .optimizer import make_optimizer, rate
from .training_config import TrainingConfig
from .training_state import Progress, TrainingTensors
from .validation import collect_logits, validation_metrics

LABEL_SMOOTHING, CLIP = 0.05, 1.0


def fit(
    model: nn.Module,
    batches: DataLoader,
    held_out: DataLoader,
    training: TrainingConfig,
    name: str = "",
    *,
    checkpoints: Checkpoints | None = None,
    logs: Path | None = None,
) -> list[dict]:
    """Train `model` in place; afterwards it has the averaged weights of the epoch with the best validation AUROC.

    AdamW (Loshchilov & Hutter 2019) without decay of norms and biases, a cosine learning rate after a linear warm-up,
    label smoothing 0.05, gradients clipped to norm 1. Validation uses an exponential moving average of weights and
    BatchNorm statistics. Its decay grows with the step k as 1 - k^(-2/3), so that short trainings benefit as well.

    Args:
        batches: from `data.train_loader`; its batch size is that of all processes together.
        held_out: from `data.eval_loader`.
        name: of the model, for messages.
        checkpoints: where the training resumes from and writes to; a folder that all processes can read.
        logs: folder for TensorBoard.

    Returns:
        A dict for each epoch: epoch, loss, accuracy, lr (of the head, at the epoch's end), val_loss, val_accuracy,
        val_auroc, images (of the epoch), images_seen, seconds (since the start, over all resumptions).

    Raises:
        ValueError: the loss or its gradient is not finite, the precision has no effect, or the batch is not a multiple
            of the number of processes.
    """
    count = process_state().num_processes
    if batches.batch_size % count:
        raise ValueError(
            f"{count} processes cannot share a batch of {batches.batch_size} images evenly. "
            "Start a number of processes that divides it."
        )
    accelerator = make_accelerator(training.exact, logs)
    try:
        accelerator.print(f"{name}: {effective_precision(accelerator)}")
        trainer = Trainer(accelerator, model, batches, held_out, training, checkpoints)
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            return trainer.run(name)
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
        AcceleratorState._reset_state()  # its precision would bind every later Accelerator of the process
        GradientState._reset_state()


class Trainer:
    """The training loop of `fit`.

    All processes hold the same state, except for the statistics of their BatchNorm layers. Those of the first process
    are used: DistributedDataParallel sends them to all processes before every step, and `validate` before it measures.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        batches: DataLoader,
        held_out: DataLoader,
        training: TrainingConfig,
        checkpoints: Checkpoints | None,
    ):
        self.accelerator, self.training, self.checkpoints = accelerator, training, checkpoints
        model = model.to(accelerator.device, memory_format=torch.channels_last)
        # made before `prepare`, which binds autocast to `forward`
        average = ModelEmaV3(model, decay=training.ema_decay, use_warmup=True)
        optimizer = make_optimizer(model, training.learning_rate, training.from_scratch)
        self.parallel, self.optimizer, self.batches, self.held_out = accelerator.prepare(
            model, optimizer, batches, held_out
        )
        self.tensors = TrainingTensors(model, average, self.optimizer)
        self.steps = training.epochs * len(self.batches)
        self.progress = Progress()
        self.started = time.monotonic()
        self.checkpoint_due = self.started + (checkpoints.every if checkpoints else 0)

    def run(self, name: str) -> list[dict]:
        """Train all epochs, or until patience ends, load the best weights into the model, and return the history."""
        self.resume()
        training, history, tensors = self.training, self.progress.history, self.tensors
        start_logs(self.accelerator, self.progress.step + 1)
        hidden = not self.accelerator.is_main_process
        with tqdm(total=self.steps, initial=self.progress.step, desc=name, unit="batch", disable=hidden) as bar:
            while len(history) < training.epochs and not out_of_patience(history, training.patience):
                self.train_epoch(bar)
                bar.set_postfix(val_auroc=history[-1]["val_auroc"])
        if len(history) < training.epochs:
            self.accelerator.print(
                f"{name}: no better validation AUROC in {training.patience} epochs, "
                f"so it stops after {len(history)} of {training.epochs}"
            )
        self.accelerator.unwrap_model(self.parallel, keep_fp32_wrapper=False)  # removes autocast from `forward`
        tensors.model.load_state_dict(tensors.best)
        tensors.model.eval()
        return history

    def train_epoch(self, bar: tqdm) -> None:
        """Train the rest of the current epoch, and validate."""
        progress = self.progress
        epoch = len(progress.history)
        done = progress.step - epoch * len(self.batches)
        self.batches.set_epoch(epoch)
        self.parallel.train()
        for pixels, labels in self.accelerator.skip_first_batches(self.batches, done) if done else self.batches:
            self.train_step(pixels, labels)
            bar.update()
            if progress.step < (epoch + 1) * len(self.batches):
                self.save_if_due()
        self.finish_epoch(epoch)
        if epoch + 1 < self.training.epochs:
            self.save_if_due()

    def train_step(self, pixels: torch.Tensor, labels: torch.Tensor) -> None:
        """One optimizer step on this process's part of a batch."""
        progress = self.progress
        seed_everything(derived_seed(self.training.seed, progress.step, self.accelerator.process_index))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate(progress.step, self.steps, self.training.warmup)
        # float32: accelerate casts the logits back
        logits = self.parallel(pixels.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.parallel.parameters(), CLIP).item()
        correct = (logits.argmax(-1) == labels).float().sum()
        own_totals = torch.stack([loss.detach() * len(labels), correct, loss.new_tensor(len(labels))])
        totals = self.accelerator.reduce(own_totals, "sum").tolist()
        # the scaler of fp16 skips a step whose gradient overflows
        if not math.isfinite(totals[0]) or not (math.isfinite(norm) or self.accelerator.scaler):
            raise ValueError(self.divergence_message())
        self.optimizer.step()
        self.optimizer.zero_grad()
        progress.step += 1
        progress.totals = [a + b for a, b in zip(progress.totals, totals)]
        self.tensors.average.update(self.tensors.model, step=progress.step)
        scalars = {"training/loss": totals[0] / totals[2], "training/lr": self.optimizer.param_groups[0]["lr"]}
        self.accelerator.log(scalars, step=progress.step)

    def finish_epoch(self, epoch: int) -> None:
        """Validate, add the epoch to the history, and keep its weights if they are the best so far."""
        progress = self.progress
        loss, correct, images = progress.totals
        row = {
            "epoch": epoch + 1,
            "loss": round(loss / images, 4),
            "accuracy": round(correct / images, 4),
            "lr": self.optimizer.param_groups[0]["lr"],
            **self.validate(),
            "images": int(images),
            "images_seen": int(images) + sum(r["images"] for r in progress.history),
        }
        if row["val_auroc"] > max((r["val_auroc"] for r in progress.history), default=-1.0):
            self.tensors.keep_best()
        progress.history.append(row | {"seconds": round(self.seconds(), 1)})
        progress.totals = [0.0, 0.0, 0.0]
        names = ("loss", "accuracy", "auroc")
        self.accelerator.log({f"validation/{name}": row[f"val_{name}"] for name in names}, step=progress.step)

    def validate(self) -> dict[str, float]:
        """Metrics of the averaged weights on validation."""
        network = self.tensors.average.module
        broadcast(list(network.buffers()))
        logits, labels = collect_logits(network, self.held_out, self.accelerator.gather_for_metrics)
        if not logits.isfinite().all():
            raise ValueError(self.divergence_message())
        return validation_metrics(logits, labels)

    def divergence_message(self) -> str:
        step, epoch = self.progress.step + 1, len(self.progress.history) + 1
        peak = self.optimizer.param_groups[0]["peak"]
        advice = (
            f"Try a learning rate below {peak:g}, or a warm-up longer than {self.training.warmup:.0%} of the steps."
        )
        if self.checkpoints:
            advice += f" The last checkpoint before it stays in {self.checkpoints.folder}."
        return (
            f"the training diverged: at step {step} of {self.steps} (epoch {epoch}) the loss or its gradient is not "
            f"finite. {advice}"
        )

    def seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.started

    def environment(self) -> dict:
        """Where a difference can change the last digits of the result."""
        return {
            "processes": self.accelerator.num_processes,
            "device": self.accelerator.device.type,
            "precision": self.accelerator.mixed_precision,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def save_if_due(self) -> None:
        """Write a checkpoint from the first process if the last one is old enough.

        On a slow disk the interval grows, so that writing takes no more than a twentieth of the time.
        """
        if self.checkpoints is None or not self.accelerator.is_main_process:
            return
        started, every = time.monotonic(), self.checkpoints.every
        if started < self.checkpoint_due:
            return
        scaler = self.accelerator.scaler.state_dict() if self.accelerator.scaler else None
        progress = asdict(self.progress) | {"seconds": self.seconds(), "scaler": scaler}
        state = {"progress": progress, "environment": self.environment()}
        self.checkpoints.write(self.progress.step, self.tensors.to_checkpoint(), state)
        finished = time.monotonic()
        self.checkpoint_due = finished + max(every, min(20 * (finished - started), 20 * every))

    def resume(self) -> None:
        """Resume from the newest checkpoint, if there is one: the first process chooses it, all processes read it."""
        if self.checkpoints is None:
            return
        path = broadcast_object_list([self.checkpoints.newest() if self.accelerator.is_main_process else None])[0]
        if path is None:
            return
        tensors, state = self.checkpoints.read(path)
        self.tensors.restore(tensors)
        self.progress = Progress(**state["progress"])
        if self.accelerator.scaler and self.progress.scaler:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)
        self.accelerator.print(f"resumed after step {self.progress.step} of {self.steps}, from {path.name}")
        before, now = state["environment"], self.environment()
        changes = [f"{name} {before.get(name)} → {now[name]}" for name in now if before.get(name) != now[name]]
        if changes:
            self.accelerator.print(
                f"changed since the checkpoint: {', '.join(changes)}. "
                "The result can differ slightly from that of an uninterrupted training."
            )


def out_of_patience(history: list[dict], patience: int | None) -> bool:
    """Whether the last `patience` epochs brought no better validation AUROC."""
    best = max(range(len(history)), key=lambda i: history[i]["val_auroc"], default=0)
    return patience is not None and len(history) - 1 - best >= patience


def derived_seed(*numbers: int) -> int:
    """32 bits that differ wherever one of the numbers differs (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
