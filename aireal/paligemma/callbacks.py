"""Evaluation during fine-tuning: sentences on validation overlays, and how often they name the right region."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate.utils import gather_object
from transformers import PaliGemmaProcessor, TrainerCallback

from aireal.captions.language.grammar import parse
from aireal.classifier.accelerator import process_state
from aireal.core.device import peak_memory_gib

from .data import Example, OverlayDataset
from .generate import describe
from .region_words import parse_or_none

MAX_PRINTED = 2  # sentences printed per evaluation


class RegionAccuracy:
    """Generate a sentence for each validation overlay and prompt, and compare its region with the row's.

    Rows with the same overlay and prompt count once. At most `limit` rows are evaluated, spread over all rows. The
    row's own sentence names the right region, because it agrees with its record. Several processes share the rows.
    """

    def __init__(self, processor: PaliGemmaProcessor, rows: Sequence[Example], limit: int):
        unique = unique_prompts(rows)
        self.processor, self.rows = processor, unique[:: -(-len(unique) // limit)]

    def __call__(self, model: torch.nn.Module, loss: float) -> dict[str, float]:
        """`region`, the accuracy, and `selection_score`, by which the best weights are selected.

        The score orders by accuracy, and among equal accuracies by the lower loss.
        """
        texts = self._sentences(model)
        claims = [parse_or_none(text) for text in texts]
        hits = [
            claim is not None and claim.region == parse(row.sentence).region
            for claim, row in zip(claims, self.rows, strict=True)
        ]
        accuracy = sum(hits) / len(hits)
        print(f"  region correct in {sum(hits)} of {len(hits)} validation sentences · loss {loss:.3f}")
        for text, row in list(zip(texts, self.rows))[:MAX_PRINTED]:
            print(f"  {row.prompt}\n    → {text}", flush=True)
        return {"region": accuracy, "selection_score": accuracy - 1e-5 * min(loss, 100.0)}

    def _sentences(self, model: torch.nn.Module) -> list[str]:
        """The sentences of all rows, in their order, in every process."""
        state = process_state()
        share = range(state.process_index, len(self.rows), state.num_processes)
        texts = sentences(model, self.processor, [self.rows[i] for i in share]) if len(share) else []
        gathered = dict(gather_object(list(zip(share, texts, strict=True))))
        return [gathered[i] for i in range(len(self.rows))]


def unique_prompts(rows: Sequence[Example]) -> list[Example]:
    """One row for each overlay and prompt, the last one."""
    return list({(overlay_key(row), row.mirrored, row.prompt): row for row in rows}.values())


def overlay_key(row: Example) -> Path | int:
    """What two rows of the same overlay have in common: its file, or the picture itself."""
    return row.overlay if isinstance(row.overlay, Path) else id(row.overlay)


def sentences(model: torch.nn.Module, processor: PaliGemmaProcessor, rows: Sequence[Example]) -> list[str]:
    """The model's sentences for the rows' overlays and prompts."""
    dataset = OverlayDataset(rows)
    images = [dataset[i]["image"] for i in range(len(dataset))]
    return describe(model, processor, images, [row.prompt for row in rows])


class ProgressCallback(TrainerCallback):
    """Print about ten lines per training (step, loss, time left), and the memory before and after it.

    It also requests an evaluation at the last step, so that the last weights can be selected as the best.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        self.began, self.first_step, self.last_share = time.monotonic(), state.global_step, 0.0
        print(memory_line("before the first step", args.device), flush=True)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        done = state.global_step - self.first_step
        share = state.global_step / state.max_steps
        if "loss" in logs and done and (share - self.last_share >= 0.1 or share == 1):
            self.last_share = share
            seconds_left = (time.monotonic() - self.began) / done * (state.max_steps - state.global_step)
            progress = f"step {state.global_step}/{state.max_steps}"
            print(f"{progress} · loss {float(logs['loss']):.3f} · {seconds_left:.0f} s left", flush=True)

    def on_train_end(self, args, state, control, **kwargs):
        print(memory_line("after the last step", args.device), flush=True)


def memory_line(when: str, device: torch.device) -> str:
    """Memory now and at its peak: allocated memory on a GPU, memory of the whole process elsewhere."""
    if device.type == "cuda":
        free, total = (size / 2**30 for size in torch.cuda.mem_get_info(device))
        allocated = torch.cuda.memory_allocated(device) / 2**30
        return (
            f"GPU memory {when}: {allocated:.2f} GiB allocated, peak {peak_memory_gib(device):.2f}, "
            f"{free:.2f} of {total:.2f} free"
        )
    return f"memory {when}: peak of the whole process so far {peak_memory_gib(device):.2f} GiB"
