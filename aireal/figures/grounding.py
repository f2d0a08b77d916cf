"""Figures of PaliGemma's sentences: whether they follow the heatmap."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import BLUE, GRAY, ORANGE, use_fonts

ROWS = {
    "region": ("names the peak's cell", "a shuffled heatmap's cell"),
    "moved": ("another heatmap: names its cell", "still names the old cell"),
    "mirror": ("mirrored: left and right change", "they do not change"),
    "swapped": ("wrong class in the prompt: copied", "the right class is said"),
    "plain": ("no overlay: names the cell all the same", "always the most frequent cell"),
}


def plot_grounding(report: dict[str, dict]) -> Figure:
    """What a record of `paligemma.looks.look_tests` found: a test a row with its control in gray, a language a marker; right, what hiding the
    claimed cell does to P(verdict)."""
    use_fonts()
    figure, (rates, causal) = plt.subplots(1, 2, figsize=(10.5, 3.9), width_ratios=[2.6, 1])
    for place, (test, (name, control)) in enumerate(ROWS.items()):
        _pair(rates, place, {language: found[test] for language, found in report.items() if found[test]}, 1)
        rates.text(-0.03, place - 0.16, name, ha="right", va="center", fontsize=9)
        rates.text(-0.03, place + 0.2, f"control: {control}", ha="right", va="center", fontsize=8, color=GRAY)
    rates.set(
        xlim=(-0.02, 1.02),
        ylim=(len(ROWS) - 0.5, -0.5),
        yticks=[],
        xlabel="share of sentences, 95% interval over sources",
    )
    rates.axvline(0.9, color="black", lw=0.8, ls=":")
    measured = {language: found["causal"] for language, found in report.items() if found["causal"]}
    _pair(causal, 0, measured, 100)
    causal.axvline(0, color=GRAY, lw=0.8, ls="--")
    causal.set(ylim=(0.5, -0.5), yticks=[], xlabel="fall of P(verdict), points")
    causal.set_title(
        f"claimed cell hidden (gray: random\nareas of its size), {next((f['n'] for f in measured.values()), 0)} overlays",
        fontsize=9,
    )
    keys = ((BLUE, "o", "Korean"), (ORANGE, "s", "English"), (GRAY, "o", "control"))
    handles = [
        plt.Line2D([], [], color=colour, marker=marker, ls="none", label=label) for colour, marker, label in keys
    ]
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


def _pair(axes: Axes, place: float, tests: dict[str, dict], times: float) -> None:
    for shift, colour, marker, language in ((-0.24, BLUE, "o", "ko"), (-0.08, ORANGE, "s", "en")):
        if language not in tests:
            continue
        for estimate, y, shade in (
            (tests[language]["value"], place + shift, colour),
            (tests[language]["control"], place + shift + 0.36, GRAY),
        ):
            value = times * estimate["value"]
            error = [[max(0, value - times * estimate["low"])], [max(0, times * estimate["high"] - value)]]
            axes.errorbar(value, y, xerr=error, fmt=marker, ms=5, capsize=3, lw=1, color=shade)
