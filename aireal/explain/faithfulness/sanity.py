"""Sanity check: a heatmap has to depend on the learnt weights.

Cascading randomisation (Adebayo et al. 2018, "Sanity Checks for Saliency Maps").
"""

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

LIMIT = 0.3  # largest rank correlation with the map of the trained network once all weights are random


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
    """Compare maps of the same verdicts before and after weights are randomised.

    The weights are drawn anew block by block from the output layer down, and stay random. A picture whose map becomes
    flat counts with correlation 0 and SSIM 0, because a flat map resembles nothing. A picture whose map is flat from
    the start is left out.

    Args:
        model: copied, never changed.
        images: normalised float [B, 3, size, size].
        labels: [B], the verdicts that the maps explain.
        method, layer: of the heatmap, as for `gradcam.Heatmaps`.
        repeats: how many times all weights are drawn. A metric of a picture is its mean over the repeats, since a
            single random network also prefers some places.

    Returns:
        {"steps": [{"layer" (randomised in this step), "correlation" (Spearman), "ssim", "flat" (share of maps)}],
        "method", "layer", "n", "left_out", "repeats", "seed"}; "correlation" and "ssim" are means over pictures with
        95% bootstrap intervals.

    Raises:
        ValueError: the maps of all pictures are flat.
    """
    heatmaps, usable = heatmaps_of(model, images, labels, size, method, layer)
    if not usable.any():
        raise ValueError(
            f"the sanity check needs maps that are not flat, and {method} has none for these pictures: "
            "use other pictures or another method"
        )
    images, labels, heatmaps = images[torch.from_numpy(usable)], np.asarray(labels)[usable], heatmaps[usable]
    names = [name for name, _ in randomised_blocks(model)]
    metrics = np.zeros((len(names), 3, len(images)))  # correlation, SSIM, flat
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for _ in range(repeats):
            random = copy.deepcopy(model)
            for row, (_, modules) in zip(metrics, randomised_blocks(random)):
                reset_block(modules)
                maps, not_flat = heatmaps_of(random, images, labels, size, method, layer)
                row += np.stack([_correlations(heatmaps, maps), _similarities(heatmaps, maps), ~not_flat]) / repeats
    steps = [{"layer": name, **_estimates(row, seed)} for name, row in zip(names, metrics)]
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
    """Whether the check is passed.

    With all weights random the mean rank correlation with the trained network's maps has to be at most `limit`.

    Args:
        record: of `cascading_randomisation`.
    """
    return record["steps"][-1]["correlation"]["value"] <= limit


def randomised_blocks(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """(name, modules) of the blocks with parameters, from the output down.

    A child of the model that is a sequence contributes its elements, any other child is one block. Parameters of the
    model itself come last, under the name "embeddings".
    """
    parts: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        is_sequence = isinstance(child, (nn.Sequential, nn.ModuleList))
        parts += [(f"{name}.{k}", block) for k, block in enumerate(child)] if is_sequence else [(name, child)]
    blocks = [(name, list(part.modules())) for name, part in reversed(parts) if list(part.parameters())]
    return blocks + ([("embeddings", [model])] if list(model.parameters(recurse=False)) else [])


def reset_block(modules: Sequence[nn.Module]) -> None:
    """Draw the weights of a block anew, on the CPU: a GPU has a generator of its own and would draw others.

    Args:
        modules: the block's top module, then all below it.
    """
    device = next(modules[0].parameters()).device
    modules[0].to("cpu")
    for module in modules:
        reset_weights(module)
    modules[0].to(device)


def reset_weights(module: nn.Module) -> None:
    """Draw the module's own weights anew by PyTorch's initialisation.

    PyTorch has no rule for embeddings; they are drawn from a normal distribution with standard deviation 0.02, as in
    ViTs.
    """
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
        return
    for parameter in module.parameters(recurse=False):
        nn.init.normal_(parameter, std=0.02)


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation [B] of each pair of maps [B, S, S]; 0 where one is flat."""
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b)]
    x, y = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.divide((x * y).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def _similarities(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM [B] of each pair of maps [B, S, S]; 0 where the second is flat."""
    return np.array([structural_similarity(x, y, data_range=1.0) if y.any() else 0.0 for x, y in zip(a, b)])


def _estimates(row: np.ndarray, seed: int) -> dict:
    """Estimates of one step from its metrics [3, B]; the bootstrap draws pictures independently."""
    one_class, own_groups = np.zeros(row.shape[1]), [str(k) for k in range(row.shape[1])]
    estimates = bootstrap(
        lambda index: {"correlation": row[0, index].mean(), "ssim": row[1, index].mean()}, one_class, own_groups, seed
    )
    return {**estimates, "flat": round(float(row[2].mean()), 4)}
