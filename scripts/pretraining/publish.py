"""The table of docs/backbone.md: what frozen features of students and of their teacher are worth, kept in
metrics/pretraining.json. No test picture is looked at."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from aireal.config import REPOSITORY
from aireal.core.device import device_name
from aireal.core.files import write_json
from aireal.core.run import versions
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import format_estimate

COLUMNS = {  # heading: split and score
    "validation, probe": ("val", "probe"),
    "`external`, probe": ("external", "probe"),
    "`external`, told from round trips": ("external", "pair"),
}


def publish(label: str, record: dict, seed: int, pictures: dict, repository: Path = REPOSITORY) -> None:
    """Add a record of `evaluate` to metrics/pretraining.json as row `label`, and render the page's table.

    Args:
        pictures: of each split, files, labels and groups, as `known_pictures` returns them.
    """
    path, page = repository / "metrics" / "pretraining.json", repository / "docs" / "backbone.md"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}
    rows[label] = {name: record[name] for name in ("student", "step", "ways")}
    sizes = {
        split: {"n": len(files), "groups": len(set(groups))}
        for split, (files, _, groups) in pictures.items()
        if split != "train"
    }
    device = device_name(torch.device("cpu"))
    text = update(page.read_text(encoding="utf-8"), {"pretraining": table(rows, sizes)})
    write_json(path, {"seed": seed, "versions": versions(), "device": device, "splits": sizes, "rows": rows})
    page.write_text(text, encoding="utf-8")


def table(rows: dict[str, dict], sizes: dict[str, dict]) -> str:
    """The rows as Markdown: one line for each network and way of looking at a picture."""
    lines = ["| | picture | " + " | ".join(COLUMNS) + " |", "| --- " * (2 + len(COLUMNS)) + "|"]
    for label, row in rows.items():
        for way, scores in row["ways"].items():
            cells = [
                format_estimate(scores[split][score]) if score in scores[split] else "–"
                for split, score in COLUMNS.values()
            ]
            lines.append(f"| {label} | {way} | " + " | ".join(cells) + " |")
    counts = " and ".join(f"{size['n']} pictures of {split}" for split, size in sizes.items())
    return "\n".join(
        [*lines, "", f"AUROC on {counts}; 95% intervals over sources ({sizes['val']['groups']}), one seed.", ""]
    )
