"""A linear probe: what it gives the classification layer, and its place in a training."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from aireal.classifier.linear_probe import STRENGTH, features, fit_probe, probe_head


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
    known, labels = features(Body(), batches)
    weights, bias = fit_probe(known, labels)
    scaler = StandardScaler().fit(known)
    expected = (
        LogisticRegression(C=STRENGTH, max_iter=1000)
        .fit(scaler.transform(known), labels)
        .decision_function(scaler.transform(known))
    )
    assert known @ weights + bias == pytest.approx(expected, abs=1e-4)


def test_the_classification_layer_says_what_the_probe_says(batches):
    model = Body()
    said, truth = probe_head(model, batches)
    known, labels = features(model, batches)
    weights, bias = fit_probe(known, labels)
    logits = model(torch.from_numpy(known)).detach().numpy()
    assert logits[:, 1] - logits[:, 0] == pytest.approx(known @ weights + bias, abs=1e-4)
    assert ((logits[:, 1] > logits[:, 0]) == labels).mean() > 0.8
    assert (
        said.numpy() == pytest.approx(logits, abs=1e-5) and (truth.numpy() == labels).all() and not said.requires_grad
    )
    assert np.abs(logits.sum(axis=1)).max() < 1e-4, "neither class has an offset of its own"


def test_a_training_from_the_backbone_begins_with_the_probe_and_keeps_the_best_epoch(smoke_run):
    stored = json.loads((smoke_run.data.model / "config.json").read_text(encoding="utf-8"))
    history = stored["history"]
    assert [row["epoch"] for row in history] == list(range(smoke_run.profile.epochs + 1)) and history[0][
        "images_seen"
    ] == 0
    assert stored["seconds"] >= history[-1]["seconds"]
