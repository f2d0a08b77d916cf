"""The classifiers: one constructor for every timm architecture, and the folder format of a trained one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from aireal.config import BACKBONE, Profile
from aireal.core.files import write_json

HALF = (0.5, 0.5, 0.5)  # mean and std without pretrained weights; the backbone was trained with them


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration that belongs to the weights, which are useless with another size, normalisation or
    calibration."""

    architecture: str  # timm's name
    image_size: int  # px; pictures are cut square and resized to it
    mean: tuple[float, ...]
    std: tuple[float, ...]
    initial_weights: str  # "imagenet (timm)", "backbone (this repository)" or "random"
    fingerprint: str = ""  # of the training's data and numbers; an equal fingerprint needs no new training
    # logit of the calibrated P(fake): (logit fake - logit real) / temperature + bias, fitted on validation (Platt 1999)
    temperature: float = 1.0
    bias: float = 0.0
    # verdicts with a smaller probability are marked uncertain (fit_uncertain_band, on validation); 0.5: no verdict
    uncertain_below: float = 0.5


def create(architecture: str, profile: Profile, backbone: Path | None = BACKBONE) -> tuple[nn.Module, ClassifierConfig]:
    """A model with two outputs (real, fake) and its configuration, before training.

    A profile with `pretrained` starts from timm's ImageNet weights. Otherwise ResNet34 starts from `backbone` (None:
    from random weights) and every other architecture from random weights. The configuration records which.

    Raises:
        ValueError: the pretrained weights cannot be fetched.
    """
    try:
        model = build_classifier(architecture, profile.image_size, profile.pretrained)
    except Exception as error:
        if not profile.pretrained:
            raise
        raise ValueError(
            f"the ImageNet weights of {architecture} could not be fetched ({type(error).__name__}). Go online once so "
            "that timm can download them, set HF_HOME to a cache that has them, or use profile='sample', which needs "
            "no download."
        ) from error
    initial = "imagenet (timm)" if profile.pretrained else "random"
    if architecture == "resnet34" and not profile.pretrained and backbone:
        load_backbone(model, backbone)
        initial = "backbone (this repository)"
    mean, std = (HALF, HALF)
    if profile.pretrained:
        mean, std = (tuple(model.pretrained_cfg[name]) for name in ("mean", "std"))
    return model, ClassifierConfig(architecture, profile.image_size, mean, std, initial)


def build_classifier(architecture: str, image_size: int, pretrained: bool = False) -> nn.Module:
    """timm's model with two outputs. A ViT's position embeddings have one size; timm resamples them for training
    crops."""
    sizes = {"img_size": image_size, "dynamic_img_size": True} if architecture.startswith("vit") else {}
    return timm.create_model(architecture, pretrained=pretrained, num_classes=2, **sizes)


def load_backbone(model: nn.Module, path: Path) -> None:
    """Load everything but the classification layer from a safetensors file of half-precision tensors.

    Raises:
        ValueError: the file is of another architecture.
    """
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.startswith("fc.") for name in missing):
        raise ValueError(
            f"{path.name} does not fit this model: missing {missing[:3]}, unexpected {unexpected[:3]}. "
            "Use a backbone of the same architecture."
        )


def save(model: nn.Module, config: ClassifierConfig, folder: Path, **more) -> None:
    """Write model.safetensors and config.json, with `more` as further keys. The JSON is written last, so that a killed
    run leaves no folder that looks complete."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    write_json(folder / "config.json", {**asdict(config), **more})


def read_config(folder: Path) -> ClassifierConfig | None:
    """The configuration of a trained classifier, or None where there is none."""
    path = folder / "config.json"
    if not path.exists() or not (folder / "model.safetensors").exists():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    names = ClassifierConfig.__dataclass_fields__.keys() & stored.keys()
    return ClassifierConfig(
        **{name: tuple(stored[name]) if isinstance(stored[name], list) else stored[name] for name in names}
    )


def load(folder: Path, device: torch.device | str = "cpu") -> tuple[nn.Module, ClassifierConfig]:
    """A trained classifier in evaluation mode.

    Raises:
        ValueError: the folder has none.
    """
    config = read_config(folder)
    if config is None:
        raise ValueError(
            f"no trained classifier in {folder.name}/. Run `make demo` or notebook 03_train_resnet34 first."
        )
    model = build_classifier(config.architecture, config.image_size)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval().to(device, memory_format=torch.channels_last), config
