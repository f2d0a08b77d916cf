"""What a classifier costs: parameters, multiply-accumulates, images a second and peak memory, measured in a process of its own.

A process of its own, because the peak of one that has trained before would hide this one's.
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
    """Cost of the architecture at the profile's sizes on this device; what the weights are does not matter.

    Speed is that of the network alone in the device's fastest precision, pictures already in memory: median of up to 7 steps in 3
    seconds after a warm-up. A training step is forward, backward and AdamW on `train_batch` crops, prediction a forward of `predict_batch`
    whole pictures. The same architecture and sizes are measured once a session.

    Returns:
        {"parameters", "gmacs" (10⁹ multiply-accumulates a picture of `image_size` px), "image_size", "crop", "precision",
        "train_batch", "train_images_per_second", "train_peak_memory_gib", "predict_batch", "predict_images_per_second",
        "predict_peak_memory_gib" (weights included; None where the device does not tell), "memory" (what was counted)}

    Raises:
        RuntimeError: the measuring process failed; the message is its last line.
    """
    return dict(_in_own_process(config.architecture, config.image_size, profile.crop, profile.batch_size, device.type))


@cache
def _in_own_process(*workload) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(workload)], cwd=REPOSITORY, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(
            f"the cost of {workload[0]} could not be measured: {(done.stderr.strip().splitlines() or ['the process was ended'])[-1]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def measure_cost(architecture: str, image_size: int, crop: int, batch_size: int, device: str) -> dict:
    """`cost`, in this process; memory is right only if the process has done nothing else."""
    where = torch.device(device)
    first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).to(where)
    _train_step(first, 2, 32, where)()  # what the libraries need once and for all is no cost of the model
    before = peak_memory(where)
    model = build_classifier(architecture, image_size).to(where, memory_format=torch.channels_last)
    predict_seconds = _median_seconds(_predict_step(model, PREDICT_BATCH, image_size, where), where)
    predict_peak = peak_memory(where)
    train_seconds = _median_seconds(_train_step(model, batch_size, crop, where), where)
    train_peak = peak_memory(where)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "gmacs": gmacs(model.eval(), image_size),
        "image_size": image_size,
        "crop": crop,
        "precision": precision(where).replace("no", "fp32"),
        "train_batch": batch_size,
        "train_images_per_second": round(batch_size / train_seconds, 1),
        "train_peak_memory_gib": _gib(train_peak, before),
        "predict_batch": PREDICT_BATCH,
        "predict_images_per_second": round(PREDICT_BATCH / predict_seconds, 1),
        "predict_peak_memory_gib": _gib(predict_peak, before),
        "memory": MEMORY.get(where.type),
    }


def gmacs(model: nn.Module, image_size: int) -> float:
    """10⁹ multiply-accumulates of one picture: convolutions, matrix products and attention, as torch counts them.

    Args:
        model: in evaluation mode.
    """
    pixels = torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device)
    # torch's counter passes over the CPU's fused attention (pytorch issue 195460); written out as products it is counted everywhere
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
    optimiser = torch.optim.AdamW(model.parameters())

    def step() -> None:
        model.train()
        with autocast(device):
            logits = model(pixels)
        nn.functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def _median_seconds(step: Callable[[], None], device: torch.device, at_most: float = 3.0) -> float:
    step()
    taken: list[float] = []
    while len(taken) < 7 and sum(taken) < at_most:
        _wait(device)
        began = time.perf_counter()
        step()
        _wait(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def _gib(peak: int | None, before: int | None) -> float | None:
    return None if peak is None or before is None else round((peak - before) / 2**30, 3)


if __name__ == "__main__":
    print(json.dumps(measure_cost(*json.loads(sys.argv[1]))))
