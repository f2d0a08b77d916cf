"""Train with transformers' Trainer: LoRA on real overlays (`finetune`), the small model from scratch (`train_base`)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from accelerate.state import AcceleratorState
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, PaliGemmaProcessor, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from aireal.classifier.accelerator import process_state
from aireal.config import Profile
from aireal.core.file_names import shown
from aireal.core.files import locked_folder, remove_folder

from .callbacks import ProgressCallback, RegionAccuracy, overlay_key, sentences, unique_prompts
from .data import Collator, Example, OverlayDataset, require_overlays
from .model import check_loaded, save_adapter
from .overflow import avoid_overflow
from .preflight import run_preflight
from .trainer import EvaluatingTrainer
from .training_arguments import base_arguments, check_names, training_arguments
from .training_folder import (
    History,
    checkpoint_folder,
    fingerprint,
    finish,
    finished_history,
    keep_earlier,
    last_complete_checkpoint,
    read_start,
    write_start,
)

Result = TypeVar("Result")

SAMPLES = 3  # overlays whose sentences are recorded before and after training


def finetune(
    model: PeftModel,
    processor: PaliGemmaProcessor,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    profile: Profile,
    seed: int,
    out_dir: str | Path,
    resume: bool = True,
    rows_selection: Sequence[Example] = (),
    **trainer_arguments,
) -> History:
    """Train the LoRA weights of `model` in place and write adapter and history to `out_dir`.

    AdamW with a tenth of warm-up and a cosine schedule to zero, `profile.lora_steps` steps of `profile.lora_batch` rows
    at `profile.lora_learning_rate`. Each evaluation generates sentences for validation overlays. The weights with the
    highest region accuracy are kept, and training stops after `profile.lora_patience` evaluations without improvement.
    Without validation rows the last weights are kept.

    Checkpoints lie in `out_dir`/checkpoints until the end. With `resume`, the same call continues from the last
    checkpoint after a kill, also in another number format, and loads the result of a finished training. Other rows,
    profile numbers, seed or base start a new training; what belongs to the old one is kept (`training_folder`).

    With several processes (`accelerate launch`, `torchrun`) every process calls this; they share each batch, and the
    first one writes.

    Args:
        model: from `attach_lora`.
        rows_selection: rows whose sentences select the kept weights; `rows_val` where there are none.
        trainer_arguments: further arguments of transformers' `TrainingArguments`.

    Raises:
        ValueError: from `run_preflight`, before any step; rows are missing, or overlays cannot be read (all are named);
            an argument is unknown; losses are not finite, in training or validation; or another run holds `out_dir`.
    """
    # another process of the same training does not ask for the lock, which the first one holds
    message = f"another fine-tuning is running in {shown(out_dir)}: wait for it"
    with locked_folder(Path(out_dir), message) if process_state().is_main_process else nullcontext():
        parts = model, processor, rows_train, rows_val, profile, seed, Path(out_dir), resume, rows_selection
        return _finetune(*parts, trainer_arguments)


def _finetune(
    model: PeftModel,
    processor: PaliGemmaProcessor,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    profile: Profile,
    seed: int,
    out: Path,
    resume: bool,
    rows_selection: Sequence[Example],
    trainer_arguments: dict,
) -> History:
    """`finetune` in a folder that no other run uses."""
    require_overlays([*rows_train, *rows_val, *rows_selection])
    base = model.get_base_model()
    selection = list(rows_selection or rows_val)
    key = fingerprint(model, rows_train, [*rows_val, *rows_selection], profile, seed, trainer_arguments)
    check_names(set(trainer_arguments))
    if resume and (history := finished_history(out, key, base)):
        loaded = set_peft_model_state_dict(model, load_file(out / "adapter_model.safetensors"))
        check_loaded(loaded.missing_keys, loaded.unexpected_keys, out)
        return history
    avoid_overflow(model, processor, rows_train)
    checkpoints = checkpoint_folder(out, key, base)
    numbers = (profile.lora_steps, profile.lora_batch, profile.lora_learning_rate, seed)
    # after the look at overflow, which may change the number format that the precision of Trainer follows
    arguments = training_arguments(model, checkpoints, *numbers, bool(rows_val), **trainer_arguments)
    dataset, collator = OverlayDataset(rows_train), Collator(processor)
    _check_first_batch(model, processor, dataset, collator, profile)
    sample_rows = _sample_rows(rows_val or rows_train)
    _say_what_is_used(arguments)
    before = _on_first_process(lambda: _begin(model, processor, sample_rows, checkpoints, resume))
    dataset_val, accuracy, patience = None, None, []
    if rows_val:
        dataset_val = OverlayDataset(rows_val)
        accuracy = RegionAccuracy(processor, selection, profile.lora_selection)
        patience = [EarlyStoppingCallback(profile.lora_patience)]
    history = run_trainer(model, arguments, dataset, dataset_val, collator, patience, accuracy)

    def finish_training() -> History:
        after = sentences(model, processor, sample_rows)
        samples = [
            {"prompt": row.prompt, "wanted": row.sentence, "before": old, "after": new}
            for row, old, new in zip(sample_rows, before, after, strict=True)
        ]
        complete = replace(history, samples=samples)
        keep_earlier(out, key, checkpoints)
        save_adapter(model, out)
        finish(out, key, complete, checkpoints)
        return complete

    return _on_first_process(finish_training) or history


def _sample_rows(rows: Sequence[Example]) -> list[Example]:
    """A row for each prompt (each language) of a few overlays, which are spread over the rows."""
    overlays: dict[tuple, list[Example]] = {}
    for row in unique_prompts(rows):
        overlays.setdefault((overlay_key(row), row.mirrored), []).append(row)
    spread = list(overlays.values())[:: max(1, len(overlays) // SAMPLES)]
    return [row for overlay in spread[:SAMPLES] for row in overlay]


def _begin(
    model: PeftModel, processor: PaliGemmaProcessor, rows: Sequence[Example], checkpoints: Path, resume: bool
) -> list[str]:
    """The sentences before the first step: of the interrupted training, or generated now as a new one begins."""
    start, prompts = read_start(checkpoints) if resume else None, [row.prompt for row in rows]
    if start and start.get("prompts") == prompts:  # an earlier version recorded other rows
        return start["before"]
    if not start:
        remove_folder(checkpoints)  # of this same training: resume is off
    before = sentences(model, processor, rows)
    write_start(checkpoints, model.get_base_model(), prompts, before)
    return before


def _on_first_process(work: Callable[[], Result]) -> Result | None:
    """The result of work that one process does while the others wait; None in the others."""
    state = process_state()
    result = work() if state.is_main_process else None
    state.wait_for_everyone()
    return result


def _say_what_is_used(arguments: TrainingArguments) -> None:
    """Print the processes of the training, and how to use GPUs that are idle."""
    gpus = torch.cuda.device_count() if arguments.device.type == "cuda" else 0
    if arguments.world_size > 1:
        share = arguments.per_device_train_batch_size
        print(f"{arguments.world_size} processes share each batch, {share} rows each")
    elif gpus > 1:
        print(f"one of {gpus} GPUs is used: `accelerate launch -m aireal finetune` uses all of them")


def _check_first_batch(
    model: PeftModel, processor: PaliGemmaProcessor, dataset: OverlayDataset, collator: Collator, profile: Profile
) -> None:
    items = [dataset[i] for i in range(min(profile.lora_batch, len(dataset)))]
    weight_format = model.get_base_model().weight_format
    texts = [item["sentence"] for item in items]
    run_preflight(collator(items), processor, model, texts, weight_format, profile.lora_learning_rate)


def run_trainer(
    model: torch.nn.Module,
    arguments: TrainingArguments,
    dataset: Dataset,
    dataset_val: Dataset | None,
    collator: Callable,
    callbacks: Sequence[TrainerCallback] = (),
    region_accuracy: RegionAccuracy | None = None,
) -> History:
    """Train to `max_steps`, or until a callback stops the training.

    Training continues from the last complete checkpoint of the output folder, if there is one.

    Args:
        region_accuracy: generates sentences at each evaluation.
    """
    began = time.monotonic()
    checkpoint = last_complete_checkpoint(Path(arguments.output_dir))
    trainer = EvaluatingTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=dataset_val,
        data_collator=collator,
        callbacks=[ProgressCallback(), *callbacks],
        region_accuracy=region_accuracy,
    )
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        # else its precision would hold for every later Accelerator of the process
        AcceleratorState._reset_state(reset_partial_state=True)
    model.eval()
    log = trainer.state.log_history
    return History(
        steps=trainer.state.global_step,
        seconds=round(time.monotonic() - began, 1),
        resumed_from=int(checkpoint.name.split("-")[-1]) if checkpoint else 0,
        loss=_curve(log, "loss"),
        val_loss=_curve(log, "eval_loss"),
        val_region=_curve(log, "eval_region"),
        best_step=trainer.state.best_global_step or 0,
        skipped=trainer.numerics.skipped,
        not_finite=trainer.numerics.not_finite,
    )


def _curve(log: list[dict], name: str) -> list[list[float]]:
    """The finite points of a curve; `History.not_finite` counts the others."""
    points = [[entry["step"], round(float(entry[name]), 4)] for entry in log if name in entry]
    return [point for point in points if math.isfinite(point[1])]


def train_base(
    model: torch.nn.Module,
    processor: PaliGemmaProcessor,
    dataset: Dataset,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    out_dir: Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> History:
    """Train all weights of the small model on synthetic overlays, resuming from `out_dir`/checkpoints if they exist."""
    model.train().requires_grad_(True)
    arguments = base_arguments(model, Path(out_dir) / "checkpoints", steps, batch, learning_rate, seed)
    return run_trainer(model, arguments, dataset, None, Collator(processor), callbacks)
