"""Where a classifier looked: Grad-CAM (Selvaraju et al. 2017) by pytorch-grad-cam, one object for a whole run."""

from __future__ import annotations

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from torch import nn

IMAGE_WEIGHT = 0.5  # share of the picture in an overlay; the small PaliGemma is trained on overlays of this strength


def target_layer(model: nn.Module) -> nn.Module:
    """The layer whose activations are weighted: the last one that still has positions.

    ResNets: the last block; rexnet: the last convolution before pooling; ViT: the first norm of the last block (after it only the
    class token reaches the output, and patch tokens have no gradient).

    Raises:
        ValueError: the model is of another kind.
    """
    if hasattr(model, "layer4"):
        return model.layer4[-1]
    if hasattr(model, "blocks") and hasattr(model, "patch_embed"):
        return model.blocks[-1].norm1
    if hasattr(model, "features"):
        return model.features[-1]
    raise ValueError(f"no Grad-CAM layer is known for {type(model).__name__}: use a ResNet, rexnet or ViT of timm")


def token_grid(model: nn.Module, size: tuple[int, int]):
    """For a ViT a function [B, tokens, C] → [B, C, rows, columns] that drops the prefix tokens; None for other models."""
    if not hasattr(model, "patch_embed"):
        return None
    patch, prefix = model.patch_embed.patch_size, model.num_prefix_tokens
    rows, columns = size[0] // patch[0], size[1] // patch[1]
    return lambda tokens: tokens[:, prefix:].reshape(len(tokens), rows, columns, -1).permute(0, 3, 1, 2)


class Margin:
    """What a map explains: the label's logit minus the other one's. The probability depends on this difference alone."""

    def __init__(self, label: int):
        self.label = label

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[..., self.label] - logits[..., 1 - self.label]


class Heatmaps:
    """Grad-CAM for many batches: `with Heatmaps(model, size) as heatmaps: maps = heatmaps(pixels, labels)`.

    The hooks are set once and taken off at the end, so memory stays flat over a test set of any length.
    """

    def __init__(self, model: nn.Module, size: int):
        self.layer = target_layer(model)
        self.cam = GradCAM(model=model, target_layers=[self.layer], reshape_transform=token_grid(model, (size, size)))

    def __enter__(self) -> Heatmaps:
        self.cam.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.cam.__exit__(*error)

    def __call__(self, pixels: torch.Tensor, labels: list[int]) -> np.ndarray:
        """Maps float32 [B, H, W] in 0..1 of normalised pictures [B, 3, H, W], each for its own class.

        Raises:
            ValueError: a map is flat or not finite; such a map explains nothing.
        """
        with torch.enable_grad():
            maps = self.cam(input_tensor=pixels, targets=[Margin(label) for label in labels])
        maps = np.asarray(maps, dtype=np.float32)
        for heat in maps:
            if not np.isfinite(heat).all() or float(heat.max() - heat.min()) < 1e-6:
                raise ValueError(f"the Grad-CAM of layer {type(self.layer).__name__} is flat or not finite for this image, so it explains nothing")
        return maps


def overlay(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: the picture (uint8 [H, W, 3]) under its map (float [H, W] in 0..1) in the jet colour map."""
    return show_cam_on_image(image.astype(np.float32) / 255, heatmap, use_rgb=True, image_weight=IMAGE_WEIGHT)
