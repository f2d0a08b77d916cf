"""Figures of a fine-tuning of PaliGemma: its losses, and how often its sentences are right."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .style import BLUE, GRAY, ORANGE, use_fonts


def plot_loss(loss: list[list[float]], val_loss: list[list[float]], best_step: int) -> Figure:
    """Loss by step in training and on validation, as [step, loss] points; a line marks the step of the kept weights.

    Args:
        best_step: that step; 0 where none was selected.
    """
    use_fonts()
    figure, axes = plt.subplots(figsize=(6.5, 2.6))
    curves = ((loss, GRAY, "", "training, each time another batch"), (val_loss, BLUE, "o", "validation"))
    for points, colour, marker, label in curves:
        if points:
            axes.plot(*zip(*points), color=colour, marker=marker, ms=4, label=label)
    if best_step:
        axes.axvline(best_step, color=ORANGE, lw=1, ls="--", label=f"kept: step {best_step}")
    axes.set(xlabel="step", ylabel="loss")
    axes.legend(fontsize=8)
    figure.tight_layout()
    return figure


def plot_rates(
    groups: dict[str, dict[str, dict]], names: tuple[str, ...], title: str, baselines: dict[str, float] | None = None
) -> Figure:
    """Bars of rates with their intervals, the series side by side.

    Args:
        groups: {series: {name: {"value", "low", "high"}}}.
        names: the rates to draw.
        baselines: a rate that needs no model, by name: a dashed line across the bars of that name.
    """
    use_fonts()
    figure, axes = plt.subplots(figsize=(6.5, 2.8))
    width = 0.8 / len(groups)
    for k, ((series, rates), colour) in enumerate(zip(groups.items(), (GRAY, BLUE, ORANGE))):
        values = np.array([rates[n]["value"] for n in names])
        spread = np.abs(np.array([[rates[n]["low"], rates[n]["high"]] for n in names]).T - values)
        places = np.arange(len(names)) + (k - (len(groups) - 1) / 2) * width
        axes.bar(places, values, width * 0.9, color=colour, yerr=spread, capsize=3, label=series, error_kw={"lw": 1})
    for name, value in (baselines or {}).items():
        place = names.index(name)
        axes.plot(
            [place - 0.45, place + 0.45],
            [value] * 2,
            color="black",
            lw=1,
            ls="--",
            label="always the most frequent one",
        )
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(ylim=(0, 1.05), title=title, ylabel="share, 95% interval")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.tight_layout()
    return figure
