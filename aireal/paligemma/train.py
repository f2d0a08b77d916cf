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
from transformers import PaliGemmaProcessor, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from ..config import Profile
from ..run import write_json
from .data import Collator, OverlayDataset, Row, preflight
from .generate import describe
from .model import SMALL_HIDDEN, save_adapter

# transformers renamed it in the course of version 5
CHECKPOINTING = "activation_checkpointing" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient_checkpointing"
SAMPLES = 3  # validation sentences shown before and after


@dataclass(frozen=True)
class History:
    """What a training left behind: [step, loss] points for a curve, and sentences on the same overlays before and after."""

    steps: int
    loss: list[list[float]]
    val_loss: list[list[float]]
    seconds: float  # of the call that finished it
    resumed_from: int = 0  # the step an earlier, interrupted call had reached
    samples: list[dict[str, str]] = field(default_factory=list)  # prompt, wanted, before, after


def finetune(model: PeftModel, processor: PaliGemmaProcessor, rows_train: Sequence[Row], rows_val: Sequence[Row], numbers: Profile,
             seed: int, out_dir: str | Path, resume: bool = True) -> History:
    """Train the LoRA weights of `model` in place and write adapter and history to `out_dir`.

    AdamW with a tenth of warm-up and a cosine to zero, `numbers.lora_steps` steps of `numbers.lora_batch` rows at
    `numbers.lora_learning_rate`. Checkpoints stand in `out_dir`/checkpoints until the end. With `resume`, the same call after
    a kill goes on from the last one, and after a finished training loads what it made; other rows, numbers, seed or base
    start anew.

    Args:
        model: from `attach_lora`.

    Raises:
        ValueError: from `preflight`, before any step; or rows are missing.
    """
    out, key = Path(out_dir), fingerprint(model, rows_train, rows_val, numbers, seed)
    if resume and (found := _finished(out, key)):
        set_peft_model_state_dict(model, load_file(out / "adapter_model.safetensors"))
        return found
    dataset, collator = OverlayDataset(rows_train), Collator(processor)
    first = [dataset[i] for i in range(min(numbers.lora_batch, len(dataset)))]
    preflight(collator(first), processor, model, [item["sentence"] for item in first])
    shown = list(rows_val or rows_train)[:SAMPLES]
    state = _start(out, key, resume, lambda: _sentences(model, processor, shown))
    arguments = _arguments(
        model, out / "checkpoints", numbers.lora_steps, numbers.lora_batch, numbers.lora_learning_rate, seed, evaluate=bool(rows_val))
    history = run_trainer(model, arguments, dataset, OverlayDataset(rows_val) if rows_val else None, collator)
    after = _sentences(model, processor, shown)
    samples = [{"prompt": row.prompt, "wanted": row.sentence, "before": old, "after": new}
               for row, old, new in zip(shown, state["before"], after, strict=True)]
    history = History(**{**asdict(history), "samples": samples})
    save_adapter(model, out)
    write_json(out / "training.json", {"fingerprint": key, "history": asdict(history)})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return history


def fingerprint(model: torch.nn.Module, rows_train: Sequence[Row], rows_val: Sequence[Row], numbers: Profile, seed: int) -> str:
    """SHA-256 over all that a fine-tuning depends on: base, LoRA's size, numbers, seed, texts and the overlays' bytes."""
    digest = hashlib.sha256()
    size = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    recipe = [model.name_or_path, size, numbers.lora_steps, numbers.lora_batch, numbers.lora_learning_rate, seed, len(rows_train)]
    digest.update(json.dumps(recipe).encode())
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


def _sentences(model: torch.nn.Module, processor: PaliGemmaProcessor, rows: Sequence[Row]) -> list[str]:
    items = OverlayDataset(rows)
    return describe(model, processor, [items[i]["image"] for i in range(len(items))], [row.prompt for row in rows])


def _arguments(model: torch.nn.Module, folder: Path, steps: int, batch: int, learning_rate: float, seed: int, evaluate: bool,
               **more) -> TrainingArguments:
    """Trainer's arguments with what never changes here: no reporting, cosine, clip 1, precision by the model and its device."""
    kind, large = model.device.type, getattr(model.config, "text_config", model.config).hidden_size >= SMALL_HIDDEN
    every = max(1, steps // 5)
    arguments = TrainingArguments(**{
        "output_dir": str(folder), "max_steps": steps, "per_device_train_batch_size": batch, "per_device_eval_batch_size": batch,
        "learning_rate": learning_rate, "lr_scheduler_type": "cosine", "warmup_steps": max(1, steps // 10), "max_grad_norm": 1.0,
        "weight_decay": 0.0, "optim": "adamw_torch", "seed": seed, "data_seed": seed, "use_cpu": kind == "cpu",
        "bf16": kind == "cuda" and model.dtype == torch.bfloat16, "fp16": kind == "cuda" and model.dtype == torch.float16,
        "save_strategy": "steps", "save_steps": every, "save_total_limit": 2,
        "eval_strategy": "steps" if evaluate else "no", "eval_steps": every,
        "logging_steps": max(1, steps // 50), "prediction_loss_only": True, "remove_unused_columns": False, "label_names": ["labels"],
        "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": kind == "cuda",
        **({CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": False}} if large else {}), **more,
    })
    arguments._n_gpu = min(arguments.n_gpu, 1)  # two GPUs in one process would mean DataParallel, which 4-bit weights do not survive
    return arguments


class _Progress(TrainerCallback):
    """About ten lines a training: step, loss, learning rate and the time left."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.began, self.first, self.last = time.time(), state.global_step, 0.0

    def on_log(self, args, state, control, logs=None, **kwargs):
        done = state.global_step - self.first
        share = state.global_step / state.max_steps
        if "loss" in logs and done and (share - self.last >= 0.1 or share == 1):
            self.last = share
            left = (time.time() - self.began) / done * (state.max_steps - state.global_step)
            print(f"step {state.global_step}/{state.max_steps} · loss {float(logs['loss']):.3f} · {left:.0f} s left", flush=True)


def run_trainer(model: torch.nn.Module, arguments: TrainingArguments, dataset: Dataset, held_out: Dataset | None, collator: Callable,
                callbacks: Sequence[TrainerCallback] = ()) -> History:
    """Train to `max_steps`, going on from the last checkpoint of the output folder that was written whole."""
    began = time.time()
    checkpoint = _last_whole_checkpoint(Path(arguments.output_dir))
    trainer = Trainer(
        model=model, args=arguments, train_dataset=dataset, eval_dataset=held_out, data_collator=collator,
        callbacks=[_Progress(), *callbacks])
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # its precision would bind every later Accelerator of the process
    model.eval()
    log = trainer.state.log_history
    return History(
        steps=trainer.state.global_step, seconds=round(time.time() - began, 1),
        resumed_from=int(checkpoint.name.split("-")[-1]) if checkpoint else 0,
        loss=[[entry["step"], round(float(entry["loss"]), 4)] for entry in log if "loss" in entry],
        val_loss=[[entry["step"], round(float(entry["eval_loss"]), 4)] for entry in log if "eval_loss" in entry],
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


def train_base(model: torch.nn.Module, processor: PaliGemmaProcessor, dataset: Dataset, steps: int, batch: int, learning_rate: float,
               seed: int, out_dir: Path, callbacks: Sequence[TrainerCallback] = ()) -> History:
    """Train every weight of the small model on procedural overlays, resuming from `out_dir`/checkpoints if they are there."""
    model.train().requires_grad_(True)
    arguments = base_arguments(model, Path(out_dir) / "checkpoints", steps, batch, learning_rate, seed)
    return run_trainer(model, arguments, dataset, None, Collator(processor), callbacks)


def base_arguments(model: torch.nn.Module, folder: Path, steps: int, batch: int, learning_rate: float, seed: int) -> TrainingArguments:
    """Arguments for training from nothing: weight decay 0.05, betas 0.9 and 0.98, a short warm-up, bfloat16 autocast."""
    return _arguments(
        model, folder, steps, batch, learning_rate, seed, evaluate=False, weight_decay=0.05, adam_beta2=0.98, bf16=True,
        warmup_steps=min(100, max(1, steps // 10)), logging_steps=25, save_steps=250,
    )
