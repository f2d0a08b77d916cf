"""transformers' Trainer for PaliGemma: evaluation also generates sentences, and numbers that are not finite stop it."""

from __future__ import annotations

import math

import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, Trainer, TrainerCallback

from .callbacks import RegionAccuracy
from .number_format import not_finite

# In float16 a scaler skips a step whose gradients overflow, so a single bad loss does no harm. Elsewhere it would put
# NaN into the weights, and the first one stops the training.
MAX_NOT_FINITE = 3
MIN_SCALE = 1.0  # the scaler starts at 65,536 and halves with each skipped step; below 1 the gradients overflow as such


class Numerics(TrainerCallback):
    """Counts losses that are not finite and steps that the gradient scaler skipped.

    Attributes:
        not_finite: losses that were NaN or infinite.
        skipped: optimizer steps left out because gradients overflowed.
        seen: losses in all.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.not_finite = self.skipped = self.seen = 0

    def check_loss(self, loss: float) -> None:
        """Count a loss.

        Raises:
            ValueError: it is the last one that may be NaN or infinite.
        """
        self.seen += 1
        if math.isfinite(loss):
            return
        self.not_finite += 1
        if self.accelerator.scaler is None or self.not_finite >= MAX_NOT_FINITE:
            raise ValueError(not_finite(f"the loss of {self.not_finite} of {self.seen} steps"))

    def on_step_end(self, args, state, control, **kwargs):
        scaler = self.accelerator.scaler
        if scaler is None or not self.accelerator.optimizer_step_was_skipped:
            return
        self.skipped += 1
        if scaler.get_scale() < MIN_SCALE:
            raise ValueError(not_finite(f"the gradient of {self.skipped} of {self.seen} steps"))


class EvaluatingTrainer(Trainer):
    """Trainer whose evaluation also generates sentences; the results of `region_accuracy` are added to the metrics."""

    def __init__(self, *args, region_accuracy: RegionAccuracy | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.region_accuracy, self.numerics = region_accuracy, Numerics(self.accelerator)
        self.add_callback(self.numerics)

    def training_step(self, *args, **kwargs) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        self.numerics.check_loss(float(loss))
        return loss

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        loss = output.metrics[f"{metric_key_prefix}_loss"]
        if not math.isfinite(loss):
            raise ValueError(not_finite("the validation loss"))
        if self.region_accuracy:
            metrics = self.region_accuracy(self.model, loss)
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in metrics.items()})
        return output

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """A whole model is stored under transformers' older names, which `Trainer` reads back without translating
        them: its weights would stay as they were, with no more than a warning. An adapter keeps its names."""
        if not isinstance(self.model, PreTrainedModel):
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        stored = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
        self.model.load_state_dict(stored.state_dict())

    def _load_scaler(self, checkpoint: str | None) -> None:
        """A checkpoint of float16 has the scaler's state; in bfloat16 or float32 there is no scaler to load it into."""
        if self.accelerator.scaler is not None:
            super()._load_scaler(checkpoint)
