"""The cost of a classifier: parameters, multiply-accumulates, images per second and peak memory.

It is measured in its own process, because the peak memory of a process that has trained before would hide it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from aireal.config import REPOSITORY, Profile
from aireal.core.device import autocast, peak_memory, precision

from .model import ClassifierConfig, build_classifier

PREDICT_BATCH = 16
MEMORY = {
    "cuda": "allocated on the GPU",
    "cpu": "resident, beyond a process that has loaded the libraries and run a small network",
}


def cost(config: ClassifierConfig, profile: Profile, device: torch.device) -> dict:
    """Cost of the architecture at the profile's sizes on this device; it does not depend on the weights.

    Speed is that of the network alone in the device's fastest precision, with pictures already in memory: the median of
    up to 7 steps in 3 seconds after a warm-up. A training step is forward, backward and AdamW on `train_batch` crops,
    prediction is a forward pass of `predict_batch` whole pictures. Results are cached for the session.

    Returns:
        {"parameters", "gmacs" (10⁹ multiply-accumulates for a picture of `image_size` px), "image_size", "crop",
        "precision", "train_batch", "train_images_per_second", "train_peak_memory_gib", "predict_batch",
        "predict_images_per_second", "predict_peak_memory_gib" (weights included; None if the device does not report
        it), "memory" (which memory was measured)}; what concerns training is None for a frozen network

    Raises:
        RuntimeError: the measuring process failed; the message contains its last line.
    """
    batch_size = 0 if config.frozen else profile.batch_size
    return dict(_in_own_process(config.architecture, config.image_size, profile.crop, batch_size, device.type))


@cache
def _in_own_process(*workload) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(workload)], cwd=REPOSITORY, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["the process was killed"])[-1]
        raise RuntimeError(f"the cost of {workload[0]} could not be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_cost(architecture: str, image_size: int, crop: int, batch_size: int, device: str) -> dict:
    """`cost` in this process; the memory is correct only if the process has done nothing else. A `batch_size` of 0
    leaves training out."""
    where = torch.device(device)
    # a tiny network first, so that memory that the libraries allocate once does not count
    tiny = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).to(where)
    _train_step(tiny, 2, 32, where)()
    before = peak_memory(where)
    model = build_classifier(architecture, image_size).to(where, memory_format=torch.channels_last)
    predict_seconds = _median_seconds(_predict_step(model, PREDICT_BATCH, image_size, where), where)
    predict_peak = peak_memory(where)
    train_seconds, train_peak = None, None
    if batch_size:
        train_seconds = _median_seconds(_train_step(model, batch_size, crop, where), where)
        train_peak = peak_memory(where)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "gmacs": gmacs(model.eval(), image_size),
        "image_size": image_size,
        "crop": crop if batch_size else None,
        "precision": precision(where).replace("no", "fp32"),
        "train_batch": batch_size or None,
        "train_images_per_second": round(batch_size / train_seconds, 1) if train_seconds else None,
        "train_peak_memory_gib": _gib(train_peak, before),
        "predict_batch": PREDICT_BATCH,
        "predict_images_per_second": round(PREDICT_BATCH / predict_seconds, 1),
        "predict_peak_memory_gib": _gib(predict_peak, before),
        "memory": MEMORY.get(where.type),
    }


def gmacs(model: nn.Module, image_size: int) -> float:
    """10⁹ multiply-accumulates for one picture: convolutions, matrix products and attention, counted by torch.

    Args:
        model: in evaluation mode.
    """
    pixels = torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device)
    # torch's counter misses the CPU's fused attention (pytorch issue 195460); as matrix products it is counted
    # everywhere
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(pixels)
    return round(counter.get_total_flops() / 2e9, 3)


def _pixels(batch: int, side: int, device: torch.device) -> torch.Tensor:
    return torch.randn(batch, 3, side, side).to(device, memory_format=torch.channels_last)


def _predict_step(model: nn.Module, batch: int, side: int, device: torch.device) -> Callable[[], None]:
    pixels = _pixels(batch, side, device)

    @torch.inference_mode()
    def step() -> None:
        with autocast(device):
            model.eval()(pixels)

    return step


def _train_step(model: nn.Module, batch: int, side: int, device: torch.device) -> Callable[[], None]:
    pixels, labels = _pixels(batch, side, device), torch.arange(batch, device=device) % 2
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        model.train()
        with autocast(device):
            logits = model(pixels)
        nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _median_seconds(step: Callable[[], None], device: torch.device, at_most: float = 3.0) -> float:
    step()  # warm-up
    durations: list[float] = []
    while len(durations) < 7 and sum(durations) < at_most:
        _wait(device)
        started = time.perf_counter()
        step()
        _wait(device)
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def _gib(peak: int | None, before: int | None) -> float | None:
    return None if peak is None or before is None else round((peak - before) / 2**30, 3)


if __name__ == "__main__":
    print(json.dumps(measure_cost(*json.loads(sys.argv[1]))))
