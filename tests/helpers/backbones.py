"""Backbones' files of real networks with random weights, as a pretraining leaves them."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import nn

from aireal.classifier.backbone_file import save_backbone

ABOUT = {"architecture": "", "seed": 7, "recipe": "random weights", "teacher": "0" * 64}


def body(architecture: str) -> nn.Module:
    """timm's network without a classification layer, made for pictures of 256 px, with random weights."""
    sizes = {"img_size": 256, "dynamic_img_size": True} if architecture.startswith("vit") else {}
    return timm.create_model(architecture, num_classes=0, **sizes).eval()


def write_backbone(folder: Path, network: nn.Module, precision: str = "int8") -> Path:
    """The network's file under the name that the package looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture = network.pretrained_cfg["architecture"]
    path = folder / f"{architecture}_backbone.safetensors"
    return save_backbone(network.state_dict(), path, precision, ABOUT | {"architecture": architecture})
