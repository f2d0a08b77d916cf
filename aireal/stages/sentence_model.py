"""Which PaliGemma writes the sentences of a run: decided by what is on the disk, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aireal.core.run import Run
from aireal.paligemma.base_record import has_name, public_name, read_adapter_config
from aireal.paligemma.model import EMBEDDED


@dataclass(frozen=True)
class SentenceModel:
    """PaliGemma and its adapter.

    Attributes:
        name: "embedded", a hub id or a folder.
        adapter: folder of the adapter; a folder that does not exist for the embedded model alone.
        note: a sentence for the user where this is another model than the profile's; else empty.
    """

    name: str
    adapter: Path
    note: str = ""


def choose_sentence_model(run: Run, paligemma: str = "") -> SentenceModel:
    """The model to use: that of the profile if notebook 06 has made its adapter, else the embedded one.

    The embedded model knows the task without an adapter. A larger one does not.

    Args:
        paligemma: embedded, a hub id or a folder; "" for that of the profile.

    Raises:
        ValueError: `paligemma` names a model that has no adapter here. Nothing was loaded.
    """
    name, adapter = paligemma or run.profile.paligemma, run.data.adapter
    base = adapter_base(adapter)
    if base and has_name(base, name):
        return SentenceModel(name, adapter)
    missing = f"there is no adapter of {public_name(name)} here"
    if base:
        missing += f", only one of {base}"
    if name != EMBEDDED and paligemma:
        raise ValueError(
            f"{missing}: make it by notebook 06_finetune_paligemma, or use --paligemma embedded or --no-caption"
        )
    note = "" if name == EMBEDDED else f"{missing}, notebook 06 makes it. The small embedded PaliGemma writes instead."
    without = adapter.with_name("no_adapter")
    return SentenceModel(EMBEDDED, adapter if base == EMBEDDED else without, note[:1].upper() + note[1:])


def adapter_base(folder: Path) -> str:
    """The name of the model that an adapter was trained on; empty where there is no adapter.

    Raises:
        ValueError: the adapter's configuration is damaged.
    """
    config = folder / "adapter_config.json"
    if not config.is_file() or not (folder / "adapter_model.safetensors").is_file():
        return ""
    return read_adapter_config(folder)["base_model_name_or_path"]
