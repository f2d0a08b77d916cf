"""The classifiers: one constructor for every timm architecture, and the folder format of a trained one."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data import resolve_model_data_config
from timm.layers import resample_abs_pos_embed
from torch import nn

from aireal.config import Profile, backbone_file
from aireal.core.errors import quoted
from aireal.core.files import atomic_path, write_json
from aireal.core.json_text import parse_json
from aireal.evidence.value_types import fits, misfit

from .backbone_file import read_backbone, read_metadata

SIDES = range(16, 2049)  # px of a classifier's input
HALF = (0.5, 0.5, 0.5)  # mean and std without pretrained weights; the backbones were trained with them
BACKBONE = "backbone (this repository)"  # as `initial_weights` names it
Backbone = Path | Literal["auto"] | None  # a file; the repository's, where there is one; random weights


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration that belongs to the weights, which are useless with another size, normalisation or
    calibration."""

    architecture: str  # timm's name
    image_size: int  # px; pictures are cut square and resized to it
    mean: tuple[float, ...]
    std: tuple[float, ...]
    initial_weights: str  # "imagenet (timm)", "clip, openai (timm)", `BACKBONE` or "random"
    fingerprint: str = ""  # of the training's data and numbers; an equal fingerprint needs no new training
    # logit of the calibrated P(fake): (logit fake - logit real) / temperature + bias, fitted on validation (Platt 1999)
    temperature: float = 1.0
    bias: float = 0.0
    # verdicts with a smaller probability are marked uncertain (fit_uncertain_band, on validation); 0.5: no verdict
    uncertain_below: float = 0.5
    frozen: bool = False  # only the classification layer was trained: a linear probe
    backbone_sha256: str = ""  # of the backbone's file, if the training started from one


def create(architecture: str, profile: Profile, backbone: Backbone = "auto") -> tuple[nn.Module, ClassifierConfig]:
    """A model with two outputs (real, fake) and its configuration, before training.

    A profile with `pretrained` starts from timm's weights. Otherwise the network starts from `backbone`: a file, None
    for random weights, or "auto" for the repository's file of the architecture and random weights where it has none.
    The configuration records which. The profile's CLIP takes pictures of the size that it was trained with; mean and
    std are those of the weights.

    Raises:
        ValueError: the pretrained weights cannot be fetched, or the backbone does not fit.
    """
    frozen = architecture == profile.clip
    size = timm.get_pretrained_cfg(architecture).input_size[-1] if frozen else profile.image_size
    model = _build_or_explain(architecture, size, profile.pretrained)
    initial, mean, std, digest = "random", HALF, HALF, ""
    if profile.pretrained:
        initial, data = pretrained_name(model), resolve_model_data_config(model)
        mean, std = tuple(data["mean"]), tuple(data["std"])
    elif file := initial_file(architecture, profile, backbone):
        load_backbone(model, file)
        initial, digest = BACKBONE, sha256_of(file)
    config = ClassifierConfig(architecture, size, mean, std, initial, frozen=frozen, backbone_sha256=digest)
    return model, config


def _build_or_explain(architecture: str, image_size: int, pretrained: bool) -> nn.Module:
    """`build_classifier`; weights that cannot be fetched are a ValueError with a way out."""
    try:
        return build_classifier(architecture, image_size, pretrained)
    except Exception as error:
        if not pretrained:
            raise
        raise ValueError(
            f"the pretrained weights of {architecture} could not be fetched ({type(error).__name__}). Go online once "
            "so that timm can download them, set HF_HOME to a cache that has them, or use profile='sample', which "
            "needs no download."
        ) from error


def pretrained_name(model: nn.Module) -> str:
    """What timm's weights were trained on, as tables name it: "imagenet (timm)", or "clip, openai (timm)"."""
    config = model.pretrained_cfg
    return f"clip, {config['tag']} (timm)" if "clip" in config["architecture"] else "imagenet (timm)"


def initial_file(architecture: str, profile: Profile, backbone: Backbone = "auto") -> Path | None:
    """The backbone's file that a training of the profile starts from, or None."""
    if profile.pretrained:
        return None
    return backbone_file(architecture) if backbone == "auto" else backbone


def start_alike(profile: Profile) -> bool:
    """Whether ResNet34 and both baselines start from the same kind of weights, so that they can be compared as they
    are."""
    kinds = {initial_file(name, profile) is not None for name in ("resnet34", "rexnet_150", profile.vit)}
    return len(kinds) == 1


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_classifier(architecture: str, image_size: int, pretrained: bool = False) -> nn.Module:
    """timm's model with two outputs. A ViT's position embeddings have one size; timm resamples them for training
    crops.

    OpenAI's CLIP was trained with QuickGELU, which timm's notes on the weights say and its architecture of the same
    name does not have; with GELU the frozen features would be others.
    """
    options = {"img_size": image_size, "dynamic_img_size": True} if architecture.startswith("vit") else {}
    known = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    if known and any("natively QuickGELU" in note for note in known.notes or ()) and "quickgelu" not in architecture:
        options["act_layer"] = "quick_gelu"
    return timm.create_model(architecture, pretrained=pretrained, num_classes=2, **options)


def load_backbone(model: nn.Module, path: Path) -> None:
    """Load everything but the classification layer from a backbone's file (`backbone_file`).

    A ViT's position embeddings are resampled to the model's picture size.

    Raises:
        ValueError: the file is of another architecture, lacks a tensor, or is damaged.
    """
    own, stated = model.pretrained_cfg["architecture"], read_metadata(path).get("architecture", "")
    if stated and stated.split(".")[0] != own:
        raise ValueError(f"{path.name} does not fit: it is of {stated}, not of {own}. Use a backbone of {own}.")
    head = f"{model.pretrained_cfg['classifier']}."
    state = {name: tensor for name, tensor in read_backbone(path).items() if not name.startswith(head)}
    if "pos_embed" in state and hasattr(model, "patch_embed"):
        prefix = 0 if model.no_embed_class else model.num_prefix_tokens
        grid = list(model.patch_embed.grid_size)
        state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], grid, num_prefix_tokens=prefix)
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of another shape
        raise ValueError(f"{path.name} does not fit {own}: {str(error).splitlines()[-1].strip()}") from None
    missing = [name for name in missing if not name.startswith(head)]
    if missing or unexpected:
        raise ValueError(
            f"{path.name} does not fit {own}: missing {missing[:3]}, unexpected {unexpected[:3]}. "
            "Use a backbone of the same architecture."
        )


def save(model: nn.Module, config: ClassifierConfig, folder: Path, **more) -> None:
    """Write model.safetensors and config.json, with `more` as further keys. The JSON is written last, so that a killed
    run leaves no folder that looks complete."""
    with atomic_path(folder / "model.safetensors") as partial:
        save_file({k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}, partial)
    write_json(folder / "config.json", {**asdict(config), **more})


def read_config(folder: Path) -> ClassifierConfig | None:
    """The configuration of a trained classifier, or None where there is none.

    Raises:
        ValueError: it is no configuration that this package writes. A folder from somebody else could name a network of
            the hub or of another folder, which timm would fetch.
    """
    path = folder / "config.json"
    if not path.exists() or not (folder / "model.safetensors").exists():
        return None
    try:
        stored = parse_json(path.read_bytes())
        names = ClassifierConfig.__dataclass_fields__.keys() & stored.keys()
        config = ClassifierConfig(
            **{name: tuple(stored[name]) if isinstance(stored[name], list) else stored[name] for name in names}
        )
        fault = _fault(config)
    except (ValueError, TypeError, AttributeError):
        fault = "it cannot be read"
    if fault:
        raise ValueError(f"{folder.name}/config.json is no classifier's configuration: {fault}. Train again.")
    return config


def _fault(config: ClassifierConfig) -> str:
    """What is wrong with a configuration; "" where it can be used."""
    name, size = config.architecture, config.image_size
    if not isinstance(name, str) or ":" in name or not timm.is_model(name):
        return f"timm has no network {quoted(name)}"
    if type(size) is not int or size not in SIDES:
        return f"image_size is {str(size)[:20]}, none of {SIDES[0]} to {SIDES[-1]}"
    numbers = (*config.mean, *config.std, config.temperature, config.bias, config.uncertain_below)
    if not fits(numbers, tuple[float, ...]):
        return "a number is missing or not finite"
    if len(config.mean) != 3 or len(config.std) != 3 or 0 in config.std or config.temperature == 0:
        return "mean and std need three numbers each; std and temperature must not be 0"
    name = misfit(config)
    return f"{name} is of another type" if name else ""


def require_config(folder: Path) -> ClassifierConfig:
    """The configuration of a trained classifier.

    Raises:
        ValueError: the folder has none.
    """
    if config := read_config(folder):
        return config
    raise ValueError(f"no trained classifier in {folder.name}/. Run `make demo` or notebook 03_train_resnet34 first.")


def load(folder: Path, device: torch.device | str = "cpu") -> tuple[nn.Module, ClassifierConfig]:
    """A trained classifier in evaluation mode.

    Raises:
        ValueError: the folder has none.
    """
    config = require_config(folder)
    model = build_classifier(config.architecture, config.image_size)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval().to(device, memory_format=torch.channels_last), config
