"""A ViT's first weights, selected from the teacher's (Xu et al. 2024, "Initializing Models with Larger Ones"): of every
width, evenly spaced channels, the same ones throughout the residual stream; whole heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from timm.layers import resample_abs_pos_embed

from scripts.pretraining.students import build

PREFIX, HEAD = "vision_model.", 64  # names in the teacher's file; width of a head, in both
MEAN, STD = np.array([0.4815, 0.4578, 0.4082]), np.array([0.2686, 0.2613, 0.2758])  # of the teacher's pixels in 0..1


def teacher_weights(path: Path) -> dict[str, np.ndarray]:
    """All float32 weights by their names in Hugging Face's CLIP; 8-bit matrices as scale · (integer - zero point),
    [out, in]."""
    graph = onnx.load(path).graph
    raw = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    named = {name.removeprefix(PREFIX): array for name, array in raw.items() if name.startswith(PREFIX)}
    for node in graph.node:
        stem = node.input[1].removesuffix("_quantized") if node.op_type == "MatMulInteger" else ""
        if stem + "_scale" not in raw:
            continue
        matrix = (raw[node.input[1]].astype(np.float32) - raw[stem + "_zero_point"]) * raw[stem + "_scale"]
        named[node.name.strip("/").replace("/", ".").removeprefix(PREFIX).rsplit(".", 1)[0] + ".weight"] = matrix.T
    return named


def evenly(whole: int, part: int) -> np.ndarray:
    return np.arange(part) * whole // part


def selected(architecture: str, teacher: Path) -> dict[str, torch.Tensor]:
    """The state of `architecture` (timm's ViT of patch 16 and the teacher's depth) from the teacher's."""
    net, weights = build(architecture), teacher_weights(teacher)
    width, hidden, depth = net.embed_dim, net.blocks[0].mlp.fc1.out_features, len(net.blocks)
    stream, units = evenly(768, width), evenly(3072, hidden)
    heads = (evenly(12, width // HEAD)[:, None] * HEAD + np.arange(HEAD)).ravel()
    patch = weights["embeddings.patch_embedding.weight"][stream]
    state = {
        "patch_embed.proj.weight": patch * (0.5 / STD)[None, :, None, None],
        "patch_embed.proj.bias": np.einsum("oihw,i->o", patch, (0.5 - MEAN) / STD),
        "cls_token": weights["embeddings.class_embedding"][None, None, stream],
        "pos_embed": weights["embeddings.position_embedding.weight"][None][:, :, stream],
        "norm.weight": weights["post_layernorm.weight"][stream],
        "norm.bias": weights["post_layernorm.bias"][stream],
    }
    for k in range(depth):
        state |= block(weights, f"encoder.layers.{k}.", f"blocks.{k}.", stream, heads, units)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in state.items()}
    grid = net.patch_embed.grid_size
    return tensors | {"pos_embed": resample_abs_pos_embed(tensors["pos_embed"], grid)}


def block(weights: dict, old: str, new: str, stream: np.ndarray, heads: np.ndarray, units: np.ndarray) -> dict:
    """One block's tensors under timm's names."""
    queries = [f"{old}self_attn.{name}_proj." for name in "qkv"]
    linear = {
        "attn.proj": ("self_attn.out_proj", stream, heads),
        "mlp.fc1": ("mlp.fc1", units, stream),
        "mlp.fc2": ("mlp.fc2", stream, units),
    }
    state = {
        f"{new}attn.qkv.weight": np.concatenate([weights[q + "weight"][np.ix_(heads, stream)] for q in queries]),
        f"{new}attn.qkv.bias": np.concatenate([weights[q + "bias"][heads] for q in queries]),
    }
    for name, (source, rows, columns) in linear.items():
        state[f"{new}{name}.weight"] = weights[f"{old}{source}.weight"][np.ix_(rows, columns)]
        state[f"{new}{name}.bias"] = weights[f"{old}{source}.bias"][rows]
    for name, source in (("norm1", "layer_norm1"), ("norm2", "layer_norm2")):
        state |= {f"{new}{name}.{part}": weights[f"{old}{source}.{part}"][stream] for part in ("weight", "bias")}
    return state
