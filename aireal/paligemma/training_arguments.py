"""Arguments of transformers' Trainer: the project's defaults and a caller's overrides. An unknown one is an error."""

from __future__ import annotations

import os
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

import torch
from transformers import TrainingArguments

from .number_format import SMALL_HIDDEN, compute_dtype

# transformers renamed the argument within version 5
CHECKPOINTING = (
    "activation_checkpointing" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient_checkpointing"
)
EVALUATIONS = 5  # per training: evaluations, each with generated sentences and a checkpoint


def training_arguments(
    model: torch.nn.Module,
    folder: Path,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    evaluate: bool,
    **overrides,
) -> TrainingArguments:
    """Arguments for AdamW with a tenth of warm-up and a cosine schedule, gradients clipped at 1, and no reporting.

    The precision follows the model's dtype and device. A large model checkpoints its activations. With `evaluate` the
    checkpoint with the highest `eval_selection_score` (`callbacks.RegionAccuracy`) is loaded at the end.

    Args:
        batch: rows per step, over all processes.
        overrides: other arguments of Trainer; they replace the defaults above.

    Raises:
        ValueError: Trainer has no such argument, or the processes cannot share a batch equally.
    """
    check_names(set(overrides))
    share = _share(batch)
    interval = max(1, steps // EVALUATIONS)
    arguments = TrainingArguments(
        **{
            "output_dir": str(folder),
            "max_steps": steps,
            "per_device_train_batch_size": share,
            "per_device_eval_batch_size": share,
            "ddp_find_unused_parameters": False,
            "learning_rate": learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": max(1, steps // 10),
            "max_grad_norm": 1.0,
            "weight_decay": 0.0,
            "optim": "adamw_torch",
            "seed": seed,
            "data_seed": seed,
            "save_strategy": "steps",
            "save_steps": interval,
            "save_total_limit": 2,
            "logging_steps": max(1, steps // 50),
            "logging_nan_inf_filter": False,  # it would put the average of the others in place of a loss that is NaN
            "prediction_loss_only": True,
            "remove_unused_columns": False,
            "label_names": ["labels"],
            "report_to": "none",
            "disable_tqdm": True,
            **_device_arguments(model),
            **_evaluation_arguments(evaluate, interval),
            **overrides,
        }
    )
    # two GPUs in one process would start DataParallel, which does not support 4-bit weights
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _share(batch: int) -> int:
    """Rows of a batch for each process of `accelerate launch` or `torchrun`."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if batch % processes:
        raise ValueError(
            f"{processes} processes cannot share a batch of {batch} rows equally. Set lora_batch to a multiple of "
            f"{processes}, or start fewer processes."
        )
    return batch // processes


def check_names(names: set[str]) -> None:
    """Check that Trainer has arguments of these names.

    Raises:
        ValueError: it has not; the message has the nearest name.
    """
    valid = {field.name for field in fields(TrainingArguments) if field.init}
    for name in sorted(names - valid):
        nearest = get_close_matches(name, valid, 1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise ValueError(f"Trainer has no argument {name!r}{hint}. Correct the name or leave it out.")


def _device_arguments(model: torch.nn.Module) -> dict:
    """Precision, pinned memory and activation checkpointing, by the model's device, dtype and size."""
    device, dtype = model.device.type, compute_dtype(model)
    arguments = {
        "use_cpu": device == "cpu",
        "bf16": device == "cuda" and dtype == torch.bfloat16,
        "fp16": device == "cuda" and dtype == torch.float16,
        "dataloader_pin_memory": device == "cuda",
    }
    if getattr(model.config, "text_config", model.config).hidden_size >= SMALL_HIDDEN:
        arguments |= {CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": False}}
    return arguments


def _evaluation_arguments(evaluate: bool, interval: int) -> dict:
    if not evaluate:
        return {"eval_strategy": "no", "eval_steps": interval}
    return {
        "eval_strategy": "steps",
        "eval_steps": interval,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_selection_score",
        "greater_is_better": True,
    }


def base_arguments(
    model: torch.nn.Module, folder: Path, steps: int, batch: int, learning_rate: float, seed: int
) -> TrainingArguments:
    """Arguments for training from scratch: weight decay 0.05, betas 0.9 and 0.98, a short warm-up, bfloat16."""
    return training_arguments(
        model,
        folder,
        steps,
        batch,
        learning_rate,
        seed,
        evaluate=False,
        weight_decay=0.05,
        adam_beta2=0.98,
        bf16=True,
        warmup_steps=min(100, max(1, steps // 10)),
        logging_steps=25,
        save_steps=250,
    )
