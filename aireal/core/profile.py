"""The profile of a run: chosen by name or machine, changed number by number, and remembered beside what it made."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch

from aireal.config import PROFILES, DatasetRoot, Profile

from .device import best_device, has_cuda, unusable_gpu
from .errors import quoted
from .files import write_json
from .json_text import parse_json, read_object

FROM_REPOSITORY = ("backbone (this repository)", "random")  # initial weights of classifiers of `sample` and `smoke`
EMBEDDED = "embedded"  # the PaliGemma of this repository
AT_LEAST_ONE = {"crop", "image_size", "epochs", "batch_size", "captions_per_image"} | {
    f"lora_{name}" for name in ("rank", "steps", "batch", "selection", "patience")
}
WHERE_GPUS_ARE = "Colab: Runtime → Change runtime type → T4 GPU. Kaggle: Settings → Accelerator → GPU T4 x2"


def resolve_profile(name: str = "auto", overrides: Mapping[str, Any] | None = None) -> tuple[Profile, str]:
    """The profile of that name with changed numbers, and a phrase that names it and the reason for it.

    `auto` is `full` where there is a CUDA GPU that torch can use, and `sample` elsewhere.

    Args:
        overrides: as for `with_overrides`.

    Raises:
        ValueError: the name is not one of auto, smoke, sample, full, or what `with_overrides` raises.
    """
    if name in PROFILES:
        profile, reason = PROFILES[name], "as asked"
    elif name != "auto":
        raise ValueError(f"profile {quoted(name)} is not known: choose auto, {', '.join(PROFILES)}")
    elif has_cuda():
        profile, reason = PROFILES["full"], f"because this machine has a GPU ({torch.cuda.get_device_name(0)})"
    else:
        profile = PROFILES["sample"]
        reason = f"because {unusable_gpu() or 'no GPU was found'}"
    changed = with_overrides(profile, overrides or {})
    return changed, f"profile `{profile.name}`, {reason}{_changes(profile, changed)}"


def _changes(profile: Profile, changed: Profile) -> str:
    names = [name for name in get_type_hints(Profile) if getattr(profile, name) != getattr(changed, name)]
    return f", with {', '.join(f'{name} = {getattr(changed, name)!r}' for name in names)}" if names else ""


def with_overrides(profile: Profile, overrides: Mapping[str, Any]) -> Profile:
    """The profile with other numbers and model ids.

    Args:
        overrides: values by the names of `Profile`'s fields, all but `name`. An empty text keeps the profile's value.

    Raises:
        ValueError: there is no such field, or the value is of another type, negative, not finite, or zero where there
            must be at least one.
    """
    types = {name: hint for name, hint in get_type_hints(Profile).items() if name != "name"}
    values = {name: value for name, value in overrides.items() if value != ""}
    for name, value in values.items():
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(types)}"
            raise ValueError(f"a profile has no number {quoted(name)}: {hint}")
        values[name] = _checked(name, value, get_args(types[name]) or (types[name],))
    return replace(profile, **values)


def _checked(name: str, value: Any, allowed: tuple[type, ...]) -> Any:
    """The value, an integer as a float where the field holds one.

    Raises:
        ValueError: as `with_overrides`.
    """
    if type(value) is int and float in allowed:
        value = float(value)
    if type(value) not in allowed:
        expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in allowed)
        raise ValueError(f"{name} = {quoted(value)} is of type {type(value).__name__}: give {expected}")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise ValueError(f"{name} = {quoted(value)} makes no sense: give a number from 0 up")
    if name in AT_LEAST_ONE and value == 0:
        raise ValueError(f"{name} = 0 makes no sense: give at least 1")
    return value


def parse_overrides(texts: list[str]) -> dict[str, Any]:
    """Overrides from texts such as "lora_steps=500" or "paligemma=google/paligemma2-3b-pt-224".

    Raises:
        ValueError: a text has no "=".
    """
    overrides = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ValueError(f"{quoted(text)} changes nothing: write NAME=VALUE, for instance lora_steps=500")
        try:
            overrides[name] = parse_json({"True": "true", "False": "false", "None": "null"}.get(value, value))
        except ValueError:  # no number: a model id or a folder
            overrides[name] = value
    return overrides


def require_gpu(profile: Profile) -> None:
    """Refuse a profile that needs a GPU where none can be used.

    Raises:
        ValueError: the message says where to get one, and which profile needs none.
    """
    if profile.needs_gpu and best_device().type == "cpu":
        raise ValueError(
            f"profile {profile.name} needs a GPU, and {unusable_gpu() or 'this machine has none'}. {WHERE_GPUS_ARE}. "
            "Profile 'sample' needs neither GPU nor account. (A rehearsal on a CPU: overrides = {'needs_gpu': False})"
        )


def remember_profile(data: DatasetRoot, name: str, overrides: Mapping[str, Any]) -> None:
    """Write down, beside the products, which profile made them."""
    write_json(_record(data), {"profile": name, "overrides": dict(overrides)})


def profile_of_products(data: DatasetRoot) -> tuple[str, dict[str, Any]] | None:
    """Name and overrides of the profile that made classifier and adapter; None where there is no classifier.

    The adapter's base replaces the PaliGemma of the profile: commands that write sentences need the model that it was
    trained on. Products of a version that wrote no record are told by the classifier's initial weights and size.
    """
    config = _read(data.model / "config.json")
    if not config or not (data.model / "model.safetensors").is_file():
        return None
    record = _read(_record(data))
    name, overrides = record.get("profile"), record.get("overrides")
    if not isinstance(name, str) or name not in PROFILES:
        name = _profile_of_classifier(config)
    if not isinstance(overrides, dict):
        overrides = {}
    base = _read(data.adapter / "base.json").get("base")
    base = base if isinstance(base, str) else ""
    paligemma = overrides.get("paligemma") or PROFILES[name].paligemma
    if base != paligemma and (base == EMBEDDED or "/" in base):
        overrides = {**overrides, "paligemma": base}
    return name, overrides


def _profile_of_classifier(config: dict) -> str:
    if config.get("initial_weights") not in FROM_REPOSITORY:
        return "full"
    return "smoke" if config.get("image_size") == PROFILES["smoke"].image_size else "sample"


def _record(data: DatasetRoot) -> Path:
    return data.model / "profile.json"


def _read(path: Path) -> dict:
    """A JSON file's object; empty where there is none."""
    try:
        return read_object(path, "")
    except (OSError, ValueError):
        return {}
