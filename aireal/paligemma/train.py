"""Train with transformers' Trainer: LoRA on real overlays (`finetune`), the small model from scratch (`train_base`)."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
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

from .base_record import base_digest
from .callbacks import EvaluatingTrainer, ProgressCallback, RegionAccuracyCallback, sentences
from .data import Collator, Example, OverlayDataset
from .model import save_adapter
from .preflight import run_preflight
from .training_arguments import base_arguments, training_arguments

SAMPLES = 3  # validation sentences recorded before and after training
SELECTION = "best region on validation"  # how the kept weights are selected; part of the fingerprint


@dataclass(frozen=True)
class History:
    """The record of a training: [step, loss] points of a curve, and sentences on the same overlays before and after."""

    steps: int
    loss: list[list[float]]
    val_loss: list[list[float]]
    seconds: float  # of the call that finished the training
    resumed_from: int = 0  # the step that an earlier, interrupted call had reached
    samples: list[dict[str, str]] = field(default_factory=list)  # prompt, wanted, before, after
    val_region: list[list[float]] = field(default_factory=list)  # [step, share of validation sentences, region correct]
    best_step: int = 0  # the step of the kept weights; 0 without validation rows, where the last weights are kept


def finetune(
    model: PeftModel,
    processor: PaliGemmaProcessor,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    profile: Profile,
    seed: int,
    out_dir: str | Path,
    resume: bool = True,
    **trainer_arguments,
) -> History:
    """Train the LoRA weights of `model` in place and write adapter and history to `out_dir`.

    AdamW with a tenth of warm-up and a cosine schedule to zero, `profile.lora_steps` steps of `profile.lora_batch` rows
    at `profile.lora_learning_rate`. Each evaluation generates sentences for validation overlays. The weights with the
    highest region accuracy are kept, and training stops after `profile.lora_patience` evaluations without improvement.
    Without validation rows the last weights are kept.

    Checkpoints lie in `out_dir`/checkpoints until the end. With `resume`, the same call continues from the last
    checkpoint after a kill, and loads the result of a finished training. Other rows, profile numbers, seed or base
    start a new training.

    Args:
        model: from `attach_lora`.
        trainer_arguments: further arguments of transformers' `TrainingArguments`.

    Raises:
        ValueError: from `run_preflight`, before any step; rows are missing; or an argument is unknown.
    """
    out, key = Path(out_dir), fingerprint(model, rows_train, rows_val, profile, seed, trainer_arguments)
    arguments = training_arguments(
        model,
        out / "checkpoints",
        profile.lora_steps,
        profile.lora_batch,
        profile.lora_learning_rate,
        seed,
        bool(rows_val),
        **trainer_arguments,
    )
    if resume and (history := _finished_history(out, key)):
        set_peft_model_state_dict(model, load_file(out / "adapter_model.safetensors"))
        return history
    dataset, collator = OverlayDataset(rows_train), Collator(processor)
    _check_first_batch(model, processor, dataset, collator, profile)
    sample_rows = list(rows_val or rows_train)[:SAMPLES]
    before = _sentences_before(out, key, resume, lambda: sentences(model, processor, sample_rows))
    dataset_val, accuracy, patience = None, None, []
    if rows_val:
        dataset_val, accuracy = OverlayDataset(rows_val), RegionAccuracyCallback(processor, rows_val)
        patience = [EarlyStoppingCallback(profile.lora_patience)]
    history = run_trainer(model, arguments, dataset, dataset_val, collator, patience, accuracy)
    after = sentences(model, processor, sample_rows)
    samples = [
        {"prompt": row.prompt, "wanted": row.sentence, "before": old, "after": new}
        for row, old, new in zip(sample_rows, before, after, strict=True)
    ]
    history = replace(history, samples=samples)
    save_adapter(model, out)
    write_json(out / "training.json", {"fingerprint": key, "history": asdict(history)})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return history


def _check_first_batch(
    model: PeftModel, processor: PaliGemmaProcessor, dataset: OverlayDataset, collator: Collator, profile: Profile
) -> None:
    items = [dataset[i] for i in range(min(profile.lora_batch, len(dataset)))]
    weight_format = model.get_base_model().weight_format
    texts = [item["sentence"] for item in items]
    run_preflight(collator(items), processor, model, texts, weight_format, profile.lora_learning_rate)


def fingerprint(
    model: torch.nn.Module,
    rows_train: Sequence[Example],
    rows_val: Sequence[Example],
    profile: Profile,
    seed: int,
    trainer_arguments: dict,
) -> str:
    """SHA-256 over everything that a fine-tuning depends on.

    The base and its number format, LoRA's size, the profile's numbers, the seed, the texts and the overlays' bytes.
    """
    digest = hashlib.sha256()
    size = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    recipe = [
        model.name_or_path,
        base_digest(model.get_base_model()),
        str(model.get_base_model().weight_format),
        size,
        profile.lora_steps,
        profile.lora_batch,
        profile.lora_learning_rate,
        profile.lora_patience,
        seed,
        len(rows_train),
        SELECTION,
        sorted(trainer_arguments.items()),
    ]
    digest.update(json.dumps(recipe, default=str).encode())
    for row in (*rows_train, *rows_val):
        picture = row.overlay.read_bytes() if isinstance(row.overlay, Path) else row.overlay.tobytes()
        digest.update(hashlib.sha256(picture).digest() + row.prompt.encode() + b"\0" + row.sentence.encode() + b"\0")
    return digest.hexdigest()


def _finished_history(out: Path, key: str) -> History | None:
    """The history of a finished training with this fingerprint; None where there is none."""
    path = out / "training.json"
    if not path.is_file() or not (out / "adapter_model.safetensors").is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return History(**record["history"]) if record["fingerprint"] == key else None


def _sentences_before(out: Path, key: str, resume: bool, generate_fn: Callable[[], list[str]]) -> list[str]:
    """The sentences before the first step: read from an interrupted training with this fingerprint, else generated."""
    path = out / "checkpoints" / "start.json"
    if resume and path.is_file():
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["fingerprint"] == key:
            return state["before"]
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    (out / "training.json").unlink(missing_ok=True)  # it describes an adapter that is about to be replaced
    before = generate_fn()
    write_json(path, {"fingerprint": key, "before": before})
    return before


def run_trainer(
    model: torch.nn.Module,
    arguments: TrainingArguments,
    dataset: Dataset,
    dataset_val: Dataset | None,
    collator: Callable,
    callbacks: Sequence[TrainerCallback] = (),
    region_accuracy: RegionAccuracyCallback | None = None,
) -> History:
    """Train to `max_steps`, or until a callback stops the training.

    Training continues from the last complete checkpoint of the output folder, if there is one.

    Args:
        region_accuracy: generates sentences at each evaluation.
    """
    began = time.time()
    checkpoint = _last_complete_checkpoint(Path(arguments.output_dir))
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
        seconds=round(time.time() - began, 1),
        resumed_from=int(checkpoint.name.split("-")[-1]) if checkpoint else 0,
        loss=_curve(log, "loss"),
        val_loss=_curve(log, "eval_loss"),
        val_region=_curve(log, "eval_region"),
        best_step=trainer.state.best_global_step or 0,
    )


def _curve(log: list[dict], name: str) -> list[list[float]]:
    return [[entry["step"], round(float(entry[name]), 4)] for entry in log if name in entry]


def _last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint. One that a kill left incomplete (Trainer writes its state last) is removed."""
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
    """Train all weights of the small model on synthetic overlays, resuming from `out_dir`/checkpoints if they exist."""
    model.train().requires_grad_(True)
    arguments = base_arguments(model, Path(out_dir) / "checkpoints", steps, batch, learning_rate, seed)
    return run_trainer(model, arguments, dataset, None, Collator(processor), callbacks)
