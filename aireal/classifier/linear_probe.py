"""Linear probe: logistic regression on the features of a frozen network, and the start of fine-tuning."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader

# inverse regularisation strength: few hundred pictures with hundreds of features each need a strong prior
REGULARIZATION_C = 0.003


@torch.inference_mode()
def pooled_features(model: nn.Module, batches: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features float32 [N, D] before the classification layer, and labels int64 [N], of whole pictures in
    order."""
    model.eval()
    device = next(model.parameters()).device
    pairs = [
        (model.forward_head(model.forward_features(pixels.to(device)), pre_logits=True).float().cpu(), labels)
        for pixels, labels in batches
    ]
    return torch.cat([x for x, _ in pairs]).numpy(), torch.cat([y for _, y in pairs]).numpy()


def fit_probe(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [D] and bias of the log-odds of class 1, by logistic regression on standardised features [N, D]."""
    scaler = StandardScaler().fit(features)
    probe = LogisticRegression(C=REGULARIZATION_C, max_iter=1000).fit(scaler.transform(features), labels)
    weights = probe.coef_[0] / scaler.scale_
    return weights, float(probe.intercept_[0] - weights @ scaler.mean_)


def probe_head(model: nn.Module, batches: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the classification layer the weights of a linear probe, instead of random ones.

    The first gradients of a random layer would distort the pretrained features (Kumar et al. 2022, "Fine-Tuning can
    Distort Pretrained Features and Underperform Out-of-Distribution").

    Returns:
        the model's logits float32 [N, 2] of the batches with the new layer, and labels int64 [N].
    """
    features, labels = pooled_features(model, batches)
    weights, bias = fit_probe(features, labels)
    layer = model.get_classifier()
    with torch.no_grad():
        half = torch.from_numpy(weights / 2).to(layer.weight)
        layer.weight.copy_(torch.stack([-half, half]))
        layer.bias.copy_(torch.tensor([-bias / 2, bias / 2]))
        return layer(torch.from_numpy(features).to(layer.weight)).float().cpu(), torch.from_numpy(labels)
