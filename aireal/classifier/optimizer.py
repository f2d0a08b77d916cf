"""The optimizer of a training: AdamW's parameter groups, and the learning rate of every step."""

from __future__ import annotations

import math

import torch
from torch import nn

WEIGHT_DECAY = 0.05
BODY_DIVISOR = 10  # pretrained weights train at the learning rate divided by this


def make_optimizer(model: nn.Module, learning_rate: float, from_scratch: bool) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) on `parameter_groups`.

    It is not the fused implementation: on CPUs the fused AdamW misreads gradients whose memory format differs from
    their weight's (torch 2.14).
    """
    return torch.optim.AdamW(parameter_groups(model, learning_rate, from_scratch))


def parameter_groups(model: nn.Module, learning_rate: float, from_scratch: bool) -> list[dict]:
    """AdamW's groups; "peak" is the largest learning rate of a group.

    The new classification layer trains at the full rate. Pretrained weights train at a tenth of it, so that they keep
    what they have learned. Norms, biases and the model's own list (position embeddings) have no weight decay.
    """
    head = {id(p) for p in model.get_classifier().parameters()}
    undecayed = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()
    groups: dict[tuple[bool, bool], list] = {}
    for name, p in model.named_parameters():
        groups.setdefault((id(p) in head, p.ndim > 1 and name not in undecayed), []).append(p)
    body_rate = learning_rate if from_scratch else learning_rate / BODY_DIVISOR
    return [
        {
            "params": parameters,
            "peak": learning_rate if in_head else body_rate,
            "lr": 0.0,
            "weight_decay": WEIGHT_DECAY if decayed else 0.0,
        }
        for (in_head, decayed), parameters in sorted(groups.items(), reverse=True)
    ]


def rate(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step (0-based): linear warm-up to 1 over the first `warmup` of the steps,
    then a cosine towards 0."""
    ramp = max(1, round(warmup * steps))
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1 + math.cos(math.pi * (step - ramp) / max(1, steps - ramp)))
