"""A run of one stage: seed, device and versions at its start, and one JSON under `metrics/` at its end."""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aireal.config import REPOSITORY, DatasetRoot, Profile, __version__

from .device import best_device, describe, device_name, idle_gpus, peak_memory_gib
from .file_names import last_part
from .files import write_json
from .notebook_service import notebook_service
from .profile import profile_of_products, remember_profile, require_gpu, resolve_profile
from .secrets import export_secrets

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
    began: float = field(default_factory=time.monotonic)  # which no change of the clock moves
    overrides: dict[str, Any] = field(default_factory=dict)

    def save(self, name: str, values: dict) -> Path:
        """Write `values` with the run's settings and cost to `<out>/metrics/<name>.json`; return the path."""
        record = {
            "stage": self.stage,
            "profile": self.profile.name,
            **({"overrides": shown} if (shown := self._shown_overrides()) else {}),
            "seed": self.seed,
            "device": device_name(self.device),
            "wall_seconds": round(time.monotonic() - self.began, 1),
            "peak_memory_gib": round(peak_memory_gib(self.device), 2),
            "versions": versions(),
            **values,
        }
        return write_json(self.out / "metrics" / f"{name}.json", record)

    def _shown_overrides(self) -> dict[str, Any]:
        """The overrides for readers: a folder by its name, because the path of a machine says nothing to them."""
        return {
            name: last_part(value) if isinstance(value, str) and Path(value).is_absolute() else value
            for name, value in self.overrides.items()
            if value != ""
        }

    def remember_profile(self) -> None:
        """Write down, beside the products, that this run's profile made them; `start` follows it."""
        remember_profile(self.data, self.profile.name, {n: v for n, v in self.overrides.items() if v != ""})


def start(
    stage: str,
    profile: str = "auto",
    root: str | Path | None = None,
    seed: int = 7,
    out: str | Path | None = None,
    keep: str | Path = "",
    overrides: Mapping[str, Any] | None = None,
    *,
    follow_products: bool = False,
) -> Run:
    """Export secrets, seed everything, choose profile and device, and print them.

    Args:
        stage: name of the stage, as in the metrics file.
        root: dataset root; the repository's `dataset/` when empty.
        out: folder for metrics and figures; `keep`/outputs when empty, without `keep` the repository's `outputs/`
            (smoke: `outputs/smoke/`).
        keep: folder that holds everything the stages make, for instance on a mounted Drive, so that the end of a
            runtime costs nothing; when empty, products lie in the dataset root.
        overrides: numbers and model ids that replace those of the profile, by their names in `config.Profile`.
        follow_products: `auto` is the profile that made the classifier and adapter, where there are some. For stages
            that use products and make none; these may also run without the GPU that the profile needs.

    Raises:
        ValueError: unknown profile or number, the root is no dataset root, `keep` cannot be written to, or the profile
            needs a GPU and there is none.
    """
    for line in export_secrets():
        print(line)
    chosen, changes, reason, found = _choose(profile, (root, out, keep), overrides or {}, follow_products)
    if not (follow_products and found):
        require_gpu(chosen)
    data, out = places(chosen.name, root, out, keep)
    if not data.train.is_dir() and not data.test.is_dir():
        raise ValueError(
            f"{data.root} is no dataset root: it has neither data/train nor test with the folders 0_real and 1_fake"
        )
    seed_everything(seed)
    run = Run(stage, chosen, data, out, seed, best_device(), overrides=changes)
    installed = versions()
    libraries = " · ".join(f"{name} {installed[name]}" for name in ("torch", "timm", "transformers"))
    print(f"aireal {installed['aireal']} · {reason}")
    print(f"device {describe(run.device)} · seed {seed} · {libraries}")
    if idle := idle_gpus(run.device):
        print(idle)
    if found and not follow_products and found[0] != chosen.name:
        print(
            f"{data.products.name}/ holds products of profile `{found[0]}`, and this run replaces those that it makes. "
            "To have both, give it a folder of its own with keep"
        )
    if not keep and notebook_service() == "Colab":
        print(HOW_TO_KEEP)
    return run


def _choose(
    name: str, folders: tuple[str | Path | None, ...], overrides: Mapping[str, Any], follow: bool
) -> tuple[Profile, dict[str, Any], str, tuple[str, dict[str, Any]] | None]:
    """The profile, its changes, the reason for it, and the profile that made the products that lie there."""
    found = profile_of_products(places(name, *folders)[0])
    if not (follow and found and name == "auto"):
        chosen, reason = resolve_profile(name, overrides)
        return chosen, dict(overrides), reason, found
    changes = {**found[1], **{name: value for name, value in overrides.items() if value != ""}}
    chosen, reason = resolve_profile(found[0], changes)
    return chosen, changes, reason.replace("as asked", "which made the classifier here"), found


def places(
    profile: str, root: str | Path | None = None, out: str | Path | None = None, keep: str | Path | None = ""
) -> tuple[DatasetRoot, Path]:
    """The dataset root with the folder of its products, and the folder for metrics and figures.

    Args:
        profile: its name; products of `smoke` lie in `out`, those of the others in the root, unless there is `keep`.
        root, out, keep: as for `start`.

    Raises:
        ValueError: `keep` cannot be written to, or lies on a Drive that is not mounted.
    """
    smoke, root = profile == "smoke", Path(root or REPOSITORY / "dataset")
    if keep:
        folder = _kept(Path(keep).expanduser())
        return DatasetRoot.at(root, folder / "products"), Path(out or folder / "outputs")
    out = Path(out or REPOSITORY / "outputs" / ("smoke" if smoke else ""))
    return DatasetRoot.at(root, out / "products" if smoke else None), out


def _kept(folder: Path) -> Path:
    """The folder of `keep`, which is created."""
    drive = Path("/content/drive")
    if folder.is_relative_to(drive) and not (drive.is_dir() and any(drive.iterdir())):
        raise ValueError(f"keep = {folder} lies on a Drive that is not mounted. {MOUNT}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError
    except OSError:
        raise ValueError(f"keep = {folder} cannot be written to: name a folder on a disk of yours") from None
    return folder


MOUNT = "Mount it in a cell before: from google.colab import drive; drive.mount('/content/drive')"
HOW_TO_KEEP = (
    f"What this runtime makes is lost when it ends. To keep it on a Drive: {MOUNT[0].lower()}{MOUNT[1:]} "
    "- then set keep = '/content/drive/MyDrive/aireal'"
)
