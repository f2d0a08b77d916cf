"""The figure of the tests with a known answer: the grid pointing game, and half-and-half."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aireal.explain.faithfulness.positive_evidence import LIME

from .style import BLUE, GRAY, ORANGE, use_fonts

POOLS = (("confident", "D", ORANGE, "confident pictures"), ("all", "o", BLUE, "all pictures"))
HALVES = (("share", "D", ORANGE, "round trip"), ("encoded_again", "o", GRAY, "only encoded again (control)"))
SHIFT = 0.17  # of the two marks of a row from its middle, in rows


def plot_pointing(record: dict) -> Figure:
    """Shares of the positive evidence that lie where the answer is, with 95% intervals: a row for each explanation.

    The left panel is the pointing game, with confident pictures and with all. The right one is half-and-half, with its
    control; it is left out where it was not measured. Dashed lines are the shares by chance.

    Args:
        record: of `stages.pointing.measure_pointing`.
    """
    use_fonts()
    mosaics, halves = record["mosaics"], record["halves"]
    names = _names(mosaics["confident"].get("rows", mosaics["all"]["rows"]))
    figure, panels = plt.subplots(
        1, 1 + bool(halves), figsize=(9.0, 1.9 + 0.36 * len(names)), sharey=True, squeeze=False
    )
    pools = {pool: {row["name"]: row["share"] for row in mosaics[pool].get("rows", ())} for pool, *_ in POOLS}
    of_pool = {row["name"]: row["n"] for row in mosaics["all"]["rows"]}
    _draw(panels[0, 0], names, POOLS, pools, mosaics["chance"])
    panels[0, 0].set_title(
        f"Mosaics of four pictures ({_counts(of_pool)}):\nshare in the odd one's quarter", fontsize=10
    )
    if halves:
        columns = {key: {row["name"]: row[key] for row in halves["rows"]} for key, *_ in HALVES}
        _draw(panels[0, 1], names, HALVES, columns, halves["chance"])
        counts = _counts({row["name"]: row["n"] for row in halves["rows"]})
        panels[0, 1].set_title(f"Half-and-half ({counts}):\nshare in the replaced half", fontsize=10)
    panels[0, 0].set_yticks(range(len(names)), list(names.values()), fontsize=9)
    panels[0, 0].set_ylim(len(names) - 0.4, -0.6)
    figure.tight_layout()
    return figure


def _names(rows: list[dict]) -> dict[str, str]:
    """The labels of the rows by name: LIME, heatmaps from the largest share on, and the control."""
    rows = [row for row in rows if row["same_as"] is None or row["chosen"]]
    order = sorted(rows, key=lambda row: (row["name"] != LIME, row["control"], -row["share"]["value"]))
    marks = {row["name"]: " (control)" * row["control"] + " (in use)" * row["chosen"] for row in order}
    texts = {row["name"]: f"{row['method']} · {row['layer']}" if row["layer"] else "LIME" for row in order}
    return {name: text + marks[name] for name, text in texts.items()}


def _counts(n: dict[str, int]) -> str:
    """`n = 64, LIME 16`."""
    heatmaps = max(count for name, count in n.items() if name != LIME)
    return f"n = {heatmaps}" + (f", LIME {n[LIME]}" if LIME in n else "")


def _draw(axes: Axes, names: dict[str, str], series: tuple, estimates: dict[str, dict], chance: float) -> None:
    """Two marks with intervals a row, the share by chance as a line, and a legend below."""
    for (key, marker, colour, _), shift in zip(series, (-SHIFT, SHIFT)):
        for place, name in enumerate(names):
            if not (share := estimates[key].get(name)):
                continue
            value, low, high = (100 * share[part] for part in ("value", "low", "high"))
            error = np.maximum([[value - low], [high - value]], 0)
            axes.errorbar(value, place + shift, xerr=error, marker=marker, ms=5, capsize=2.5, lw=1.3, color=colour)
    axes.axvline(100 * chance, color="black", lw=0.9, ls="--")
    axes.set_xlabel("% of the positive evidence; dashed: by chance", fontsize=9)
    axes.tick_params(axis="x", labelsize=9)
    handles = [Line2D([], [], marker=m, ms=5, color=c, lw=1.3, label=label) for _, m, c, label in series]
    axes.legend(
        handles=handles,
        fontsize=9,
        ncols=2,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        frameon=False,
        columnspacing=1,
        handletextpad=0.5,
    )
