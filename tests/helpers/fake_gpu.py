"""A stand-in GPU for tests of policies: what torch.cuda reports, and nothing that computes.

Patch it in with `fake_gpu(monkeypatch, T4)`, or take the fixture `t4`. Code under test may then ask for the device, its
number format, its memory and its name. A tensor cannot be placed on it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

GIB = 2**30
CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")  # kernels of torch's wheels for CUDA 13


@dataclass(frozen=True)
class FakeGpu:
    """What torch.cuda reports of each of `count` equal GPUs; memory in GiB."""

    name: str
    capability: tuple[int, int]
    total: float
    free: float
    reserved: float = 0.0  # held by this process's allocator, on top of what is free
    count: int = 1
    kernels: tuple[str, ...] = CU130  # that the installed torch brings


T4 = FakeGpu("Tesla T4", (7, 5), 14.56, 14.46)
TWO_T4 = FakeGpu("Tesla T4", (7, 5), 14.56, 14.46, count=2)
L4 = FakeGpu("NVIDIA L4", (8, 9), 22.16, 21.95)
A100 = FakeGpu("NVIDIA A100-SXM4-40GB", (8, 0), 39.56, 39.14)
P100 = FakeGpu("Tesla P100-PCIE-16GB", (6, 0), 15.89, 15.62)


def fake_gpu(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu = T4) -> FakeGpu:
    """Let torch.cuda report this GPU until the test ends. Calling it again replaces the GPU."""
    native = gpu.capability >= (8, 0)
    properties = SimpleNamespace(
        name=gpu.name, major=gpu.capability[0], minor=gpu.capability[1], total_memory=int(gpu.total * GIB)
    )
    answers = {
        "is_available": lambda: True,
        "is_initialized": lambda: False,
        "device_count": lambda: gpu.count,
        "current_device": lambda: 0,
        "device": lambda device: contextlib.nullcontext(),
        "set_device": lambda device: None,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "get_device_name": lambda device=None: gpu.name,
        "get_device_capability": lambda device=None: gpu.capability,
        "get_device_properties": lambda device=None: properties,
        "get_arch_list": lambda: list(gpu.kernels),
        # as in torch: any GPU can emulate bfloat16, which is slow
        "is_bf16_supported": lambda including_emulation=True: native or including_emulation,
        "mem_get_info": lambda device=None: (int(gpu.free * GIB), int(gpu.total * GIB)),
        "memory_allocated": lambda device=None: int(gpu.reserved * GIB),
        "memory_reserved": lambda device=None: int(gpu.reserved * GIB),
        "max_memory_allocated": lambda device=None: int(gpu.reserved * GIB),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return gpu


@pytest.fixture(name="t4")
def t4_(monkeypatch) -> FakeGpu:
    """Colab's free GPU: 16 GB, no native bfloat16."""
    return fake_gpu(monkeypatch, T4)


@pytest.fixture(name="l4")
def l4_(monkeypatch) -> FakeGpu:
    return fake_gpu(monkeypatch, L4)


@pytest.fixture(name="two_t4")
def two_t4_(monkeypatch) -> FakeGpu:
    """Kaggle's pair."""
    return fake_gpu(monkeypatch, TWO_T4)


@pytest.fixture(name="p100")
def p100_(monkeypatch) -> FakeGpu:
    """A GPU that torch finds, and that its wheels have no kernels for."""
    return fake_gpu(monkeypatch, P100)
