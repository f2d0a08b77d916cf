"""The training loop: one process or many, in the fastest precision that is real, with the same result however often it is stopped.

Nothing random is carried from one step to the next: the order of an epoch's pictures and their augmentation follow from (seed, epoch),
what the network draws (dropout) from (seed, step, process), and the learning rate from the step. So a checkpoint needs weights,
averages and a position, and a training that goes on from one does what it would have done.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DataLoaderConfiguration, PartialState
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import ProjectConfiguration, broadcast, broadcast_object_list, parse_flag_from_env
from sklearn.metrics import roc_auc_score
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from aireal.core.device import best_device, precision
from aireal.core.run import seed_everything

from .checkpoint import Checkpoints, Tensors

WEIGHT_DECAY, LABEL_SMOOTHING, CLIP = 0.05, 0.05, 1.0
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "no": torch.float32}


def fit(
    model: nn.Module,
    batches: DataLoader,
    held_out: DataLoader,
    epochs: int,
    learning_rate: float,
    from_scratch: bool,
    name: str = "",
    *,
    seed: int = 7,
    warmup: float = 0.1,
    ema_decay: float = 0.999,
    patience: int | None = None,
    checkpoints: Checkpoints | None = None,
    logs: Path | None = None,
    exact: bool = False,
) -> list[dict]:
    """Train `model` in place; afterwards it has the averaged weights of the epoch with the best validation AUROC.

    AdamW (Loshchilov & Hutter 2019) without decay of norms and biases, a cosine learning rate after a linear warm-up, label smoothing
    0.05, gradients clipped to norm 1. Validation sees an exponential moving average of weights and BatchNorm statistics whose decay
    grows with the step k as 1 - k^(-2/3), so that short trainings gain from it, too.

    Args:
        batches: from `images.loader(train=True)`; its batch size is that of all processes together.
        held_out: from `images.loader(train=False)`.
        from_scratch: the whole network learns at the full rate, and not only its head.
        warmup: share of all steps; ema_decay: where the decay stops growing.
        patience: stop after so many epochs without a better AUROC; None never does.
        checkpoints: where to go on from, and to write to; a folder that all processes can read.
        logs: folder for TensorBoard.
        exact: float32, even where something faster is real.

    Returns:
        A dict an epoch: epoch, loss, accuracy, lr (of the head, at its end), val_loss, val_accuracy, val_auroc, images (of the epoch),
        images_seen, seconds (since the start, over all resumptions).

    Raises:
        ValueError: loss or gradient are no numbers any more, the precision has no effect, or the batch cannot be shared evenly.
    """
    if epochs < 1:
        raise ValueError(f"{epochs} epochs train nothing: give at least 1")
    state = processes()
    if batches.batch_size % state.num_processes:
        raise ValueError(
            f"a batch of {batches.batch_size} images cannot be shared evenly by {state.num_processes} processes: start fewer"
        )
    accelerator = Accelerator(
        mixed_precision="no" if exact else precision(state.device),
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        log_with="tensorboard" if logs else None,
        project_config=ProjectConfiguration(logging_dir=str(logs)) if logs else None,
    )
    try:
        accelerator.print(f"{name}: {effective_precision(accelerator)}")
        training = Trainer(
            accelerator,
            model,
            batches,
            held_out,
            epochs,
            learning_rate,
            from_scratch,
            seed,
            warmup,
            ema_decay,
            checkpoints,
        )
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            return training.run(name, patience)
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
        AcceleratorState._reset_state()  # its precision would bind every later Accelerator of the process
        GradientState._reset_state()


def processes() -> PartialState:
    """accelerate's view of the launch: this process's device and place, how many there are, `print` and `wait_for_everyone`.

    Where there is nothing but a CPU, accelerate has to be told, or it takes each of several processes for the only one.
    """
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or best_device().type == "cpu")


def effective_precision(accelerator: Accelerator) -> str:
    """One line on device, processes and precision, the latter as a convolution under autocast really shows it.

    Raises:
        ValueError: autocast does not do what was asked.
    """
    device, kind = accelerator.device, accelerator.mixed_precision
    with torch.no_grad(), accelerator.autocast():
        found = nn.Conv2d(3, 8, 3, device=device)(torch.zeros(1, 3, 8, 8, device=device)).dtype
    if found != PRECISIONS[kind]:
        raise ValueError(f"{kind} was asked for, but convolutions give {found} on this {device.type}: update torch")
    why = " (no fast bfloat16 here)" if kind == precision(device) == "no" else ""
    count = f"{accelerator.num_processes} processes" if accelerator.num_processes > 1 else "one process"
    return f"convolutions in {str(found).removeprefix('torch.')}{why}, channels last, {device.type}, {count}"


def parameter_groups(model: nn.Module, learning_rate: float, from_scratch: bool) -> list[dict]:
    """The new classification layer at the full rate; weights that know something already at a tenth of it, so that they keep it.
    Norms, biases and what the model lists (position embeddings) are not decayed."""
    head = {id(p) for p in model.get_classifier().parameters()}
    listed = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()
    groups: dict[tuple[bool, bool], list] = {}
    for name, p in model.named_parameters():
        groups.setdefault((id(p) in head, p.ndim > 1 and name not in listed), []).append(p)
    body_rate = learning_rate if from_scratch else learning_rate / 10
    return [
        {
            "params": parts,
            "peak": learning_rate if new else body_rate,
            "lr": 0.0,
            "weight_decay": WEIGHT_DECAY if decayed else 0.0,
        }
        for (new, decayed), parts in sorted(groups.items(), reverse=True)
    ]


def rate(step: int, steps: int, warmup: float) -> float:
    """Share of the full learning rate at a step (0-based): linear up to 1 over the first `warmup` of the steps, then a cosine towards 0."""
    ramp = max(1, round(warmup * steps))
    return (step + 1) / ramp if step < ramp else 0.5 * (1 + math.cos(math.pi * (step - ramp) / max(1, steps - ramp)))


@torch.inference_mode()
def collect(model: nn.Module, batches: DataLoader, gather=lambda pair: pair) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits float32 [N, 2] and labels int64 [N] of whole pictures, in order, in full precision; `gather` brings processes together."""
    device = next(model.parameters()).device
    model.eval()
    pairs = [
        gather((model(pixels.to(device, memory_format=torch.channels_last)).float(), labels.to(device)))
        for pixels, labels in batches
    ]
    return torch.cat([a.cpu() for a, _ in pairs]), torch.cat([b.cpu() for _, b in pairs])


def validation_figures(logits: torch.Tensor, labels: torch.Tensor) -> dict:
    scores = logits.softmax(-1)[:, 1]
    return {
        "val_loss": round(nn.functional.cross_entropy(logits, labels).item(), 4),
        "val_accuracy": round(((scores > 0.5).long() == labels).float().mean().item(), 4),
        "val_auroc": round(float(roc_auc_score(labels, scores)), 4),
    }


@dataclass
class Position:
    """Where a training stands, beside its tensors."""

    step: int = 0  # optimiser steps done
    seconds: float = 0.0
    totals: list[float] = field(
        default_factory=lambda: [0.0, 0.0, 0.0]
    )  # of the epoch under way: loss × images, right, images
    history: list[dict] = field(default_factory=list)
    scaler: dict | None = None  # of fp16's loss


class Trainer:
    """What `fit` holds between two steps. All processes hold the same, but for the statistics of their BatchNorm layers: the
    first process's count, which DistributedDataParallel sends to all before every step, and `validate` before it measures."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        batches: DataLoader,
        held_out: DataLoader,
        epochs: int,
        learning_rate: float,
        from_scratch: bool,
        seed: int,
        warmup: float,
        ema_decay: float,
        checkpoints: Checkpoints | None,
    ):
        self.accelerator, self.epochs, self.seed, self.warmup, self.checkpoints = (
            accelerator,
            epochs,
            seed,
            warmup,
            checkpoints,
        )
        self.model = model.to(accelerator.device, memory_format=torch.channels_last)
        self.average = ModelEmaV3(
            self.model, decay=ema_decay, use_warmup=True
        )  # before `prepare`, which binds autocast to `forward`
        # not fused: on CPUs the fused AdamW mistakes gradients whose memory format differs from their weight's (torch 2.14)
        optimiser = torch.optim.AdamW(parameter_groups(self.model, learning_rate, from_scratch))
        self.parallel, self.optimiser, self.batches, self.held_out = accelerator.prepare(
            self.model, optimiser, batches, held_out
        )
        self.steps = epochs * len(self.batches)
        self.position, self.best = Position(), {}
        self.began = time.monotonic()
        self.due = self.began + (checkpoints.every if checkpoints else 0)

    def run(self, name: str, patience: int | None) -> list[dict]:
        self.resume()
        self.accelerator.init_trackers("", init_kwargs={"tensorboard": {"purge_step": self.position.step + 1}})
        main, history = self.accelerator.is_main_process, self.position.history
        with tqdm(total=self.steps, initial=self.position.step, desc=name, unit="batch", disable=not main) as bar:
            while len(history) < self.epochs and not out_of_patience(history, patience):
                self.epoch(bar)
                bar.set_postfix(val_auroc=history[-1]["val_auroc"])
        if len(history) < self.epochs:
            self.accelerator.print(
                f"{name}: no better validation AUROC in {patience} epochs, so it stops after {len(history)} of {self.epochs}"
            )
        self.accelerator.unwrap_model(self.parallel, keep_fp32_wrapper=False)  # takes autocast off again
        self.model.load_state_dict(self.best)
        self.model.eval()
        return history

    def epoch(self, bar: tqdm) -> None:
        """What is left of the epoch under way, and its validation."""
        at = self.position
        number = len(at.history)
        done = at.step - number * len(self.batches)
        self.batches.set_epoch(number)
        self.parallel.train()
        for pixels, labels in self.accelerator.skip_first_batches(self.batches, done) if done else self.batches:
            self.step(pixels, labels)
            bar.update()
            if at.step < (number + 1) * len(self.batches):
                self.save_if_due()
        loss, right, images = at.totals
        row = {
            "epoch": number + 1,
            "loss": round(loss / images, 4),
            "accuracy": round(right / images, 4),
            "lr": self.optimiser.param_groups[0]["lr"],
        }
        row |= self.validate() | {
            "images": int(images),
            "images_seen": int(images) + sum(r["images"] for r in at.history),
        }
        if row["val_auroc"] > max((r["val_auroc"] for r in at.history), default=-1.0):
            self.best = {
                name: tensor.detach().cpu().clone() for name, tensor in self.average.module.state_dict().items()
            }
        at.history.append(row | {"seconds": round(self.seconds(), 1)})
        at.totals = [0.0, 0.0, 0.0]
        self.accelerator.log(
            {
                f"validation/{name.removeprefix('val_')}": row[name]
                for name in ("val_loss", "val_accuracy", "val_auroc")
            },
            step=at.step,
        )
        if number + 1 < self.epochs:
            self.save_if_due()

    def step(self, pixels: torch.Tensor, labels: torch.Tensor) -> None:
        at = self.position
        seed_everything(derived_seed(self.seed, at.step, self.accelerator.process_index))
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * rate(at.step, self.steps, self.warmup)
        logits = self.parallel(
            pixels.contiguous(memory_format=torch.channels_last)
        )  # float32: accelerate casts it back
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.parallel.parameters(), CLIP).item()
        mine = torch.stack(
            [loss.detach() * len(labels), (logits.argmax(-1) == labels).float().sum(), loss.new_tensor(len(labels))]
        )
        total, right, images = self.accelerator.reduce(mine, "sum").tolist()
        if not math.isfinite(total) or not (
            math.isfinite(norm) or self.accelerator.scaler
        ):  # fp16's scaler skips a step that overflows
            raise ValueError(self.diverged())
        self.optimiser.step()
        self.optimiser.zero_grad()
        at.step += 1
        at.totals = [a + b for a, b in zip(at.totals, (total, right, images))]
        self.average.update(self.model, step=at.step)
        self.accelerator.log(
            {"training/loss": total / images, "training/lr": self.optimiser.param_groups[0]["lr"]}, step=at.step
        )

    def validate(self) -> dict:
        broadcast(list(self.average.module.buffers()))
        logits, labels = collect(self.average.module, self.held_out, self.accelerator.gather_for_metrics)
        if not logits.isfinite().all():
            raise ValueError(self.diverged())
        return validation_figures(logits, labels)

    def diverged(self) -> str:
        at, peak = self.position, self.optimiser.param_groups[0]["peak"]
        kept = f"; the last checkpoint before it stays in {self.checkpoints.folder}" if self.checkpoints else ""
        return (
            f"the training diverged: at step {at.step + 1} of {self.steps} (epoch {len(at.history) + 1}) the loss or its gradient is no finite number. "
            f"Try a learning rate below {peak:g}, or a longer warm-up than {self.warmup:.0%} of the steps{kept}"
        )

    def seconds(self) -> float:
        return self.position.seconds + time.monotonic() - self.began

    def circumstances(self) -> dict:
        """Where the same training may differ in the last digits."""
        return {
            "processes": self.accelerator.num_processes,
            "device": self.accelerator.device.type,
            "precision": self.accelerator.mixed_precision,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def save_if_due(self) -> None:
        if self.checkpoints is None or not self.accelerator.is_main_process or (now := time.monotonic()) < self.due:
            return
        scaler = self.accelerator.scaler.state_dict() if self.accelerator.scaler else None
        position = asdict(self.position) | {"seconds": self.seconds(), "scaler": scaler}
        self.checkpoints.write(
            self.position.step, self.tensors(), {"position": position, "circumstances": self.circumstances()}
        )
        done, every = time.monotonic(), self.checkpoints.every
        self.due = done + max(
            every, min(20 * (done - now), 20 * every)
        )  # where the disk is slow, a twentieth of the time is enough

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one: the first process chooses it, all read it."""
        if self.checkpoints is None:
            return
        path = broadcast_object_list([self.checkpoints.newest() if self.accelerator.is_main_process else None])[0]
        if path is None:
            return
        tensors, state = self.checkpoints.read(path)
        self.restore(tensors)
        self.position = Position(**state["position"])
        if self.accelerator.scaler and self.position.scaler:
            self.accelerator.scaler.load_state_dict(self.position.scaler)
        self.accelerator.print(f"going on after step {self.position.step} of {self.steps}, from {path.name}")
        if changed := {
            k: (v, now) for k, now in self.circumstances().items() if (v := state["circumstances"].get(k)) != now
        }:
            told = ", ".join(f"{k} {was} → {now}" for k, (was, now) in changed.items())
            self.accelerator.print(
                f"other circumstances than before ({told}), so the result can differ a little from that of one go"
            )

    def tensors(self) -> Tensors:
        """All that a checkpoint holds, by name."""
        found = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        found |= {f"average.{name}": tensor for name, tensor in self.average.module.state_dict().items()}
        found |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        names = {id(p): name for name, p in self.model.named_parameters()}
        return found | {
            f"adamw.{key}.{names[id(p)]}": value
            for p, kept in self.optimiser.state.items()
            for key, value in kept.items()
        }

    def restore(self, tensors: Tensors) -> None:
        """The reverse of `tensors`, each in its place with its memory format: sums over another order of elements would round otherwise."""
        self.model.load_state_dict(part(tensors, "model."))
        self.average.module.load_state_dict(part(tensors, "average."))
        self.best = part(tensors, "best.")
        for name, p in self.model.named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (value := tensors.get(f"adamw.{key}.{name}")) is not None:
                    self.optimiser.state[p][key] = value.clone() if key == "step" else torch.zeros_like(p).copy_(value)


def out_of_patience(history: list[dict], patience: int | None) -> bool:
    best = max(range(len(history)), key=lambda i: history[i]["val_auroc"], default=0)
    return patience is not None and len(history) - 1 - best >= patience


def derived_seed(*numbers: int) -> int:
    """32 bits that differ where any of the numbers does (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def part(tensors: Tensors, prefix: str) -> Tensors:
    """Copies of the tensors whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): tensor.clone() for name, tensor in tensors.items() if name.startswith(prefix)}
