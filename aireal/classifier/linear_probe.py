"""Linear probing: logistic regression on what a frozen network says, which is also where a fine-tuning should begin."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader

STRENGTH = (
    0.003  # C of the logistic regression: a few hundred pictures against hundreds of features need a strong prior
)


@torch.inference_mode()
def features(model: nn.Module, batches: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features float32 [N, D] before the classification layer, and labels int64 [N], of whole pictures in order."""
    model.eval()
    device = next(model.parameters()).device
    pairs = [
        (model.forward_head(model.forward_features(pixels.to(device)), pre_logits=True).float().cpu(), labels)
        for pixels, labels in batches
    ]
    return torch.cat([x for x, _ in pairs]).numpy(), torch.cat([y for _, y in pairs]).numpy()


def fit_probe(known: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [D] and bias of the log-odds of class 1, by logistic regression on standardised features."""
    scaler = StandardScaler().fit(known)
    probe = LogisticRegression(C=STRENGTH, max_iter=1000).fit(scaler.transform(known), labels)
    weights = probe.coef_[0] / scaler.scale_
    return weights, float(probe.intercept_[0] - weights @ scaler.mean_)


def probe_head(model: nn.Module, batches: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the classification layer the weights of a linear probe, instead of random ones.

    A random layer sends the body useless gradients at first, which spoil what it knows (Kumar et al. 2022, "Fine-Tuning can Distort
    Pretrained Features and Underperform Out-of-Distribution").

    Returns:
        what the model now says of the batches: logits float32 [N, 2] and labels int64 [N].
    """
    known, labels = features(model, batches)
    weights, bias = fit_probe(known, labels)
    layer = model.get_classifier()
    with torch.no_grad():
        half = torch.from_numpy(weights / 2).to(layer.weight)
        layer.weight.copy_(torch.stack([-half, half]))
        layer.bias.copy_(torch.tensor([-bias / 2, bias / 2]))
        return layer(torch.from_numpy(known).to(layer.weight)).float().cpu(), torch.from_numpy(labels)
