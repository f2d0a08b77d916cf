"""From a trained student to the backbone that the package starts from: its weights in few bits, with what they are."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open

from aireal.classifier.backbone_file import Precision, save_backbone
from aireal.classifier.model import build_classifier, load_backbone, sha256_of
from aireal.config import WEIGHTS
from scripts.pretraining.students import IMAGE_SIZE


def pack(architecture: str, weights: Path, teacher: Path, precision: Precision, to: Path | None = None) -> Path:
    """Write TO/ARCHITECTURE_backbone.safetensors from a student.safetensors, check that it loads, and return its path.

    Args:
        teacher: the teacher's file, whose SHA-256 the header states.
        to: a folder; by default that of the package's weights.
    """
    with safe_open(weights, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}
        about = file.metadata() or {}
    settings = json.loads(about.get("settings", "{}"))
    metadata = {
        "architecture": architecture,
        "seed": settings.get("seed", "unknown"),
        "recipe": json.dumps({"made_by": "scripts/pretraining", "step": about.get("step"), **without_paths(settings)}),
        "teacher": sha256_of(teacher),
    }
    path = save_backbone(state, (to or WEIGHTS) / f"{architecture}_backbone.safetensors", precision, metadata)
    load_backbone(build_classifier(architecture, IMAGE_SIZE), path)
    return path


def without_paths(settings: dict) -> dict:
    """Settings whose values name files by their names alone: no path of the machine goes into a committed file."""
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in settings.items()
    }
