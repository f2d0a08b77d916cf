"""Figures of what could mislead a classifier: altered pictures, and shortcuts in the dataset."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from aireal.dataset.audit.findings import FAMILY_NAMES

from .style import GRAY, use_fonts

TOTALS = ("photographs", "all AI images")  # rows above those of the families
FEW = 10  # images; a row with fewer is gray


def plot_robustness(report: dict) -> Figure:
    """Accuracy of photographs, AI images and each generator family (rows) under each condition (columns); above it
    AUROC and flipped verdicts.

    Args:
        report: a record of `classifier.robustness.robustness`.
    """
    use_fonts()
    names, rows = list(report["conditions"]), report["rows"]
    figure, (head, heat) = plt.subplots(
        2, 1, figsize=(9.0, 1.5 + 0.27 * (len(rows) + 2)), height_ratios=[2, len(rows)], sharex=True
    )
    conditions = report["conditions"].values()
    flipped = [f"{c['flipped']['count']} ({c['flipped']['value']:.0%})" for c in conditions]
    aurocs = ["–" if c["auroc"]["value"] is None else f"{c['auroc']['value']:.2f}" for c in conditions]
    top = (("AUROC", aurocs), ("verdicts flipped", flipped))
    for y, (_, texts) in enumerate(top):
        for x, text in enumerate(texts):
            head.text(x, y, text, ha="center", va="center", fontsize=8)
    head.set(yticks=[0, 1], ylim=(1.5, -0.5), xlim=(-0.5, len(names) - 0.5))
    head.set_yticklabels([title for title, _ in top])
    values = np.array([[row["accuracy"][name]["value"] for name in names] for row in rows])
    heat.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (y, x), value in np.ndenumerate(values):
        heat.text(
            x, y, f"{value:.0%}", ha="center", va="center", fontsize=8, color="black" if value > 0.55 else "white"
        )
    classes = sum(row["name"] in TOTALS for row in rows)  # one where the test has one class
    heat.axhline(classes - 0.5, color="white", lw=2)
    heat.set_xticks(range(len(names)), names)
    heat.set_yticks(range(len(rows)), [f"{row['name']}{'*' * row['unseen']}  n={row['n']}" for row in rows])
    for label, row in zip(heat.get_yticklabels(), rows):
        label.set(color=GRAY if row["n"] < FEW else "black", style="italic" if row["n"] < FEW else "normal")
    for axes in (head, heat):
        axes.tick_params(length=0, labelsize=8, labelbottom=False, labeltop=axes is head)
        axes.spines[:].set_visible(False)
    heat.set_xlabel(
        "accuracy, threshold frozen. * family in no training or validation picture; "
        f"gray italics: fewer than {FEW} images",
        fontsize=8,
    )
    figure.tight_layout(h_pad=0.2)
    return figure


def plot_audit(report: dict) -> Figure:
    """AUROC of each family of cheap features for the class, with its 95% interval; black and filled where a shortcut is
    suspected.

    Args:
        report: a record of `dataset.audit.audit`.
    """
    use_fonts()
    rows = {**report["families"], "together": report["together"]}
    figure, axes = plt.subplots(figsize=(8.4, 0.8 + 0.36 * len(rows)))
    for place, family in enumerate(rows.values()):
        estimate, colour = family["auroc"], "black" if family["suspected"] else GRAY
        error = [[max(0, estimate["value"] - estimate["low"])], [max(0, estimate["high"] - estimate["value"])]]
        axes.errorbar(
            estimate["value"],
            place,
            xerr=error,
            fmt="o",
            ms=7,
            capsize=4,
            color=colour,
            mfc=colour if family["suspected"] else "white",
        )
        same = ", the same in all" if family.get("varying") == 0 else ""
        axes.text(
            1.03,
            place,
            f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]{same}",
            va="center",
            fontsize=9,
            color=colour,
        )
    axes.axvline(0.5, color=GRAY, lw=0.8, ls="--")
    axes.axvline(report["threshold"], color="black", lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [FAMILY_NAMES[name] for name in rows])
    lowest = min(family["auroc"]["low"] for family in rows.values())
    axes.set(xlim=(min(0.35, lowest - 0.03), 1.01), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel(
        "AUROC of cheap features alone, 95% interval\n"
        f"dashed: chance; suspected if the interval lies right of {report['threshold']} (dotted)",
        fontsize=9,
    )
    figure.tight_layout()
    return figure
