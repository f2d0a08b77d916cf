"""Does the map depend on what was learnt? Cascading randomisation (Adebayo et al. 2018, "Sanity Checks for Saliency Maps")."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import rankdata
from skimage.metrics import structural_similarity
from torch import nn

from aireal.core.statistics import bootstrap
from aireal.explain.gradcam import candidate_layers, heatmaps_of

LIMIT = 0.3  # of the rank correlation with the map of the trained network, once all weights are random


def cascading_randomisation(
    model: nn.Module,
    images: torch.Tensor,
    labels: Sequence[int],
    size: int,
    method: str = "gradcam",
    layer: str = "",
    seed: int = 0,
    repeats: int = 3,
) -> dict:
    """Maps of the same verdicts while the weights are drawn anew, block by block from the output layer down, and stay so.

    A picture whose map is flat after that counts with correlation and SSIM 0: it resembles nothing. One whose map is flat before is left out.

    Args:
        model: is copied, never changed; images: normalised float [B, 3, size, size]; labels: [B], the verdicts explained.
        repeats: how many times all weights are drawn. A figure of a picture is its mean over them, since one random network, too, prefers some places.

    Returns:
        "steps": [{"layer" (drawn anew in this step), "correlation" (Spearman), "ssim", "flat" (share of maps)}], estimates are means over
        pictures with 95% bootstrap intervals; "method", "layer", "n", "left_out", "repeats", "seed".

    Raises:
        ValueError: no picture has a map that is not flat.
    """
    heatmaps, usable = heatmaps_of(model, images, labels, size, method, layer)
    if not usable.any():
        raise ValueError(
            f"the sanity check needs maps that are not flat, and {method} has none for these pictures: take others, or another method"
        )
    images, labels, heatmaps = images[torch.from_numpy(usable)], np.asarray(labels)[usable], heatmaps[usable]
    names = [name for name, _ in stages(model)]
    figures = np.zeros((len(names), 3, len(images)))  # correlation, SSIM, flat
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for _ in range(repeats):
            random = copy.deepcopy(model)
            for row, (_, modules) in zip(figures, stages(random)):
                for module in modules:
                    reset(module)
                found, there = heatmaps_of(random, images, labels, size, method, layer)
                row += np.stack([_correlations(heatmaps, found), _similarities(heatmaps, found), ~there]) / repeats
    steps = [{"layer": name, **_estimates(row, seed)} for name, row in zip(names, figures)]
    layer = layer or candidate_layers(model)[0]
    return {
        "steps": steps,
        "method": method,
        "layer": layer,
        "n": len(images),
        "left_out": int((~usable).sum()),
        "repeats": repeats,
        "seed": seed,
    }


def passes_sanity(record: dict, limit: float = LIMIT) -> bool:
    """Whether the gate holds: with all weights random the mean rank correlation with the trained network's maps is at most the limit."""
    return record["steps"][-1]["correlation"]["value"] <= limit


def stages(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """(name, modules) of the parts with parameters from the output down: blocks where a child is a sequence of them, and children elsewhere."""
    parts: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        blocks = isinstance(child, (nn.Sequential, nn.ModuleList))
        parts += [(f"{name}.{k}", block) for k, block in enumerate(child)] if blocks else [(name, child)]
    found = [(name, list(part.modules())) for name, part in reversed(parts) if any(True for _ in part.parameters())]
    return found + ([("embeddings", [model])] if list(model.parameters(recurse=False)) else [])


def reset(module: nn.Module) -> None:
    """Draw the module's own weights anew as PyTorch does; embeddings, for which it has no rule, from a normal of deviation 0.02 (as ViTs do)."""
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
        return
    for parameter in module.parameters(recurse=False):
        nn.init.normal_(parameter, std=0.02)


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each pair of maps [B, S, S]; 0 where one is flat."""
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b)]
    x, y = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.divide((x * y).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def _similarities(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of each pair of maps; 0 where the second is flat."""
    return np.array([structural_similarity(x, y, data_range=1.0) if y.any() else 0.0 for x, y in zip(a, b)])


def _estimates(row: np.ndarray, seed: int) -> dict:
    """row: [3, B]; pictures are drawn, each for itself."""
    everyone = np.zeros(row.shape[1])
    found = bootstrap(
        lambda index: {"correlation": row[0, index].mean(), "ssim": row[1, index].mean()},
        everyone,
        [str(k) for k in range(len(everyone))],
        seed,
    )
    return {**found, "flat": round(float(row[2].mean()), 4)}
