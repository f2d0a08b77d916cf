"""Heatmaps of a classifier: Grad-CAM (Selvaraju et al. 2017) and its relatives, computed by pytorch-grad-cam.

One object with its hooks serves a whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, EigenGradCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, RandomCAM, XGradCAM
from pytorch_grad_cam.activations_and_gradients import ActivationsAndGradients
from pytorch_grad_cam.utils.image import show_cam_on_image
from torch import nn

IMAGE_WEIGHT = 0.5  # share of the picture in an overlay; the small PaliGemma is trained on overlays of this strength
METHODS = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "layercam": LayerCAM,
    "eigencam": EigenCAM,
    "eigengradcam": EigenGradCAM,
    "xgradcam": XGradCAM,
}
CONTROLS = {"randomcam": RandomCAM}  # random weights in place of gradients: a map from the activations alone
BATCH = 16  # pictures a pass in `heatmaps_of`


def candidate_layers(model: nn.Module) -> list[str]:
    """Dotted names of the layers whose activations a heatmap can weight.

    The first is the default: the last layer that still has positions.

    - ResNet: the last block of layer4, then of layer3.
    - rexnet: the last convolution before pooling, then the last block on the next finer grid (a 16th of the side).
    - ViT: the first norm of the last block, then that of the block at three quarters of the depth. After the first norm
      only the class token reaches the output, so patch tokens have no gradient there.

    Raises:
        ValueError: the model is of another kind.
    """
    if hasattr(model, "layer4"):
        return [f"{name}.{len(getattr(model, name)) - 1}" for name in ("layer4", "layer3") if hasattr(model, name)]
    if hasattr(model, "blocks") and hasattr(model, "patch_embed"):
        depth = len(model.blocks)
        return [f"blocks.{block}.norm1" for block in dict.fromkeys((depth - 1, max(0, 3 * depth // 4 - 1)))]
    if hasattr(model, "features"):
        finer = [info["module"] for info in getattr(model, "feature_info", ()) if info["reduction"] == 16]
        return [f"features.{len(model.features) - 1}", *finer[-1:]]
    raise ValueError(f"{type(model).__name__} has no known Grad-CAM layer: use a ResNet, rexnet or ViT of timm")


def token_grid(model: nn.Module, size: tuple[int, int]):
    """The reshaping of a ViT's tokens [B, tokens, C] to a grid [B, C, rows, columns]; None for other models.

    Prefix tokens are dropped. `size` is (height, width) of the pictures in px.
    """
    if not hasattr(model, "patch_embed"):
        return None
    patch, prefix = model.patch_embed.patch_size, model.num_prefix_tokens
    rows, columns = size[0] // patch[0], size[1] // patch[1]
    return lambda tokens: tokens[:, prefix:].reshape(len(tokens), rows, columns, -1).permute(0, 3, 1, 2)


class LogitDifference:
    """The target that a map explains: the logit of the label minus that of the other class.

    The probability depends on this difference alone.
    """

    def __init__(self, label: int):
        self.label = label

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[..., self.label] - logits[..., 1 - self.label]


class LayerHooks(ActivationsAndGradients):
    """The library's hooks, active only inside their own calls, and without gradients that a map does not need.

    The library keeps the activations of every forward pass until the next map, so the thousands of passes between two
    maps would fill the memory. It also differentiates the whole network, weights included, although a map needs no
    gradient below its layer.

    Attributes:
        active: whether activations and gradients are recorded.
        logits: [B, 2] of the pictures of the last map.
    """

    active = False
    logits: torch.Tensor | None = None

    def save_activation(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if self.active:
            super().save_activation(module, inputs, output)

    def save_gradient(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if self.active:
            super().save_gradient(module, inputs, output if output.requires_grad else output.requires_grad_())

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.active = True
        try:
            for parameter in trainable:
                parameter.requires_grad_(False)
            logits = super().__call__(pixels)
        finally:
            self.active = False
            for parameter in trainable:
                parameter.requires_grad_(True)
        if not torch.isfinite(logits).all():
            raise ValueError("the classifier's output for this image is no number (NaN or infinite)")
        self.logits = logits.detach()
        return logits


class Heatmaps:
    """Maps for many batches: `with Heatmaps(model, size) as heatmaps: maps = heatmaps(pixels, labels)`.

    The hooks are registered once and removed at the end. Nothing of a batch is kept, so memory stays flat over a test
    set of any length.
    """

    def __init__(self, model: nn.Module, size: int, method: str = "gradcam", layer: str = ""):
        """Register the hooks.

        Args:
            size: side of the pictures in px.
            method: a key of METHODS or CONTROLS.
            layer: one of `candidate_layers`; "" for the first.

        Raises:
            ValueError: method, layer or kind of model is unknown.
        """
        methods, layers = METHODS | CONTROLS, candidate_layers(model)
        if method not in methods:
            raise ValueError(f"heatmap method {method!r} is not known: choose one of {', '.join(methods)}")
        self.method, self.layer = method, layer or layers[0]
        if self.layer not in layers:
            raise ValueError(
                f"{layer!r} is no heatmap layer of this {type(model).__name__}: choose one of {', '.join(layers)}"
            )
        grid, target = token_grid(model, (size, size)), [model.get_submodule(self.layer)]
        self.cam = methods[method](model=model, target_layers=target, reshape_transform=grid)
        self.cam.activations_and_grads.release()
        self.cam.activations_and_grads = LayerHooks(model, target, grid)

    def __enter__(self) -> Heatmaps:
        return self

    def __exit__(self, *error) -> None:
        self.cam.activations_and_grads.release()

    def __call__(self, pixels: torch.Tensor, labels: list[int]) -> np.ndarray:
        """Maps float32 [B, H, W] in 0..1 of normalised pictures [B, 3, H, W], each for its own label.

        Raises:
            ValueError: a map is flat or not finite and so explains nothing, or the classifier's output is not finite.
        """
        maps, usable = self.with_flat(pixels, labels)
        if not usable.all():
            raise ValueError(
                f"the heatmap ({self.method}) of layer {self.layer} is flat or not finite for this image, "
                "so it explains nothing"
            )
        return maps

    def of_verdicts(
        self, pixels: torch.Tensor, label_of: Callable[[torch.Tensor], int]
    ) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """The maps of the verdicts as of `with_flat`, and the logits float32 [B, 2], from one pass through the network.

        Args:
            label_of: the verdict of a picture's logits [2].

        Raises:
            ValueError: the classifier's output is not finite.
        """
        targets = [lambda logits: LogitDifference(label_of(logits.detach()))(logits)] * len(pixels)
        return *self._maps(pixels, targets), self.cam.activations_and_grads.logits

    def with_flat(self, pixels: torch.Tensor, labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Maps as of `__call__`, all zero where a map is flat or not finite, and bool [B]: True where a map is usable.

        Raises:
            ValueError: the classifier's output is not finite.
        """
        return self._maps(pixels, [LogitDifference(label) for label in labels])

    def _maps(
        self, pixels: torch.Tensor, targets: list[Callable[[torch.Tensor], torch.Tensor]]
    ) -> tuple[np.ndarray, np.ndarray]:
        try:
            with torch.enable_grad():
                maps = self.cam(input_tensor=pixels, targets=targets)
        except ValueError as error:
            raise ValueError(f"no heatmap ({self.method}) of layer {self.layer}: {error}") from error
        finally:
            self.cam.activations_and_grads.clear()
            self.cam.outputs = None  # it holds the graph of the whole batch
        return _flat_as_zero(maps)


def _flat_as_zero(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps float32 [B, H, W], zero where a map is flat or not finite, and bool [B]: True where it is usable."""
    maps = np.asarray(maps, dtype=np.float32)
    usable = np.array([np.isfinite(heat).all() and np.ptp(heat) >= 1e-6 for heat in maps])
    return np.where(usable[:, None, None], maps, np.float32(0)), usable


class HeatmapsOfLayer:
    """The maps of several methods at one layer from a single pass through the network; they equal those of `Heatmaps`.

    All methods weight the same activations by the same gradients. Use it in a `with` statement, which removes the
    hooks.
    """

    def __init__(self, model: nn.Module, size: int, methods: Sequence[str], layer: str):
        """Register the hooks.

        Args:
            size: side of the pictures in px.
            methods: keys of METHODS or CONTROLS.
            layer: one of `candidate_layers`.
        """
        grid, target = token_grid(model, (size, size)), [model.get_submodule(layer)]
        self._hooks, self._cams = LayerHooks(model, target, grid), {}
        for method in methods:
            cam = (METHODS | CONTROLS)[method](model=model, target_layers=target, reshape_transform=grid)
            cam.activations_and_grads.release()
            cam.activations_and_grads = self._hooks
            self._cams[method] = cam

    def __enter__(self) -> HeatmapsOfLayer:
        return self

    def __exit__(self, *error) -> None:
        self._hooks.release()

    def __call__(self, pixels: torch.Tensor, labels: list[int]) -> dict[str, np.ndarray]:
        """Maps float32 [B, H, W] in 0..1 by method, each for its own label; all zero where a map is flat.

        Args:
            pixels: normalised float [B, 3, H, W].

        Raises:
            ValueError: the classifier's output is not finite.
        """
        targets = [LogitDifference(label) for label in labels]
        try:
            with torch.enable_grad():
                logits = self._hooks(pixels)
                sum(target(output) for target, output in zip(targets, logits, strict=True)).backward()
            return {
                method: _flat_as_zero(cam.aggregate_multi_layers(cam.compute_cam_per_layer(pixels, targets, False)))[0]
                for method, cam in self._cams.items()
            }
        finally:
            self._hooks.clear()


def overlay(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: the picture uint8 [H, W, 3] under its map float [H, W] in 0..1, drawn in the jet colour map."""
    return show_cam_on_image(image.astype(np.float32) / 255, heatmap, use_rgb=True, image_weight=IMAGE_WEIGHT)


def heatmaps_of(
    model: nn.Module, images: torch.Tensor, labels: Sequence[int], size: int, method: str, layer: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """`Heatmaps.with_flat` in batches: maps float32 [B, size, size], and bool [B], True where a map is usable.

    Args:
        images: normalised float [B, 3, size, size].
    """
    with Heatmaps(model, size, method, layer) as heatmaps:
        parts = [
            heatmaps.with_flat(images[k : k + BATCH], [int(label) for label in labels[k : k + BATCH]])
            for k in range(0, len(images), BATCH)
        ]
    maps, usable = (np.concatenate(part) for part in zip(*parts))
    return maps, usable
