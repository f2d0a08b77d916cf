"""Train with transformers' Trainer: LoRA on real overlays (`finetune`), and the small model from nothing (`train_base`)."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, PaliGemmaProcessor, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from aireal.config import Profile
from aireal.core.files import write_json

from .arguments import base_arguments, training_arguments
from .callbacks import EvaluatingTrainer, ProgressCallback, RegionAccuracyCallback, sentences
from .data import Collator, Example, OverlayDataset
from .model import base_digest, save_adapter
from .preflight import run_preflight

SAMPLES = 3  # validation sentences shown before and after
CHOICE = "best region on validation"  # how the kept weights are chosen


@dataclass(frozen=True)
class History:
    """What a training left behind: [step, loss] points for a curve, and sentences on the same overlays before and after."""

    steps: int
    loss: list[list[float]]
    val_loss: list[list[float]]
    seconds: float  # of the call that finished it
    resumed_from: int = 0  # the step an earlier, interrupted call had reached
    samples: list[dict[str, str]] = field(default_factory=list)  # prompt, wanted, before, after
    val_region: list[list[float]] = field(
        default_factory=list
    )  # [step, share of validation sentences that name the heatmap's region]
    best_step: int = 0  # whose weights were kept; 0 without validation rows: the last ones were


def finetune(
    model: PeftModel,
    processor: PaliGemmaProcessor,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    numbers: Profile,
    seed: int,
    out_dir: str | Path,
    resume: bool = True,
    **trainer,
) -> History:
    """Train the LoRA weights of `model` in place and write adapter and history to `out_dir`.

    AdamW with a tenth of warm-up and a cosine to zero, `numbers.lora_steps` steps of `numbers.lora_batch` rows at
    `numbers.lora_learning_rate`. At each evaluation sentences are written for validation overlays; the weights that name most regions rightly
    are kept, and after `numbers.lora_patience` evaluations without better ones the training stops; without validation rows the last are kept.
    Checkpoints stand in `out_dir`/checkpoints until the end. With `resume`, the same call after a kill goes on from the last one, and after a
    finished training loads what it made; other rows, numbers, seed or base start anew.

    Args:
        model: from `attach_lora`.
        trainer: further arguments of transformers' `TrainingArguments`.

    Raises:
        ValueError: from `run_preflight`, before any step; rows are missing; or an argument is unknown.
    """
    out, key = Path(out_dir), fingerprint(model, rows_train, rows_val, numbers, seed, trainer)
    arguments = training_arguments(
        model,
        out / "checkpoints",
        numbers.lora_steps,
        numbers.lora_batch,
        numbers.lora_learning_rate,
        seed,
        bool(rows_val),
        **trainer,
    )
    if resume and (found := _finished(out, key)):
        set_peft_model_state_dict(model, load_file(out / "adapter_model.safetensors"))
        return found
    dataset, collator = OverlayDataset(rows_train), Collator(processor)
    first = [dataset[i] for i in range(min(numbers.lora_batch, len(dataset)))]
    run_preflight(
        collator(first),
        processor,
        model,
        [item["sentence"] for item in first],
        model.get_base_model().asked,
        numbers.lora_learning_rate,
    )
    shown = list(rows_val or rows_train)[:SAMPLES]
    state = _start(out, key, resume, lambda: sentences(model, processor, shown))
    held_out, watch = (
        (OverlayDataset(rows_val), RegionAccuracyCallback(processor, rows_val)) if rows_val else (None, None)
    )
    patience = [EarlyStoppingCallback(numbers.lora_patience)] if rows_val else []
    history = run_trainer(model, arguments, dataset, held_out, collator, patience, watch)
    after = sentences(model, processor, shown)
    samples = [
        {"prompt": row.prompt, "wanted": row.sentence, "before": old, "after": new}
        for row, old, new in zip(shown, state["before"], after, strict=True)
    ]
    history = History(**{**asdict(history), "samples": samples})
    save_adapter(model, out)
    write_json(out / "training.json", {"fingerprint": key, "history": asdict(history)})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return history


def fingerprint(
    model: torch.nn.Module,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    numbers: Profile,
    seed: int,
    trainer: dict,
) -> str:
    """SHA-256 over all that a fine-tuning depends on: base, its number format, LoRA's size, numbers, seed, texts and the overlays' bytes."""
    digest = hashlib.sha256()
    size = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    recipe = [
        model.name_or_path,
        base_digest(model.get_base_model()),
        str(model.get_base_model().asked),
        size,
        numbers.lora_steps,
        numbers.lora_batch,
        numbers.lora_learning_rate,
        numbers.lora_patience,
        seed,
        len(rows_train),
        CHOICE,
        sorted(trainer.items()),
    ]
    digest.update(json.dumps(recipe, default=str).encode())
    for row in (*rows_train, *rows_val):
        picture = row.overlay.read_bytes() if isinstance(row.overlay, Path) else row.overlay.tobytes()
        digest.update(hashlib.sha256(picture).digest() + row.prompt.encode() + b"\0" + row.sentence.encode() + b"\0")
    return digest.hexdigest()


def _finished(out: Path, key: str) -> History | None:
    path = out / "training.json"
    if not path.is_file() or not (out / "adapter_model.safetensors").is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return History(**record["history"]) if record["fingerprint"] == key else None


def _start(out: Path, key: str, resume: bool, sentences) -> dict:
    """What was known before the first step: read back when the same training was interrupted, else made anew."""
    path = out / "checkpoints" / "start.json"
    if resume and path.is_file():
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["fingerprint"] == key:
            return state
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    (out / "training.json").unlink(missing_ok=True)  # it speaks of an adapter that is about to be replaced
    state = {"fingerprint": key, "before": sentences()}
    write_json(path, state)
    return state


def run_trainer(
    model: torch.nn.Module,
    arguments: TrainingArguments,
    dataset: Dataset,
    held_out: Dataset | None,
    collator: Callable,
    callbacks: Sequence[TrainerCallback] = (),
    watch: RegionAccuracyCallback | None = None,
) -> History:
    """Train to `max_steps`, or until a callback stops it, going on from the last checkpoint of the output folder that was written whole.
    `watch` writes sentences meanwhile."""
    began = time.time()
    checkpoint = _last_whole_checkpoint(Path(arguments.output_dir))
    trainer = EvaluatingTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=held_out,
        data_collator=collator,
        callbacks=[ProgressCallback(), *callbacks],
        watch=watch,
    )
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        AcceleratorState._reset_state(
            reset_partial_state=True
        )  # its precision would bind every later Accelerator of the process
    model.eval()
    log = trainer.state.log_history
    return History(
        steps=trainer.state.global_step,
        seconds=round(time.time() - began, 1),
        resumed_from=int(checkpoint.name.split("-")[-1]) if checkpoint else 0,
        loss=[[entry["step"], round(float(entry["loss"]), 4)] for entry in log if "loss" in entry],
        val_loss=[[entry["step"], round(float(entry["eval_loss"]), 4)] for entry in log if "eval_loss" in entry],
        val_region=[[entry["step"], round(float(entry["eval_region"]), 4)] for entry in log if "eval_region" in entry],
        best_step=trainer.state.best_global_step or 0,
    )


def _last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint; one that a kill left half-written (Trainer writes its state last) is removed."""
    while folder.is_dir() and (last := get_last_checkpoint(str(folder))):
        try:
            json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))
            return Path(last)
        except (OSError, json.JSONDecodeError):
            shutil.rmtree(last)
    return None


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
    """Train every weight of the small model on procedural overlays, resuming from `out_dir`/checkpoints if they are there."""
    model.train().requires_grad_(True)
    arguments = base_arguments(model, Path(out_dir) / "checkpoints", steps, batch, learning_rate, seed)
    return run_trainer(model, arguments, dataset, None, Collator(processor), callbacks)
