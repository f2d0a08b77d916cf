"""The report's sections made of metrics: tiles of the summary, tables, and the list of missing measurements with their
commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aireal.captions.language.grammar import LANGUAGES
from aireal.core.statistics import interval
from aireal.reporting.tables.audit import audit_table
from aireal.reporting.tables.classifiers import classifier_tables
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.metrics import CLASSIFIERS, error_rate
from aireal.reporting.tables.sentences import sentence_table
from aireal.reporting.tables.table import Table

from .charts import forest, whisker

NEEDED = {  # section: the metrics it needs, and the command that measures them
    "classifiers": (("resnet34",), "python -m aireal demo --only 01 02 03"),
    "audit": (("audit",), "python -m aireal demo --only 03"),
    "explanations": (("heatmap", "explanations"), "python -m aireal demo --only 04"),
    "sentences": (("paligemma",), "python -m aireal demo --only 05 06"),
}
FIGURE = re.compile(r"([−+-]?[\d.,]+%?) (\[[^\]]+\])")  # as `statistics.interval` writes it


@dataclass(frozen=True)
class Tile:
    """One figure of the summary: its key in `report_words.PAGE`, value, interval, SVG, and the number of images
    behind it."""

    key: str
    value: str
    interval: str
    drawn: Markup
    n: int


def missing(metrics: dict) -> list[tuple[str, str]]:
    """(section, command) of each section whose metrics are missing."""
    return [(name, command) for name, (needs, command) in NEEDED.items() if not set(needs) <= set(metrics)]


def tiles(metrics: dict) -> list[Tile]:
    """The main figures that were measured; those that a test of one class does not have are left out."""
    out = []
    if report := metrics.get("resnet34"):
        test, band, (real, fake) = report["test"], report["selective"], map(sum, report["confusion"])
        figures = (
            ("auroc", test["auroc"], test["n"], 1),
            ("false_alarm", error_rate(test["accuracy_real"]), real, 100),
            ("missed", error_rate(test["accuracy_fake"]), fake, 100),
            ("certain", band["error_certain"], band["n_certain"], 100),
        )
        if found := metrics.get("external"):
            elsewhere = found["metrics"]
            key = "auroc_elsewhere_chosen" if found.get("used_for_choosing") else "auroc_elsewhere"
            figures = (
                figures[0],
                (key, elsewhere["auroc"], elsewhere["n"], 1),
                *figures[1:],
                ("certain_elsewhere", found["error_certain"], found["n_certain"], 100),
            )
        out += [_tile(key, e, n, 0.5, times) for key, e, n, times in figures if e["value"] is not None]
    measured = metrics.get("explanations_all", metrics.get("explanations"))
    if measured and (region := measured["all"]["region"]):
        out.append(_tile("region", region["beats"], region["n"], region["beats_by_chance"]))
    if report := metrics.get("paligemma"):
        for language in LANGUAGES:
            rates = report["after"][language]
            out.append(_tile(f"sentence_{language}", rates["region"], rates["n"], rates["commonest_region"]["value"]))
    return out


def _tile(key: str, estimate: dict, n: int, chance: float, times: int = 100) -> Tile:
    value, bounds = interval(estimate, times, "%" if times == 100 else "").split(" ", 1)
    return Tile(key, value, bounds, whisker(estimate, chance), n)


def tables(metrics: dict) -> dict[str, dict[str, list[Table]]]:
    """The tables of each section that can be shown, by section and language."""
    make = {
        "classifiers": classifier_tables,
        "audit": lambda *of: [audit_table(*of)],
        "explanations": lambda *of: [explanation_table(*of)],
        "sentences": lambda *of: [sentence_table(*of)],
    }
    absent = {name for name, _ in missing(metrics)}
    return {
        name: {language: build(metrics, language) for language in LANGUAGES}
        for name, build in make.items()
        if name not in absent
    }


def auroc_forest(metrics: dict, label: str) -> Markup:
    """Test AUROC of the classifiers below one another; nothing where the test has one class."""
    rows = [
        (f"{r['architecture']}, from {r['initial_weights']}", r["test"]["auroc"])
        for r in (metrics[name] for name in CLASSIFIERS if name in metrics)
        if r["test"]["auroc"]["value"] is not None
    ]
    if not rows:
        return Markup("")
    return forest(rows, 0.5, label + " " + "; ".join(f"{name} {interval(e)}" for name, e in rows))


def circumstances(metrics: dict) -> list[Sequence[str]]:
    """Stage, profile, device, seed, seconds and memory of each metrics file that states them."""
    return [
        (
            name,
            r["profile"],
            r["device"],
            str(r["seed"]),
            f"{r['wall_seconds']:.0f} s",
            f"{r['peak_memory_gib']:.2f} GiB",
        )
        for name, r in metrics.items()
        if {"profile", "device", "wall_seconds", "peak_memory_gib"} <= set(r)
    ]


def versions(metrics: dict) -> str:
    """The library versions that the metrics state; where stages differ, each version."""
    stated: dict[str, set[str]] = {}
    for record in metrics.values():
        for name, version in record.get("versions", {}).items():
            stated.setdefault(name, set()).add(version)
    return ", ".join(f"{name} {'/'.join(sorted(numbers))}" for name, numbers in stated.items())


def figure_marked(cell: str) -> Markup:
    """A table's cell with its interval set back: `0.770 [0.668, 0.871]`."""
    if match := FIGURE.fullmatch(cell):
        return Markup('<b>{}</b> <span class="bounds">{}</span>').format(*match.groups())
    return Markup("{}").format(cell)
