"""The file of a backbone: a network without its classification layer, in bfloat16 or in 8 bits per output channel.

The format is safetensors. What a tensor is stored as depends on its shape:

| tensor | `bf16` | `int8` |
| --- | --- | --- |
| weights with several output channels, [O, ...] | bfloat16 | `NAME` int8 and `NAME.scale` float32 [O] |
| tokens and position embeddings, [1, ...] | bfloat16 | bfloat16 |
| vectors: norms, biases, running statistics | float32 | float32 |
| integers | as they are | as they are |

A weight of 8 bits is `NAME` times `NAME.scale` (symmetric, per channel: Krishnamoorthi 2018, "Quantizing deep
convolutional networks for efficient inference"). The header says what the weights are (`METADATA`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from aireal.core.files import atomic_path

Precision = Literal["bf16", "int8"]
METADATA = ("architecture", "seed", "recipe", "teacher")  # teacher: SHA-256 of its file
FORMAT = "aireal backbone 1"
SCALE = ".scale"
LARGEST = 127  # the range is -127..127, so that it is symmetric


def save_backbone(
    state: Mapping[str, torch.Tensor], path: Path, precision: Precision, metadata: Mapping[str, object]
) -> Path:
    """Write a backbone's file atomically, and return its path.

    Args:
        state: the network's tensors by name, without the classification layer.
        precision: of the weights, see above.
        metadata: at least the names in `METADATA`; values are stored as text.

    Raises:
        ValueError: the precision is unknown, a name of `METADATA` is missing, or a tensor is not finite.
    """
    if precision not in ("bf16", "int8"):
        raise ValueError(f"a backbone is stored as bf16 or int8, not as {precision!r}. Choose one of the two.")
    if missing := [name for name in METADATA if name not in metadata]:
        raise ValueError(f"the metadata of {path.name} lack {', '.join(missing)}. Give all of {', '.join(METADATA)}.")
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"the tensor {name} is not finite, so {path.name} is not written. Repeat the training.")
        stored |= _stored(name, tensor.detach().cpu().contiguous(), precision)
    header = {name: str(value) for name, value in metadata.items()} | {"format": FORMAT, "precision": precision}
    with atomic_path(path) as partial:
        save_file(stored, partial, header)
    return path


def _stored(name: str, tensor: torch.Tensor, precision: Precision) -> dict[str, torch.Tensor]:
    """The tensors that hold one tensor of the network."""
    if not tensor.is_floating_point():
        return {name: tensor}
    if tensor.ndim < 2:
        return {name: tensor.float()}
    if precision == "bf16" or tensor.shape[0] == 1:
        return {name: tensor.bfloat16()}
    weight = tensor.float()
    largest = weight.flatten(1).abs().amax(dim=1)
    # a channel of zeros has any scale
    scale = torch.where(largest > 0, largest / LARGEST, torch.ones_like(largest))
    return {name: (weight / _column(scale, weight)).round().clamp(-LARGEST, LARGEST).char(), name + SCALE: scale}


def _column(scale: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The scales [O] in the shape [O, 1, ...] of a weight."""
    return scale.view(-1, *[1] * (weight.ndim - 1))


def read_backbone(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a backbone's file by name; floating point and 8-bit ones as float32.

    Files of any floating-point type can be read, so one without header is read, too.

    Raises:
        ValueError: the file is damaged, or the scale of an 8-bit tensor is missing.
    """
    try:
        with safe_open(path, "pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read ({error}). Copy it again.") from None
    quantized = [name for name, tensor in stored.items() if tensor.dtype == torch.int8]
    for name in quantized:
        scale = stored.pop(name + SCALE, None)
        if scale is None:
            raise ValueError(f"{path.name} has no {name}{SCALE}, the scale of an 8-bit tensor. Copy it again.")
        stored[name] = stored[name].float() * _column(scale, stored[name])
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of a backbone's file says of it; empty for a file without header.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read ({error}). Copy it again.") from None
