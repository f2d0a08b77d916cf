"""Training of one student: distillation on views and aligned pairs in every batch; goes on at the very step after
`kill -9`."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from aireal.core.device import autocast
from aireal.core.files import write_json
from scripts.pretraining.batches import Batch, Batches
from scripts.pretraining.students import Student, load_network

LOG_EVERY = 50


@dataclass(frozen=True)
class Settings:
    student: str
    steps: int
    start: Path | None = None
    batch: int = 64
    pair_share: float = 0.125
    sample_share: float = 0.15
    size: list[int] | tuple[int, ...] = (160,)
    rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.05
    tokens_weight: float = 0.5
    verdict_weight: float = 1.0
    pair_weight: float = 0.5
    ema: float = 0.998
    seed: int = 7
    every: float = 120.0
    max_steps: int = 0


def losses(student: Student, batch: Batch, settings: Settings) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """1 - cosine of the standardised embeddings, mean squared error of the standardised tokens and verdicts,
    cross-entropy of photograph (0) against round trip (1); and the figures to log. Pairs of another size than the
    views make a forward pass of their own."""
    count = len(batch.views)
    together = batch.views.shape[-1] == batch.pairs.shape[-1]
    with autocast(batch.views.device):
        inputs = [torch.cat([batch.views, batch.pairs])] if together else [batch.views, batch.pairs]
        seen = [student.encode(x.to(memory_format=torch.channels_last)) for x in inputs]
        embed, tokens = student.taught(seen[0][0][:count], seen[0][1][:count])
        logits = student.pair(seen[-1][1][count:] if together else seen[-1][1]).float().squeeze(1)
        verdict = student.verdict(seen[0][1][:count]).float()
    cosine = F.cosine_similarity(embed, batch.embed).mean()
    token_loss, verdict_loss = F.mse_loss(tokens, batch.tokens), F.mse_loss(verdict, batch.verdict)
    labels = (torch.arange(len(logits), device=logits.device) % 2).float()
    pair_loss = F.binary_cross_entropy_with_logits(logits, labels)
    total = (1 - cosine) + settings.tokens_weight * token_loss + settings.verdict_weight * verdict_loss
    total = total + settings.pair_weight * pair_loss
    figures = {
        "cosine": cosine,
        "tokens": token_loss,
        "verdict": verdict_loss,
        "pair": pair_loss,
        "pair_right": ((logits > 0) == (labels > 0)).float().mean(),
        "pair_order": (logits[1::2] > logits[::2]).float().mean(),
    }
    return total, {name: value.detach() for name, value in figures.items()}


class Trainer:
    """The student, its moving average and AdamW; `state` and `restore` hold all that a step depends on."""

    def __init__(self, settings: Settings, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, device, 0
        self.student = Student(settings.student).to(device, memory_format=torch.channels_last)
        if settings.start:
            load_network(self.student.net, settings.start)
        self.average = {name: tensor.detach().clone() for name, tensor in self.student.state_dict().items()}
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.99))

    def rate(self) -> float:
        """Linear growth, then a half cosine down to a hundredth."""
        s = self.settings
        warm = max(1, int(s.warmup * s.steps))
        if self.step < warm:
            return s.rate * (self.step + 1) / warm
        done = min((self.step - warm) / max(1, s.steps - warm), 1.0)
        return s.rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))

    def update(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.student.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        total, figures = losses(self.student, batch, self.settings)
        total.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self.follow()
        return figures

    @torch.no_grad()
    def follow(self) -> None:
        """The moving average of weights and batch statistics, quicker at first."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        state = self.student.state_dict()
        floats = [name for name, tensor in state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in floats], [state[n] for n in floats], 1 - decay)
        for name in state.keys() - set(floats):
            self.average[name].copy_(state[name])

    def state(self) -> dict[str, torch.Tensor]:
        """All tensors under flat names."""
        out = {f"student.{n}": t for n, t in self.student.state_dict().items()}
        out |= {f"average.{n}": t for n, t in self.average.items()}
        for k, part in self.optimiser.state_dict()["state"].items():
            out |= {f"optimiser.{k}.{n}": t for n, t in part.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in out.items()}

    def restore(self, path: Path) -> None:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            self.step = int(file.metadata()["step"])

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

        self.student.load_state_dict(part("student."))
        self.average = {name: tensor.to(self.device) for name, tensor in part("average.").items()}
        moments: dict[int, dict] = {}
        for name, tensor in part("optimiser.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = tensor
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})


def save_whole(tensors: dict[str, torch.Tensor], path: Path, about: dict) -> None:
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {name: str(value) for name, value in about.items()})
    partial.replace(path)


def checkpoint(trainer: Trainer, out: Path) -> None:
    """checkpoint.safetensors (everything), and of the moving average student.safetensors (the backbone alone) and
    heads.safetensors."""
    about = {"step": trainer.step, "settings": json.dumps(asdict(trainer.settings), default=str)}
    save_whole(trainer.state(), out / "checkpoint.safetensors", about)
    average = {name: tensor.cpu().contiguous() for name, tensor in trainer.average.items()}
    for file, own in (("student", True), ("heads", False)):
        part = {n.removeprefix("net."): t for n, t in average.items() if n.startswith("net.") == own}
        save_whole(part, out / f"{file}.safetensors", about)


class Log:
    """Means over `LOG_EVERY` steps, to the screen and as a line of log.jsonl."""

    def __init__(self, path: Path, trainer: Trainer):
        self.path, self.trainer, self.first, self.began = path, trainer, trainer.step, time.time()
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, figures: dict[str, torch.Tensor]) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value.item() for name, value in figures.items()}
        self.count += 1
        step, steps = self.trainer.step, self.trainer.settings.steps
        if step % LOG_EVERY and step != steps:
            return
        speed = (step - self.first) / (time.time() - self.began)
        row = {"step": step, "rate": self.trainer.rate(), "steps_per_second": speed}
        row |= {name: value / self.count for name, value in self.sums.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = " ".join(f"{name} {row[name]:.3f}" for name in self.sums)
        print(f"step {step}/{steps} {shown} {speed:.2f}/s left {(steps - step) / speed / 60:.0f} min", flush=True)
        self.sums, self.count = {}, 0


def train(settings: Settings, work: Path, out: Path | None) -> None:
    """Train to `settings.steps`, from the checkpoint in `out` where there is one."""
    out = out or work / settings.student
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer, batches = Trainer(settings, device), Batches(work, settings, device)
    if (out / "checkpoint.safetensors").exists():
        trainer.restore(out / "checkpoint.safetensors")
    record = {
        "at_step": trainer.step,
        "views": batches.view_count,
        "pairs": batches.pair_count,
        **asdict(settings),
        "start": str(settings.start),
    }
    write_json(out / f"started_{trainer.step:06d}.json", record)
    print(
        f"{settings.student} at step {trainer.step}: {batches.view_count} views, {batches.pair_count} pairs, {device}",
        flush=True,
    )
    last = min(settings.steps, trainer.step + settings.max_steps) if settings.max_steps else settings.steps
    log, saved = Log(out / "log.jsonl", trainer), time.time()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(batches.at, trainer.step)
        while trainer.step < last:
            batch = coming.result()
            coming = thread.submit(batches.at, trainer.step + 1)
            log.add(trainer.update(batch))
            if time.time() - saved > settings.every or trainer.step == last:
                checkpoint(trainer, out)
                saved = time.time()
