"""A linear probe, the classification layer that it gives a network, and its place in a training."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from aireal.classifier.linear_probe import REGULARIZATION_C, fit_probe, pooled_features, probe_head


class Body(nn.Module):
    """Two features that matter and six that do not, behind timm's interface."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 2)

    def get_classifier(self):
        return self.fc

    def forward_features(self, x):
        return x

    def forward_head(self, x, pre_logits=False):
        return x if pre_logits else self.fc(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200, 8, generator=generator) * torch.arange(1, 9) + 5
    y = (x[:, 0] - x[:, 1] / 2 > x[:, 0].mean() - x[:, 1].mean() / 2).long()
    return list(zip(x.split(16), y.split(16)))


def test_the_probe_is_logistic_regression_on_standardised_features(batches):
    features, labels = pooled_features(Body(), batches)
    weights, bias = fit_probe(features, labels)
    scaler = StandardScaler().fit(features)
    expected = (
        LogisticRegression(C=REGULARIZATION_C, max_iter=1000)
        .fit(scaler.transform(features), labels)
        .decision_function(scaler.transform(features))
    )
    assert features @ weights + bias == pytest.approx(expected, abs=1e-4)


def test_the_classification_layer_computes_what_the_probe_computes(batches):
    model = Body()
    returned_logits, returned_labels = probe_head(model, batches)
    features, labels = pooled_features(model, batches)
    weights, bias = fit_probe(features, labels)
    logits = model(torch.from_numpy(features)).detach().numpy()
    assert logits[:, 1] - logits[:, 0] == pytest.approx(features @ weights + bias, abs=1e-4)
    assert ((logits[:, 1] > logits[:, 0]) == labels).mean() > 0.8
    assert returned_logits.numpy() == pytest.approx(logits, abs=1e-5)
    assert (returned_labels.numpy() == labels).all()
    assert not returned_logits.requires_grad
    assert np.abs(logits.sum(axis=1)).max() < 1e-4, "neither class has an offset of its own"


def test_a_training_from_the_backbone_begins_with_the_probe_and_keeps_the_best_epoch(smoke_run):
    stored = json.loads((smoke_run.data.model / "config.json").read_text(encoding="utf-8"))
    history = stored["history"]
    assert [row["epoch"] for row in history] == list(range(smoke_run.profile.epochs + 1))
    assert history[0]["images_seen"] == 0
    assert stored["seconds"] >= history[-1]["seconds"]
