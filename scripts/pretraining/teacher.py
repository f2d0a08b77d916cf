"""The teacher: OpenAI's CLIP ViT-B/16 in 8 bits, run by onnxruntime."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
SIZE, GRID, REDUCED = 224, 7, 128  # px; tokens are averaged to GRID × GRID; dimensions kept of a token


class Teacher:
    """`features(images)` of uint8 [B, 224, 224, 3] (RGB)."""

    def __init__(self, path: Path, threads: int = 2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings float32 [B, 512] of unit length, and tokens float32 [B, 49, 768] averaged over 2×2 patches."""
        pixels = (images.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
        embed, tokens = self.session.run(None, {"pixel_values": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
        grid = tokens[:, 1:].reshape(len(tokens), GRID, 2, GRID, 2, -1).mean((2, 4))
        return embed / np.linalg.norm(embed, axis=1, keepdims=True), grid.reshape(len(tokens), GRID * GRID, -1)


def normed(tokens: np.ndarray) -> np.ndarray:
    """Tokens [..., D], each with mean 0 and deviation 1 (a layer norm without weights), so that no token outweighs
    the others."""
    centred = tokens - tokens.mean(-1, keepdims=True)
    return centred / (centred.std(-1, keepdims=True) + 1e-6)


def fit_pca(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Principal components of normed tokens [N, 49, 768]: mean [768], components [768, 128] and the variances' shares
    [128]."""
    flat = normed(tokens).reshape(-1, tokens.shape[-1]).astype(np.float64)
    mean = flat.mean(0)
    values, vectors = np.linalg.eigh(np.cov((flat - mean).T))
    order = np.argsort(values)[::-1][:REDUCED]
    found = {"mean": mean, "components": vectors[:, order], "share": values[order] / values.sum()}
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in found.items()}


def reduce(tokens: np.ndarray, pca: dict[str, np.ndarray]) -> np.ndarray:
    """Tokens [B, 49, 768] → float16 [B, 49, 128]."""
    return ((normed(tokens) - pca["mean"]) @ pca["components"]).astype(np.float16)
