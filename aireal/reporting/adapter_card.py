"""The model card of a fine-tuned adapter, with its figures."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import ModelCardData
from safetensors import safe_open

from aireal.core.files import write_atomic
from aireal.core.statistics import interval

EMBEDDED_BASE = "the small PaliGemma in the aireal repository (`aireal/weights/paligemma_small`)"
SPOKEN = {"ko": "Korean", "en": "English"}
TESTS = {
    "region": ("names the cell of the heatmap's peak", "a shuffled heatmap's"),
    "moved": ("under another heatmap, names that one's cell", "the old cell"),
    "mirror": ("mirrored, left and right change places", "they do not"),
    "plain": ("without overlay, names the cell", "the most frequent cell"),
    "swapped": ("copies a wrong class from the prompt", "says the right one"),
}


def adapter_card(base: str, rank: int, modules: int, report: dict | None = None) -> str:
    """Markdown with the hub's YAML header.

    Args:
        base: the base's public name, "embedded" for the repository's own.
        modules: linear layers that carry LoRA.
        report: the record of metrics/paligemma.json; None where nothing was measured.
    """
    gemma = base != "embedded"
    header = ModelCardData(
        language=["ko", "en"],
        license="gemma" if gemma else "mit",
        library_name="peft",
        base_model=base if gemma else None,
        pipeline_tag="image-text-to-text",
        tags=["lora", "paligemma", "grad-cam", "explainability"],
    )
    return "\n".join(
        [
            f"---\n{header.to_yaml()}\n---\n\n# LoRA adapter: a Grad-CAM overlay and a verdict in one sentence\n",
            f"Base: {f'`{base}`' if gemma else EMBEDDED_BASE}. Rank {rank} on {modules} linear layers (language model and projector). The prompt holds the\n"
            "classifier's class and number and the measured cues; where the heat is, the model sees in the overlay. Load it with\n"
            "`aireal.paligemma.model.load_adapter`.\n",
            figures(report),
            LIMITS,
            f"Licence: {'that of Gemma (base), adapter and base alike' if gemma else 'MIT'}.\n",
        ]
    )


def write_card(folder: Path, report: dict) -> Path:
    """Write the card of a saved adapter anew, with the figures of metrics/paligemma.json."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    card = adapter_card(config["base_model_name_or_path"], config["r"], lora_layers(folder), report)
    return write_atomic(folder / "README.md", card.encode())


def lora_layers(folder: Path) -> int:
    """How many layers of a saved adapter carry LoRA."""
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        return sum(".lora_A." in name for name in file.keys())


def figures(report: dict | None) -> str:
    """What was measured, as two Markdown tables."""
    if report is None:
        return "## Figures\n\nNot measured yet: notebook 06 does.\n"
    after = report["after"]["ko"]
    lines = [
        f"## Figures\n\n{after['n']} test overlays of {after['groups']} sources; raw sentences, 95% intervals over sources. "
        f"{report['steps']:,} steps, seed {report['seed']}, {report['device']}.\n",
        "| | class | number | region | shown as written | regenerated |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for when in ("before", "after"):
        for language, found in report[when].items():
            rates = (
                *(found[k] for k in ("class", "number", "region")),
                found["shown"]["as_written"],
                found["shown"]["regenerated"],
            )
            cells = [interval(rate, 100, "%") for rate in rates]
            lines.append(f"| {SPOKEN[language]}, {when} LoRA | {' | '.join(cells)} |")
    lines += ["", "| does it look? | Korean | English | control (Korean) |", "| --- | --- | --- | --- |"]
    for test, (said, control) in TESTS.items():
        found = {language: tests[test] for language, tests in report["looks"].items()}
        if all(found.values()):
            lines.append(
                f"| {said} | {interval(found['ko']['value'], 100, '%')} | {interval(found['en']['value'], 100, '%')} | "
                f"{interval(found['ko']['control'], 100, '%')}: {control} |"
            )
    return "\n".join([*lines, ""])


LIMITS = """## Limits

- The sentence says where the classifier's heat is, not what is artificial in the picture, and it is as wrong as the classifier where that is wrong.
- Sentences are shown only after they were parsed and compared with the evidence record; used without that check, some name the wrong cell.
- Measured on overlays of one classifier, one kind of heatmap and one colour map; other overlays need a fine-tuning of their own.
"""
