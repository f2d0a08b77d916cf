"""Metrics files: reading them, formatting their estimates, and a summary of a run."""

from __future__ import annotations

from pathlib import Path

from aireal.core.json_text import read_object
from aireal.core.statistics import interval

DAMAGED = "Run the command that wrote it again, or remove the file."
CLASSIFIERS = ("rexnet150", "vit", "clip", "resnet34_random", "resnet34")  # in the order of the tables


def read_metrics(folder: Path) -> dict[str, dict]:
    """The records of all JSON files of a metrics folder by their stem.

    Raises:
        ValueError: one is damaged.
    """
    return {path.stem: read_object(path, DAMAGED) for path in sorted(folder.glob("*.json"))}


def format_estimate(estimate: dict, percent: bool = False) -> str:
    """`0.912 [0.874, 0.943]` or `91.2% [87.4, 94.3]`: a value with its 95% interval."""
    return interval(estimate, 100, "%") if percent else interval(estimate)


def error_rate(accuracy: dict) -> dict:
    """The error rate, with its interval, of an accuracy with its interval; None where that is None."""
    if accuracy["value"] is None:
        return accuracy
    return {"value": 1 - accuracy["value"], "low": 1 - accuracy["high"], "high": 1 - accuracy["low"]}


def summary_rows(folder: Path) -> list[tuple[str, str]]:
    """(name, value) lines of the main metrics, for the end of `make demo`; stages without metrics are omitted."""
    metrics = read_metrics(folder)
    rows = []
    for report in (metrics[name] for name in CLASSIFIERS if name in metrics):
        auroc, seconds = format_estimate(report["test"]["auroc"]), report["training_seconds"]
        rows.append(
            (
                f"{report['architecture']}, test AUROC",
                f"{auroc}, from {report['initial_weights']}, {seconds:.0f} s of training",
            )
        )
    if "predict" in metrics:
        rows.append(
            (
                "images predicted",
                f"{metrics['predict']['test']['n']}, and {metrics['predict']['failed']} could not be used",
            )
        )
    if "captions" in metrics:
        rows.append(
            ("sentences", ", ".join(f"{n} by {author}" for author, n in metrics["captions"]["authors"].items()))
        )
    for language in ("ko", "en") if "paligemma" in metrics else ():
        rates = metrics["paligemma"]["after"][language]
        rows.append(
            (
                f"PaliGemma's raw sentences, {language}",
                ", ".join(f"{kind} {format_estimate(rates[kind], True)}" for kind in ("class", "number", "region")),
            )
        )
    for image in metrics["demo"]["images"] if "demo" in metrics else ():
        place = image["region"] or "no heatmap"
        rows.append(
            (image["image"], f"{image['label']} {image['probability']:.2f}%, {place}; in truth {image['truth']}")
        )
    return rows
