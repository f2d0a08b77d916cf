"""Metrics files: reading them, formatting their estimates, and a summary of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aireal.core.json_text import read_object
from aireal.core.statistics import interval

if TYPE_CHECKING:
    from aireal.classifier.model import ClassifierConfig

DAMAGED = "Run the command that wrote it again, or remove the file."
CLASSIFIERS = ("rexnet150", "vit", "clip", "resnet34_random", "resnet34")  # in the order of the tables


def read_metrics(folder: Path) -> dict[str, dict]:
    """The records of all JSON files of a metrics folder by their stem, without those that name another classifier than
    resnet34.json, since they are of an earlier one.

    Raises:
        ValueError: one is damaged.
    """
    found = {path.stem: read_object(path, DAMAGED) for path in sorted(folder.glob("*.json"))}
    own = found.get("resnet34", {}).get("fingerprint")
    return {name: record for name, record in found.items() if not own or _classifier_of(record) in (own, None)}


def _classifier_of(record: dict) -> str | None:
    """The fingerprint of the classifier that a record says it is of; None where it says nothing."""
    classifier = record.get("classifier")
    return classifier.get("fingerprint") if isinstance(classifier, dict) else None


def is_of(report: dict, config: ClassifierConfig) -> bool:
    """Whether the metrics of a classifier are those of this one."""
    return all(report.get(name) == getattr(config, name) for name in ("architecture", "temperature", "bias"))


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
