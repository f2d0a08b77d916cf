"""The model card of a fine-tuned adapter, with its figures."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import ModelCardData
from safetensors import safe_open

from aireal.core.files import write_atomic
from aireal.paligemma.base_record import read_adapter_config
from aireal.paligemma.loading import EMBEDDED
from aireal.reporting.tables.grounding import grounding_table
from aireal.reporting.tables.sentences import sentence_table

EMBEDDED_BASE = "the small PaliGemma in the aireal repository (`aireal/weights/paligemma_small`)"
LIMITS = """## Limits

- The sentence names the place of the classifier's heat, not what is artificial in the picture. Where the classifier is
  wrong, so is the sentence.
- The package shows a sentence only after parsing it and comparing it with the evidence record; without that check, some
  sentences name the wrong cell.
- Measured on overlays of one classifier, one kind of heatmap and one colour map; other overlays need a fine-tuning of
  their own.
"""


def adapter_card(base: str, rank: int, modules: int, report: dict) -> str:
    """The card in Markdown with the hub's YAML header.

    Args:
        base: the base's public name, "embedded" for the repository's own.
        modules: number of linear layers that carry LoRA.
        report: the record of metrics/paligemma.json.
    """
    gemma = base != EMBEDDED
    header = ModelCardData(
        language=["ko", "en"],
        license="gemma" if gemma else "mit",
        library_name="peft",
        base_model=base if gemma else None,
        pipeline_tag="image-text-to-text",
        tags=["lora", "paligemma", "grad-cam", "explainability"],
    )
    described = f"`{base}`" if gemma else EMBEDDED_BASE
    licence = "that of Gemma, for base and adapter alike" if gemma else "MIT"
    parts = (
        f"---\n{header.to_yaml()}\n---\n\n# LoRA adapter: a Grad-CAM overlay and a verdict in one sentence\n",
        f"Base: {described}. Rank {rank} on {modules} linear layers (language model and projector). The prompt holds\n"
        "the classifier's class and number and the measured cues; the overlay shows the model where the heat is. Load\n"
        "the adapter with `aireal.paligemma.model.load_adapter`.\n",
        _figures(report),
        LIMITS,
        f"Licence: {licence}.\n",
    )
    return "\n".join(parts)


def write_card(folder: Path, report: dict) -> Path:
    """Write README.md of a saved adapter; `report` is the record of metrics/paligemma.json."""
    config = read_adapter_config(folder)
    card = adapter_card(config["base_model_name_or_path"], config["r"], _lora_layers(folder), report)
    return write_atomic(folder / "README.md", card.encode())


def _lora_layers(folder: Path) -> int:
    """The number of layers of a saved adapter that carry LoRA."""
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        return sum(".lora_A." in name for name in file.keys())


def _figures(report: dict) -> str:
    """The README's tables of the sentences and of their grounding, and how the adapter was trained."""
    trained = f"{report['steps']:,} steps, seed {report['seed']}, {report['device']}."
    tables = (table({"paligemma": report}, "en").markdown() for table in (sentence_table, grounding_table))
    return "\n".join(["## Figures\n", *tables, trained, ""])
