"""The state of a training between two steps, as tensors that a checkpoint holds and as numbers beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from timm.utils import ModelEmaV3
from torch import nn

from .checkpoint import Tensors


@dataclass
class Progress:
    """How far a training has come."""

    step: int = 0  # optimizer steps done
    seconds: float = 0.0  # of training and validation, over all resumptions
    totals: list[float] = field(default_factory=lambda: [0.0] * 3)  # of this epoch: loss × images, correct, images
    history: list[dict] = field(default_factory=list)
    scaler: dict | None = None  # state of the loss scaler (fp16)


@dataclass
class TrainingTensors:
    """Weights, averaged weights, AdamW's moments, and the best averaged weights so far."""

    model: nn.Module
    average: ModelEmaV3
    optimizer: torch.optim.Optimizer
    best: Tensors = field(default_factory=dict)

    def keep_best(self) -> None:
        """Copy the averaged weights to `best`."""
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.average.module.state_dict().items()}

    def to_checkpoint(self) -> Tensors:
        """All tensors by name."""
        weights = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        average = {f"average.{name}": tensor for name, tensor in self.average.module.state_dict().items()}
        best = {f"best.{name}": tensor for name, tensor in self.best.items()}
        names = {id(p): name for name, p in self.model.named_parameters()}
        moments = {
            f"adamw.{key}.{names[id(p)]}": value
            for p, state in self.optimizer.state.items()
            for key, value in state.items()
        }
        return weights | average | best | moments

    def restore(self, tensors: Tensors) -> None:
        """The reverse of `to_checkpoint`.

        Each tensor keeps the memory format of its place, because a sum in another order of elements rounds differently.
        """
        self.model.load_state_dict(_with_prefix(tensors, "model."))
        self.average.module.load_state_dict(_with_prefix(tensors, "average."))
        self.best = _with_prefix(tensors, "best.")
        for name, p in self.model.named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (value := tensors.get(f"adamw.{key}.{name}")) is not None:
                    moment = value.clone() if key == "step" else torch.zeros_like(p).copy_(value)
                    self.optimizer.state[p][key] = moment


def _with_prefix(tensors: Tensors, prefix: str) -> Tensors:
    """Copies of the tensors whose names start with the prefix, by name without it."""
    return {name.removeprefix(prefix): tensor.clone() for name, tensor in tensors.items() if name.startswith(prefix)}
