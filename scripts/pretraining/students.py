"""The students: timm's networks with a head for each thing to learn; only the network is kept for the project."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from timm.layers import set_fused_attn
from torch import nn

from aireal.classifier.backbone_file import read_backbone
from scripts.pretraining.teacher import GRID, REDUCED

ARCHITECTURES = ("resnet34", "rexnet_150", "vit_tiny_patch16_224")
IMAGE_SIZE = 256  # px; what the package's position embeddings are made for


def build(architecture: str) -> nn.Module:
    """timm's network without a classification layer, random weights, taking [B, 3, S, S] in -1..1 of any S (ViT:
    multiples of 16)."""
    set_fused_attn(False)  # on CPUs the fused attention's backward pass takes a quarter longer
    sizes = {"img_size": IMAGE_SIZE, "dynamic_img_size": True} if architecture.startswith("vit") else {}
    return timm.create_model(architecture, pretrained=False, num_classes=0, **sizes)


class Student(nn.Module):
    """`net` with heads: the teacher's embedding [B, 512], its tokens [B, 128, 7, 7] and verdicts [B, 2], and the
    log-odds of a round trip [B]."""

    def __init__(self, architecture: str, embed: int = 512):
        super().__init__()
        self.net = build(architecture)
        width = self.net.num_features
        self.embed, self.tokens = nn.Linear(width, embed), nn.Conv2d(width, REDUCED, 1)
        self.verdict, self.pair = nn.Linear(width, 2), nn.Linear(width, 1)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last map or tokens, and pooled features [B, D]."""
        last = self.net.forward_features(x)
        return last, self.net.forward_head(last, pre_logits=True)

    def taught(self, last: torch.Tensor, pooled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the teacher is expected to say: standardised embedding [B, 512] and tokens [B, 128, 7, 7], float32."""
        if last.ndim == 3:
            side = int((last.shape[1] - 1) ** 0.5)
            last = last[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        tokens = self.tokens(last).float()
        if tokens.shape[-1] != GRID:
            tokens = F.interpolate(tokens, size=(GRID, GRID), mode="bilinear", antialias=tokens.shape[-1] > GRID)
        return self.embed(pooled).float(), tokens

    def heads(self) -> dict[str, torch.Tensor]:
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("net.")}


def load_network(net: nn.Module, path: Path) -> None:
    """Copy a backbone's tensors (any precision) from safetensors; all must fit, but a classification layer may be
    missing or more."""
    state = read_backbone(path)
    missing, unexpected = net.load_state_dict(state, strict=False)
    extra = [name for name in unexpected if not name.startswith(("fc.", "head."))]
    if missing or extra:
        raise SystemExit(f"{path.name} does not fit: missing {missing[:3]}, unexpected {extra[:3]}")
