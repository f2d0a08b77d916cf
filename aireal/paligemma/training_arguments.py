"""Arguments of transformers' Trainer: what never changes here, and what a caller adds. An unknown one is an error."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

import torch
from transformers import TrainingArguments

from .model import SMALL_HIDDEN

# transformers renamed it in the course of version 5
CHECKPOINTING = (
    "activation_checkpointing" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient_checkpointing"
)
EVALUATIONS = 5  # of a training: as often are sentences written and the best weights looked for


def training_arguments(
    model: torch.nn.Module,
    folder: Path,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    evaluate: bool,
    **more,
) -> TrainingArguments:
    """No reporting, cosine, clip 1, precision by the model and its device, checkpointed activations for large models.

    With `evaluate` the checkpoint with the highest `eval_choice` (`watch.Watch`) is loaded at the end.

    Args:
        more: any other of Trainer's arguments; they win over what is set here.

    Raises:
        ValueError: Trainer has no such argument.
    """
    known = {field.name for field in fields(TrainingArguments) if field.init}
    for name in sorted(set(more) - known):
        near = get_close_matches(name, known, 1)
        raise ValueError(
            f"Trainer has no argument {name!r}{f' (did you mean {near[0]!r}?)' if near else ''}: mend its name or leave it out"
        )
    kind, large = model.device.type, getattr(model.config, "text_config", model.config).hidden_size >= SMALL_HIDDEN
    every = max(1, steps // EVALUATIONS)
    arguments = TrainingArguments(
        **{
            "output_dir": str(folder),
            "max_steps": steps,
            "per_device_train_batch_size": batch,
            "per_device_eval_batch_size": batch,
            "learning_rate": learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": max(1, steps // 10),
            "max_grad_norm": 1.0,
            "weight_decay": 0.0,
            "optim": "adamw_torch",
            "seed": seed,
            "data_seed": seed,
            "use_cpu": kind == "cpu",
            "bf16": kind == "cuda" and model.dtype == torch.bfloat16,
            "fp16": kind == "cuda" and model.dtype == torch.float16,
            "save_strategy": "steps",
            "save_steps": every,
            "save_total_limit": 2,
            "eval_strategy": "steps" if evaluate else "no",
            "eval_steps": every,
            **(
                {"load_best_model_at_end": True, "metric_for_best_model": "eval_choice", "greater_is_better": True}
                if evaluate
                else {}
            ),
            "logging_steps": max(1, steps // 50),
            "prediction_loss_only": True,
            "remove_unused_columns": False,
            "label_names": ["labels"],
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": kind == "cuda",
            **({CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": False}} if large else {}),
            **more,
        }
    )
    arguments._n_gpu = min(
        arguments.n_gpu, 1
    )  # two GPUs in one process would mean DataParallel, which 4-bit weights do not survive
    return arguments


def base_arguments(
    model: torch.nn.Module, folder: Path, steps: int, batch: int, learning_rate: float, seed: int
) -> TrainingArguments:
    """Arguments for training from nothing: weight decay 0.05, betas 0.9 and 0.98, a short warm-up, bfloat16 autocast."""
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
