"""Logits of a network on whole pictures, and the metrics that choose an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from sklearn.metrics import roc_auc_score
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]  # logits float32 [B, 2], labels int64 [B]


@torch.inference_mode()
def collect_logits(model: nn.Module, batches: Iterable[Pair], gather: Callable[[Pair], Pair] | None = None) -> Pair:
    """Logits float32 [N, 2] and labels int64 [N] of all pictures, in order, in full precision.

    Args:
        batches: (normalised pictures float32 [B, 3, S, S], labels int64 [B]).
        gather: collects a pair from all processes; None where there is one process.
    """
    device = next(model.parameters()).device
    model.eval()
    logits, truth = [], []
    for pixels, labels in batches:
        pair = (model(pixels.to(device, memory_format=torch.channels_last)).float(), labels.to(device))
        batch_logits, batch_labels = gather(pair) if gather else pair
        logits.append(batch_logits.cpu())
        truth.append(batch_labels.cpu())
    return torch.cat(logits), torch.cat(truth)


def validation_metrics(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """{"val_loss", "val_accuracy", "val_auroc"} of logits [N, 2] and labels [N]."""
    scores = logits.softmax(-1)[:, 1]
    return {
        "val_loss": round(nn.functional.cross_entropy(logits, labels).item(), 4),
        "val_accuracy": round(((scores > 0.5).long() == labels).float().mean().item(), 4),
        "val_auroc": round(float(roc_auc_score(labels, scores)), 4),
    }
