"""Render the block of docs/speed.md from metrics/benchmark_lime.json; the benchmark does so itself.

python benchmarks/report_lime.py
"""

from __future__ import annotations

from pathlib import Path

from report import PAGE, circumstances, ratio, table

from aireal.config import REPOSITORY
from aireal.core.files import write_atomic
from aireal.core.statistics import interval, wilson
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import read_metrics

NAME, STOCK = "benchmark_lime", "lime package"


def render(page: Path = PAGE, metrics: Path = REPOSITORY / "metrics") -> None:
    write_atomic(page, update(page.read_text(encoding="utf-8"), block(metrics)).encode())


def block(metrics: Path) -> dict[str, str]:
    """Markdown by the block's name; if it was not measured, how to."""
    found = read_metrics(metrics).get(NAME)
    return {NAME: benchmark(found) if found else "Not measured yet: `python benchmarks/lime_benchmark.py`.\n"}


def benchmark(report: dict) -> str:
    return "\n".join([same_samples(report), stability(report), circumstances(report) + "\n"])


def same_samples(report: dict) -> str:
    found, goals = report["same_samples"], report["goals"]
    rows = [
        (
            name,
            f"{mean(taken):.2f}",
            ratio(found["speedup"].get(name)),
            said(found["weight_difference"].get(name)),
            said(found["probability_difference"].get(name)),
        )
        for name, taken in found["seconds"].items()
    ]
    head = (
        "",
        "seconds",
        "faster than the package by",
        "largest difference of a weight",
        "of a probability, from float32",
    )
    return (
        f"**The same {report['samples']:,} samples**\n\n"
        + table(head, *rows)
        + (
            f"\nMeans over {report['images']} pictures with {min(report['superpixels'])} to {max(report['superpixels'])} superpixels; ratios with the 95% "
            f"interval over pictures. The largest weight is {found['largest_weight']:.2g}. {reached(found['speedup']['ours'], goals['same_samples'])} "
            f"Ours takes {ratio(found['above_floor'])} times what the forward pass takes alone (goal: at most {goals['above_floor']}). The package's own "
            f"superpixels would take it another {found['default_superpixels_seconds']:.2f} s a picture. {eight(report['int8'])}\n"
        )
    )


def eight(found: dict) -> str:
    """What 8-bit integers are worth here."""
    if "why" in found:
        return f"8-bit integers were not tried: {found['why']}."
    if not found["used"]:
        return f"8-bit integers are {found['speedup']:.2f} times as fast as {found['floating']} here, which is not worth their error."
    return (
        f"8-bit integers compute {found['speedup']:.2f} times as fast as {found['floating']}, and were close enough for {found['pictures']} of "
        f"{found['of']} pictures; P(fake) differs by {found['mean_difference']:.4f} on average and at most {found['largest_difference']:.4f} where its "
        f"standard deviation is {found['spread']:.3f}."
    )


def stability(report: dict) -> str:
    found, goals = report["stability"], report["goals"]
    rows = [
        (
            name,
            way["jaccard"],
            way["signs"],
            f"{100 * way['same_top']:.0f}%",
            f"{100 * way['carried']:.1f}%",
            f"{mean(found['seconds'][name]):.2f}" if name in found["seconds"] else "",
            ratio(found["speedup"].get(name)),
        )
        for name, way in found["ways"].items()
    ]
    head = (
        "",
        "top-5 Jaccard",
        "sign agreement",
        "same top five as the reference",
        "of its weight",
        "seconds",
        "faster than the package by",
    )
    size, name = found["as_stable_samples"], f"ours, {found['as_stable_samples']} samples"
    verdict = (
        reached(found["speedup"][name], goals["as_stable"])
        if size
        else "No number of samples tried is as stable as the package."
    )
    return (
        "**The list made again**\n\n"
        + table(head, *rows)
        + (
            f"\n{report['stable_images']} pictures, {report['seeds']} seeds; the package's lists have {report['samples']:,} samples. The reference is one fit "
            f"to its {found['reference_samples']:,} samples of all seeds; goal: the same top five in {100 * goals['same_top']:.0f}%. Of its weight: how "
            f"much of what its top five weigh a list's top five weigh, by the reference; among near equals a wrong name costs next to nothing. {same_end(found)}"
            f"Fewest samples as stable as the package: {size or 'none'}. {verdict} Adaptive lists took {found['adaptive_samples']:.0f} samples on average, and "
            f"{100 * found['settled']:.0f}% settled. {adaptive(report)}Probabilities were computed once for all lists of a picture; seconds are of "
            f"{report['images']} pictures.\n"
        )
    )


def same_end(found: dict) -> str:
    """Whether both samplers end at the same list, and whether the package does with half of its samples each; older records did not ask."""
    of = len(found["ways"][STOCK]["jaccards"])
    told = [
        f"{words} {found[name]} of {of} pictures ({interval(wilson(found[name], of), 100, '%')})"
        for name, words in (
            ("same_end", "All of our samples together give the reference's top five for"),
            ("same_halves", "the package's own samples in two halves agree on five for"),
        )
        if name in found
    ]
    return "; ".join(told) + ". " if told else ""


def adaptive(report: dict) -> str:
    """How alike our own lists are, on more pictures than the package's; likewise."""
    if not (own := report["stability"].get("adaptive")):
        return ""
    return (
        f"On {report['own_images']} pictures their top-5 Jaccard is {own['jaccard']:.2f} (goal: 0.80; lowest of a picture {min(own['jaccards']):.2f}), "
        f"their sign agreement {own['signs']:.3f} (goal: 0.95). "
    )


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def said(difference: float | None) -> str:
    return "" if difference is None else f"{difference:.1g}"


def reached(found: dict, goal: float) -> str:
    return f"Goal: {goal}×; reached: {found['value']:.2f}×{'' if found['value'] >= goal else ', which is less'}."


if __name__ == "__main__":
    render()
