"""Heatmaps of real classifiers over training pictures, many and cheap: linear probes on the frozen ResNet34 backbone.

Where a classifier ends in average pooling and one linear layer, Grad-CAM on the layer before is that layer's weights applied to every cell
(Selvaraju et al. 2017, section 3.1), so one forward pass of a picture serves any number of probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aireal.classifier.data import normalise
from aireal.classifier.model import create
from aireal.config import PROFILES
from aireal.core.device import autocast
from aireal.evidence.cues import measure_cues, peak_of, region_of
from aireal.evidence.record import REGIONS
from aireal.explain.gradcam import overlay as lay_over

from .synthetic import SIZE, SyntheticExample, background, random_verdict

BATCH = 16


@dataclass
class CamBank:
    """Pictures uint8 [V, 256, 256, 3] and, for each, the maps of many probes float32 [V, 2 P, g, g]: evidence for fake, then for real."""

    pictures: np.ndarray
    maps: np.ndarray

    def __post_init__(self):
        views, probes, grid, _ = self.maps.shape
        flat = self.maps.reshape(views * probes, -1)
        row, column = np.divmod(flat.argmax(axis=1), grid)
        cells = np.array([REGIONS.index(region_of((x + 0.5) / grid, (y + 0.5) / grid)) for x, y in zip(column, row)])
        usable = flat.max(axis=1) > 0
        self.of_region = [np.flatnonzero(usable & (cells == index)) for index in range(len(REGIONS))]

    def draw(self, rng: np.random.Generator, region: str) -> SyntheticExample:
        """One picture under one probe's map whose peak lies in the region, with a random verdict; its cues are measured.

        Raises:
            ValueError: no map of the bank has its peak there.
        """
        choices = self.of_region[REGIONS.index(region)]
        if not len(choices):
            raise ValueError(f"no map of the bank has its peak at the {region}: give more pictures or probes")
        view, probe = divmod(int(rng.choice(choices)), self.maps.shape[1])
        picture, heat = self.pictures[view], enlarged(self.maps[view, probe])
        peak = peak_of(heat)
        found = region_of(*peak)
        return SyntheticExample(
            lay_over(picture, heat), random_verdict(rng, found, peak, measure_cues(picture, found)), heat, picture
        )


def enlarged(coarse: np.ndarray) -> np.ndarray:
    """A rectified map [g, g] as pytorch-grad-cam enlarges and scales it, float32 [256, 256] in 0..1."""
    return scale_cam_image(scale_cam_image(coarse[None], (SIZE, SIZE)))[0]


def make_cam_bank(photographs: Sequence[np.ndarray], weights: np.ndarray, views: int, seed: int) -> CamBank:
    """Draw `views` varied crops of photographs (`procedural.background`) and apply the probes [P, D] to each."""
    rng, model = np.random.default_rng(seed), _Frozen()
    pictures = np.stack([background(rng, photographs, photo_share=1.0) for _ in range(views)])
    signed = np.concatenate([weights, -weights]).astype(np.float32)
    maps = [
        np.maximum(np.einsum("pd,bdyx->bpyx", signed, model(pictures[at : at + BATCH])), 0)
        for at in range(0, views, BATCH)
    ]
    return CamBank(pictures, np.concatenate(maps))


def fit_probes(photographs: Sequence[np.ndarray], labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Weights float [count, D] of logistic regressions that tell the labels by pooled features, each from half of the pictures, with its own
    strength of prior, and some with wrong labels: as different as classifiers of one task are.

    Args:
        photographs: uint8 [256, 256, 3] each; labels: 0/1 [N].
    """
    rng, model = np.random.default_rng(seed), _Frozen()
    pooled = np.concatenate(
        [model(np.stack(photographs[at : at + BATCH])).mean(axis=(2, 3)) for at in range(0, len(photographs), BATCH)]
    )
    scaler = StandardScaler().fit(pooled)
    known, found = scaler.transform(pooled), []
    while len(found) < count:
        half = rng.permutation(len(labels))[: len(labels) // 2]
        wrong = rng.random(len(half)) < rng.uniform(0, 0.3)
        strength = 10 ** rng.uniform(-3.5, -0.5)
        if len(np.unique(labels[half] ^ wrong)) == 2:
            found.append(
                LogisticRegression(C=strength, max_iter=300).fit(known[half], labels[half] ^ wrong).coef_[0]
                / scaler.scale_
            )
    return np.stack(found)


class _Frozen:
    """The backbone as it comes: pictures uint8 [B, 256, 256, 3] to the cells of its last layer, float32 [B, D, 8, 8]."""

    def __init__(self):
        self.model, config = create("resnet34", PROFILES["sample"])
        self.model.eval()
        self.normalise = normalise(config)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        pixels = self.normalise(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())).contiguous(
            memory_format=torch.channels_last
        )
        with autocast(torch.device("cpu")):
            return self.model.to(memory_format=torch.channels_last).forward_features(pixels).float().numpy()
