"""One run of one stage: setup (seed, device, versions) at its start and one JSON under `metrics/` at its end."""

from __future__ import annotations

import json
import math
import os
import platform
import random
import resource
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from aireal import __version__
from aireal.config import REPOSITORY, DatasetRoot, Profile, resolve_profile

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "grad-cam",
    "lime",
    "transformers",
    "peft",
    "anthropic",
    "openvino",
    "scikit-learn",
    "numpy",
    "pillow",
)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "aireal": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision(device: torch.device | None = None) -> str:
    """accelerate's name of the fastest precision that the device (default: the best one) really computes in: bf16 where there are
    instructions for it, fp16 on older GPUs, else full ("no")."""
    device = device or best_device()
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    return "bf16" if device.type == "cpu" and cpu_has_bf16() else "no"


def cpu_has_bf16() -> bool:
    """oneDNN takes bfloat16 on any CPU with AVX-512, but without instructions for it (AVX512-BF16, AMX) it is several times slower
    than float32."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(device: torch.device) -> torch.autocast:
    """A context in which models run in the device's `precision`."""
    fast = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision(device))
    return torch.autocast(device.type, fast, enabled=fast is not None)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(0) if device.type == "cuda" else f"{device.type}, {os.cpu_count()} cores"


def peak_memory_gib(device: torch.device) -> float:
    """The process's peak so far: allocated GPU memory on CUDA, resident memory elsewhere (ru_maxrss: KiB, on macOS bytes)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


@dataclass
class Run:
    """What a notebook or command works with. Make one with `start`."""

    stage: str
    profile: Profile
    data: DatasetRoot
    out: Path
    seed: int
    device: torch.device
    began: float = field(default_factory=time.time)

    def save(self, name: str, values: dict) -> Path:
        """Write `values` with the run's circumstances to `<out>/metrics/<name>.json` and return the path."""
        record = {
            "stage": self.stage,
            "profile": self.profile.name,
            "seed": self.seed,
            "device": device_name(self.device),
            "wall_seconds": round(time.time() - self.began, 1),
            "peak_memory_gib": round(peak_memory_gib(self.device), 2),
            "versions": versions(),
            **values,
        }
        return write_json(self.out / "metrics" / f"{name}.json", record)


def write_json(path: Path, record: dict) -> Path:
    """Write JSON that every reader takes: a figure that could not be computed (NaN) is null."""
    return write_atomic(
        path, (json.dumps(_finite(record), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
    )


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_atomic(path: Path, content: bytes) -> Path:
    """Write atomically, so that a killed run never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
    return path


def start(
    stage: str, profile: str = "auto", root: str | Path | None = None, seed: int = 7, out: str | Path | None = None
) -> Run:
    """Seed everything, choose profile and device, and say so in three lines.

    Args:
        stage: name of the stage, as in the metrics file.
        root: dataset root; the repository's `dataset/` when empty.
        out: folder for metrics and figures; the repository's `outputs/` (smoke: `outputs/smoke/`) when empty.

    Raises:
        ValueError: unknown profile, or the root is no dataset root.
    """
    chosen, why = resolve_profile(profile)
    smoke = chosen.name == "smoke"
    out = Path(out) if out else REPOSITORY / "outputs" / ("smoke" if smoke else "")
    root = Path(root) if root else REPOSITORY / "dataset"
    if not (root / "data" / "train").is_dir() and not (root / "test").is_dir():
        raise ValueError(
            f"{root} is no dataset root: it has neither data/train nor test with the folders 0_real and 1_fake"
        )
    seed_everything(seed)
    run = Run(stage, chosen, DatasetRoot.at(root, out / "products" if smoke else None), out, seed, best_device())
    known = versions()
    print(f"aireal {known['aireal']} · {why}")
    print(
        f"device {device_name(run.device)} · seed {seed} · torch {known['torch']} · timm {known['timm']} · transformers {known['transformers']}"
    )
    return run
