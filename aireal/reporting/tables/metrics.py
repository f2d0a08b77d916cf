"""The metrics files of a run, and the lines that sum them up."""

from __future__ import annotations

import json
from pathlib import Path

from aireal.core.statistics import interval

CLASSIFIERS = ("rexnet150", "vit", "resnet34_random", "resnet34")


def read_metrics(folder: Path) -> dict[str, dict]:
    """All JSON files of a metrics folder by their stem."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def format_estimate(e: dict, percent: bool = False) -> str:
    """`0.912 [0.874, 0.943]`: a value with its 95% interval."""
    return interval(e, 100, "%") if percent else interval(e)


def error_rate(accuracy: dict) -> dict:
    """The share of wrong verdicts, with its interval, of an accuracy with its interval."""
    return {"value": 1 - accuracy["value"], "low": 1 - accuracy["high"], "high": 1 - accuracy["low"]}


def summary_rows(folder: Path) -> list[tuple[str, str]]:
    """(what, value) lines of everything measured, for the end of `make demo`; stages that have not run are left out."""
    found = read_metrics(folder)
    rows = []
    for report in (found[name] for name in CLASSIFIERS if name in found):
        auroc, seconds = format_estimate(report["test"]["auroc"]), report["training_seconds"]
        rows.append(
            (
                f"{report['architecture']}, test AUROC",
                f"{auroc}, from {report['initial_weights']}, {seconds:.0f} s of training",
            )
        )
    if "predict" in found:
        rows.append(
            ("images predicted", f"{found['predict']['test']['n']}, and {found['predict']['failed']} could not be used")
        )
    if "captions" in found:
        rows.append(("sentences", ", ".join(f"{n} by {author}" for author, n in found["captions"]["authors"].items())))
    for language in ("ko", "en") if "paligemma" in found else ():
        rates = found["paligemma"]["after"][language]
        rows.append(
            (
                f"PaliGemma's raw sentences, {language}",
                ", ".join(f"{kind} {format_estimate(rates[kind], True)}" for kind in ("class", "number", "region")),
            )
        )
    for image in found["demo"]["images"] if "demo" in found else ():
        rows.append(
            (
                image["image"],
                f"{image['label']} {image['probability']:.2f}%, {image['region']}; in truth {image['truth']}",
            )
        )
    return rows
