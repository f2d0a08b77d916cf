"""The device of a run: its choice, its fastest precision, and its memory."""

from __future__ import annotations

import gc
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

try:
    import resource
except ImportError:  # Windows
    resource = None


def best_device() -> torch.device:
    """CUDA if there is a GPU that the installed torch can use, MPS on Apple's chips, else the CPU."""
    if has_cuda():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def release_memory() -> None:
    """Give back the memory of models that no name refers to any more, also of those that the last error still holds."""
    for name in ("last_traceback", "last_value", "last_exc"):
        if hasattr(sys, name):
            setattr(sys, name, None)
    gc.collect()  # a trained model refers to itself
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def has_cuda() -> bool:
    """Whether there is an NVIDIA or AMD GPU that the installed torch has kernels for."""
    return torch.cuda.is_available() and not unusable_gpu()


def unusable_gpu() -> str:
    """Why a GPU of this machine counts as none, in one sentence; empty where there is none, or where it can be used.

    `torch.cuda.is_available` is True also for GPUs that are too old for the installed torch. On these the first kernel
    fails.
    """
    if not torch.cuda.is_available():
        if torch.version.cuda and shutil.which("nvidia-smi"):
            return f"the NVIDIA driver of this machine is too old or broken for torch with CUDA {torch.version.cuda}"
        return ""
    try:
        name, capability = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0)
    except (RuntimeError, AssertionError):  # torch does not say: trust `is_available`
        return ""
    compiled = torch.cuda.get_arch_list()
    if has_kernels(capability, compiled):
        return ""
    return f"{name} (sm_{capability[0]}{capability[1]}) is not among the GPUs of this torch ({', '.join(compiled)})"


def has_kernels(capability: tuple[int, int], compiled: Sequence[str]) -> bool:
    """Whether code that was compiled for these architectures runs on a GPU of this compute capability.

    Machine code (sm_75) runs on GPUs of the same major version and the same or a later minor one, PTX (compute_75) on
    all later ones (NVIDIA, CUDA C++ Programming Guide, "Application Compatibility"). Without such names, as in builds
    for AMD, every GPU counts.
    """
    found = [match for name in compiled if (match := re.match(r"(sm|compute)_(\d+)(\d)[af]?$", name))]
    for kind, *numbers in (match.groups() for match in found):
        major, minor = (int(number) for number in numbers)
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= tuple(capability):
            return True
    return not found


def precision(device: torch.device | None = None) -> str:
    """The fastest precision that the device has instructions for, by accelerate's name.

    Args:
        device: default: the best one.

    Returns:
        "bf16", "fp16" on older GPUs, or "no" (float32).
    """
    device = device or best_device()
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    return "bf16" if device.type == "cpu" and cpu_has_bf16() else "no"


def cpu_has_bf16() -> bool:
    """Whether this CPU has bfloat16 instructions (AVX512-BF16, AMX, or Arm's).

    oneDNN accepts bfloat16 on any CPU with AVX-512, but without these instructions it is several times slower than
    float32.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(device: torch.device) -> torch.autocast:
    """A context in which models run in the device's `precision`."""
    fast = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision(device))
    return torch.autocast(device.type, fast, enabled=fast is not None)


@contextmanager
def threads_for(pictures: int, device: torch.device) -> Iterator[None]:
    """Within it, torch computes a batch of `pictures` pictures with at most as many threads.

    A network's output then does not depend on the number of threads. On a CPU, oneDNN shares the pictures of a batch
    among threads; if there are fewer pictures than threads, it may share the channels of a small picture instead, whose
    sums then differ in the last bit. A thread that starts within it keeps the smaller number.
    """
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, min(before, pictures)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the kind of device and its number of cores."""
    return torch.cuda.get_device_name(0) if device.type == "cuda" else f"{device.type}, {os.cpu_count()} cores"


def describe(device: torch.device) -> str:
    """Name, free memory and precision, as in "Tesla T4, 14.6 of 14.7 GiB free, fp16"."""
    fastest = precision(device).replace("no", "fp32")
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
    return f"{device_name(device)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free, {fastest}"


def idle_gpus(device: torch.device) -> str:
    """A sentence about GPUs that this run leaves idle; empty where there are none, or where processes share them."""
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if count < 2 or int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return ""
    return (
        f"one of {count} GPUs is used; trainings can share all of them: `accelerate launch -m aireal train` and "
        "`accelerate launch -m aireal finetune` before the notebooks, which then find them done"
    )


def peak_memory(device: torch.device | None = None) -> int | None:
    """Peak memory of this process so far in bytes; None on devices that do not report it.

    On CUDA this is allocated GPU memory, on the CPU (the default) resident memory. Linux reports the latter as VmHWM;
    ru_maxrss would not do, because a process inherits it from the process that started it (getrusage(2)).
    """
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if device is not None and device.type != "cpu":
        return None
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    if resource is None:
        return psutil.Process().memory_info().peak_wset
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def peak_memory_gib(device: torch.device | None = None) -> float:
    """`peak_memory` in GiB; 0.0 on devices that do not report it."""
    return (peak_memory(device) or 0) / 2**30


def peak_memory_of_children() -> int:
    """Peak resident memory in bytes of the largest child process that has ended; 0 on Windows, which keeps none."""
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes on macOS, KiB elsewhere
