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
HALVES = (("share", "D", ORANGE, "round trip"), ("encoded_again", "o", GRAY, "only saved again (control)"))
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
    pools = {pool: mosaics[pool].get("rows", []) for pool, *_ in POOLS}
    _draw(panels[0, 0], names, POOLS, {pool: (rows, "share") for pool, rows in pools.items()}, mosaics["chance"])
    panels[0, 0].set_title("Mosaics of four pictures:\nshare in the odd one's quarter", fontsize=10)
    if halves:
        columns = {key: (halves["rows"], key) for key, *_ in HALVES}
        _draw(panels[0, 1], names, HALVES, columns, halves["chance"])
        panels[0, 1].set_title("Half-and-half photographs:\nshare in the replaced half", fontsize=10)
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


def _counts(rows: list[dict]) -> str:
    """`: n = 64, LIME 16`, or why there is nothing."""
    counts = {row["name"] == LIME: row["n"] for row in rows}
    return f": n = {counts[False]}" + (f", LIME {counts[True]}" if True in counts else "") if rows else ": too few"


def _draw(axes: Axes, names: dict[str, str], series: tuple, columns: dict[str, tuple], chance: float) -> None:
    """Two marks with intervals a row, the share by chance as a line, and a legend below.

    Args:
        columns: for each of the series the rows, and the key of their estimate.
    """
    handles = []
    for (series_key, marker, colour, label), shift in zip(series, (-SHIFT, SHIFT)):
        rows, key = columns[series_key]
        look = {"marker": marker, "ms": 5, "lw": 1.3, "color": colour}
        for row in (row for row in rows if row["name"] in names):
            value, low, high = (100 * row[key][part] for part in ("value", "low", "high"))
            error = np.maximum([[value - low], [high - value]], 0)
            axes.errorbar(value, list(names).index(row["name"]) + shift, xerr=error, capsize=2.5, **look)
        handles.append(Line2D([], [], label=label + _counts(rows), **look))
    axes.axvline(100 * chance, color="black", lw=0.9, ls="--")
    axes.set_xlabel("% of the positive evidence, 95% interval\n(dashed: by chance)", fontsize=9)
    axes.tick_params(axis="x", labelsize=9)
    axes.legend(handles=handles, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
