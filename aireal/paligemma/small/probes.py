"""Many cheap heatmaps of real classifiers: linear probes on the frozen ResNet34 backbone.

Where a classifier ends in average pooling and one linear layer, Grad-CAM on the layer before is that layer's weights
applied to every cell (Selvaraju et al. 2017, section 3.1). One forward pass of a picture therefore serves any number of
probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aireal.classifier.data import normalise, to_batch
from aireal.classifier.model import create
from aireal.config import PROFILES
from aireal.core.device import autocast
from aireal.evidence.cues import region_of
from aireal.evidence.record import REGIONS

from .synthetic import SIZE, SyntheticExample, background, make_example

BATCH = 16


@dataclass
class CamBank:
    """Pictures uint8 [V, 256, 256, 3], and for each the maps of all probes float32 [V, 2 P, g, g].

    The first P maps are evidence for fake, the others for real.
    """

    pictures: np.ndarray
    maps: np.ndarray

    def __post_init__(self):
        views, probes, grid, _ = self.maps.shape
        flat = self.maps.reshape(views * probes, -1)
        row, column = np.divmod(flat.argmax(axis=1), grid)
        regions = np.array([REGIONS.index(region_of((x + 0.5) / grid, (y + 0.5) / grid)) for x, y in zip(column, row)])
        usable = flat.max(axis=1) > 0
        self.by_region = [np.flatnonzero(usable & (regions == index)) for index in range(len(REGIONS))]

    def draw(self, rng: np.random.Generator, region: str) -> SyntheticExample:
        """Sample a picture under a probe's map with its peak in the region; the verdict is random.

        Raises:
            ValueError: no map of the bank has its peak there.
        """
        candidates = self.by_region[REGIONS.index(region)]
        if not len(candidates):
            raise ValueError(f"No map of the bank has its peak at the {region}. Give more pictures or probes.")
        view, probe = divmod(int(rng.choice(candidates)), self.maps.shape[1])
        return make_example(rng, self.pictures[view], enlarge(self.maps[view, probe]))


def enlarge(coarse: np.ndarray) -> np.ndarray:
    """Enlarge and scale a rectified map [g, g] as pytorch-grad-cam does, float32 [256, 256] in 0..1."""
    return scale_cam_image(scale_cam_image(coarse[None], (SIZE, SIZE)))[0]


def make_cam_bank(photographs: Sequence[np.ndarray], weights: np.ndarray, views: int, seed: int) -> CamBank:
    """Sample `views` varied crops of photographs (`synthetic.background`) and apply the probes [P, D] to each."""
    rng, model = np.random.default_rng(seed), _Backbone()
    pictures = np.stack([background(rng, photographs, photo_share=1.0) for _ in range(views)])
    signed = np.concatenate([weights, -weights]).astype(np.float32)
    maps = [
        np.maximum(np.einsum("pd,bdyx->bpyx", signed, model(pictures[at : at + BATCH])), 0)
        for at in range(0, views, BATCH)
    ]
    return CamBank(pictures, np.concatenate(maps))


def fit_probes(photographs: Sequence[np.ndarray], labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Fit logistic regressions that predict the labels from pooled features; returns their weights, float [count, D].

    Each is fitted on half of the pictures with its own regularisation, and some labels are flipped. The probes
    therefore differ as much as classifiers of one task do.

    Args:
        photographs: uint8 [256, 256, 3] each.
        labels: 0/1 [N].
    """
    rng, model = np.random.default_rng(seed), _Backbone()
    pooled = np.concatenate(
        [model(np.stack(photographs[at : at + BATCH])).mean(axis=(2, 3)) for at in range(0, len(photographs), BATCH)]
    )
    scaler = StandardScaler().fit(pooled)
    features, weights = scaler.transform(pooled), []
    while len(weights) < count:
        half = rng.permutation(len(labels))[: len(labels) // 2]
        flipped = rng.random(len(half)) < rng.uniform(0, 0.3)
        inverse_strength = 10 ** rng.uniform(-3.5, -0.5)
        noisy_labels = labels[half] ^ flipped
        if len(np.unique(noisy_labels)) == 2:
            regression = LogisticRegression(C=inverse_strength, max_iter=300).fit(features[half], noisy_labels)
            weights.append(regression.coef_[0] / scaler.scale_)
    return np.stack(weights)


class _Backbone:
    """The frozen backbone: pictures uint8 [B, 256, 256, 3] to the cells of its last layer, float32 [B, D, 8, 8]."""

    def __init__(self):
        self.model, config = create("resnet34", PROFILES["sample"])
        self.model.eval()
        self.normalise = normalise(config)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        pixels = self.normalise(to_batch(pictures)).contiguous(memory_format=torch.channels_last)
        with autocast(torch.device("cpu")):
            return self.model.to(memory_format=torch.channels_last).forward_features(pixels).float().numpy()
