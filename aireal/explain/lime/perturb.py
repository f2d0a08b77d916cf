"""Pictures with some superpixels hidden, composed on the device and classified in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

BATCH = 16  # pictures at a time: a CPU's caches are small


def perturb_on_device(
    model_fn: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    mean_filled: torch.Tensor,
    segments: np.ndarray,
    batch: int = BATCH,
    layout: torch.memory_format = torch.channels_last,
) -> Callable[[np.ndarray], np.ndarray]:
    """P(fake) of a picture whose superpixels are hidden behind `mean_filled`, as a function of which are kept: bool [N, K] → float64 [N].

    Pictures are chosen from the two normalised ones, which differs from the `lime` package's order (compose, then normalise) in no bit.

    Args:
        model_fn: float [B, 3, H, W] in the memory format `layout` → P(fake) [B], in whatever precision it likes. The batch is overwritten by the next one.
        image: float [3, H, W], normalised, on the model's device.
        mean_filled: the same picture with every superpixel in its mean colour (`superpixels.mean_filled`), normalised likewise.
        segments: int [H, W], numbered from 0 without gaps.
        batch: pictures at a time; memory does not depend on N.
    """
    numbers = torch.as_tensor(segments, dtype=torch.int64, device=image.device).flatten()
    composed = torch.empty((batch, *image.shape), dtype=image.dtype, device=image.device).to(memory_format=layout)

    @torch.inference_mode()
    def fake(kept: np.ndarray) -> np.ndarray:
        found = []
        for rows in torch.from_numpy(np.ascontiguousarray(kept)).split(batch):
            shown = rows.to(image.device).gather(1, numbers.expand(len(rows), -1)).view(len(rows), 1, *image.shape[1:])
            pictures = torch.where(shown, image, mean_filled, out=composed[: len(rows)])
            found.append(model_fn(pictures).to(torch.float64).cpu())
        return torch.cat(found).numpy()

    return fake
