"""The base model that an adapter or a checkpoint belongs to, written beside it and compared when it is used again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from transformers import PaliGemmaForConditionalGeneration

from aireal.core.file_names import last_part
from aireal.core.json_text import read_object

from .number_format import Format, is_language_linear

BASE = "base.json"  # beside an adapter
BASE_FIELDS = {"base": str, "format": str, "sha256": str}
RETRAIN = "Run notebook 06_finetune_paligemma again, or copy the adapter's folder anew from where it was made."


def public_name(name_or_path: str | Path) -> str:
    """The name to publish: a hub id or "embedded" unchanged, a folder by its last part (`last_part`)."""
    return last_part(Path(name_or_path).resolve()) if Path(name_or_path).exists() else str(name_or_path)


def has_name(recorded: str, name_or_path: str | Path) -> bool:
    """Whether a recorded base may be this one by its name.

    A folder has only the last part of a hub id. An empty name is none, nor is the number of a version.
    """
    name = last_part(recorded)
    return not name or name.isdigit() or name == last_part(name_or_path)


def base_digest(model: PaliGemmaForConditionalGeneration, unquantised: bool = False) -> str:
    """SHA-256 over the first weights of every frozen tensor: it tells bases apart that were trained under one name.

    Args:
        unquantised: leave out the tensors that 4-bit weights quantise.
    """
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        plain = name.replace(".base_layer", "")
        if ".lora_" in name or unquantised and is_language_linear(plain.removesuffix(".weight")):
            continue
        digest.update(plain.encode() + parameter.detach().flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()


def base_record(model: PaliGemmaForConditionalGeneration) -> dict:
    """Name, number format and digests of a base model, for JSON."""
    weight_format = _format(model)
    return {
        "base": public_name(model.name_or_path),
        "format": str(weight_format.dtype),
        "four_bit": weight_format.four_bit,
        "float32": list(weight_format.float32),
        "sha256": base_digest(model),
        "sha256_unquantised": base_digest(model, unquantised=True),
    }


def is_same_base(record: dict, model: PaliGemmaForConditionalGeneration) -> bool:
    """Whether a model's weights are those of a record. Weights in different number formats count as equal.

    Rounded to another format the first weights differ, so only the names can be compared then; with 4-bit weights on
    one side, the tensors that both have in the same format are compared.
    """
    weight_format = _format(model)
    if not has_name(record.get("base", ""), model.name_or_path):
        return False
    if record.get("format") != str(weight_format.dtype):
        return True
    if record.get("four_bit", False) or weight_format.four_bit:
        digest = base_digest(model, unquantised=True)
        return record.get("sha256_unquantised", digest) == digest
    return record["sha256"] == base_digest(model)


def read_base_record(folder: Path) -> dict:
    """What `base_record` said of the base of an adapter; empty for adapters of versions that stored none.

    Raises:
        ValueError: the file is damaged.
    """
    return read_object(folder / BASE, RETRAIN, BASE_FIELDS) if (folder / BASE).is_file() else {}


def read_adapter_config(folder: Path) -> dict:
    """peft's configuration of an adapter; "base_model_name_or_path" is in it.

    Raises:
        ValueError: the file is damaged.
        OSError: there is none.
    """
    return read_object(folder / "adapter_config.json", RETRAIN, {"base_model_name_or_path": str})


def _format(model: torch.nn.Module) -> Format:
    return getattr(model, "weight_format", None) or Format(model.dtype)
