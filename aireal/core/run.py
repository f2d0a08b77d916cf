"""A run of one stage: seed, device and versions at its start, and one JSON under `metrics/` at its end."""

from __future__ import annotations

import platform
import random
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from aireal.config import REPOSITORY, DatasetRoot, Profile, __version__, resolve_profile

from .device import best_device, device_name, peak_memory_gib
from .files import write_json

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
    """Versions of Python, this package and `PACKAGES`."""
    installed = {"python": platform.python_version(), "aireal": __version__}
    for name in PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = "not installed"
    return installed


@dataclass
class Run:
    """The settings of one run of a notebook or command. `start` makes one."""

    stage: str
    profile: Profile
    data: DatasetRoot
    out: Path
    seed: int
    device: torch.device
    began: float = field(default_factory=time.time)

    def save(self, name: str, values: dict) -> Path:
        """Write `values` with the run's settings and cost to `<out>/metrics/<name>.json`; return the path."""
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


def start(
    stage: str, profile: str = "auto", root: str | Path | None = None, seed: int = 7, out: str | Path | None = None
) -> Run:
    """Seed everything, choose profile and device, and print them.

    Args:
        stage: name of the stage, as in the metrics file.
        root: dataset root; the repository's `dataset/` when empty.
        out: folder for metrics and figures; the repository's `outputs/` (smoke: `outputs/smoke/`) when empty.

    Raises:
        ValueError: unknown profile, or the root is no dataset root.
    """
    chosen, reason = resolve_profile(profile)
    smoke = chosen.name == "smoke"
    out = Path(out) if out else REPOSITORY / "outputs" / ("smoke" if smoke else "")
    root = Path(root) if root else REPOSITORY / "dataset"
    if not (root / "data" / "train").is_dir() and not (root / "test").is_dir():
        raise ValueError(
            f"{root} is no dataset root: it has neither data/train nor test with the folders 0_real and 1_fake"
        )
    seed_everything(seed)
    run = Run(stage, chosen, DatasetRoot.at(root, out / "products" if smoke else None), out, seed, best_device())
    installed = versions()
    libraries = " · ".join(f"{name} {installed[name]}" for name in ("torch", "timm", "transformers"))
    print(f"aireal {installed['aireal']} · {reason}")
    print(f"device {device_name(run.device)} · seed {seed} · {libraries}")
    return run
