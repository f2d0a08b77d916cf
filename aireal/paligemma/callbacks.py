"""What is watched during fine-tuning: sentences on validation overlays, and how often they name the heatmap's region."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PaliGemmaProcessor, Trainer, TrainerCallback

from aireal.captions.language.grammar import parse
from aireal.core.device import peak_memory_gib

from .consistency import parse_or_none
from .data import Example, OverlayDataset
from .generate import describe

WATCHED = 64  # validation prompts written at each evaluation
SHOWN = 2  # of them printed


class RegionAccuracyCallback:
    """Writes a sentence for each validation overlay and prompt (at most `WATCHED`, spread over all) and compares its region with the row's.

    The region that is wanted is read from the row's own sentence, which agrees with its record.
    """

    def __init__(self, processor: PaliGemmaProcessor, rows: Sequence[Example]):
        unique = list(
            {
                (id(row.overlay) if not isinstance(row.overlay, Path) else row.overlay, row.prompt): row for row in rows
            }.values()
        )
        self.processor, self.rows = processor, unique[:: -(-len(unique) // WATCHED)]

    def __call__(self, model: torch.nn.Module, loss: float) -> dict[str, float]:
        """`region`, the hit rate, and `choice`, by which the best weights are chosen: the hit rate, and among equals the lower loss."""
        texts = sentences(model, self.processor, self.rows)
        found = [parse_or_none(text) for text in texts]
        hits = [
            p is not None and p.region == parse(row.sentence).region for p, row in zip(found, self.rows, strict=True)
        ]
        rate = sum(hits) / len(hits)
        print(f"  region named rightly in {sum(hits)} of {len(hits)} validation sentences · loss {loss:.3f}")
        for text, row in list(zip(texts, self.rows))[:SHOWN]:
            print(f"  {row.prompt}\n    → {text}", flush=True)
        return {"region": rate, "choice": rate - 1e-5 * min(loss, 100.0)}


def sentences(model: torch.nn.Module, processor: PaliGemmaProcessor, rows: Sequence[Example]) -> list[str]:
    """What the model writes for the rows' overlays and prompts."""
    items = OverlayDataset(rows)
    return describe(model, processor, [items[i]["image"] for i in range(len(items))], [row.prompt for row in rows])


class EvaluatingTrainer(Trainer):
    """Trainer whose evaluation also writes sentences; what `watch` finds stands among the metrics."""

    def __init__(self, *args, watch: RegionAccuracyCallback | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.watch = watch

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.watch:
            found = self.watch(self.model, output.metrics[f"{metric_key_prefix}_loss"])
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in found.items()})
        return output


class ProgressCallback(TrainerCallback):
    """About ten lines a training: step, loss and the time left; memory before the first step and after the last. Asks for an evaluation at the
    last step, so that it is a candidate for the best."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.began, self.first, self.last = time.time(), state.global_step, 0.0
        print(memory_line("before the first step", args.device), flush=True)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        done = state.global_step - self.first
        share = state.global_step / state.max_steps
        if "loss" in logs and done and (share - self.last >= 0.1 or share == 1):
            self.last = share
            left = (time.time() - self.began) / done * (state.max_steps - state.global_step)
            print(
                f"step {state.global_step}/{state.max_steps} · loss {float(logs['loss']):.3f} · {left:.0f} s left",
                flush=True,
            )

    def on_train_end(self, args, state, control, **kwargs):
        print(memory_line("after the last step", args.device), flush=True)


def memory_line(when: str, device: torch.device) -> str:
    """Memory now and at its peak: allocated on a GPU, of the whole process elsewhere."""
    if device.type == "cuda":
        free, total = (part / 2**30 for part in torch.cuda.mem_get_info(device))
        return (
            f"GPU memory {when}: {torch.cuda.memory_allocated(device) / 2**30:.2f} GiB allocated, peak {peak_memory_gib(device):.2f}, "
            f"{free:.2f} of {total:.2f} free"
        )
    return f"memory {when}: peak {peak_memory_gib(device):.2f} GiB"
