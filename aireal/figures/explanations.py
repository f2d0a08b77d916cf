"""Figures of explanations: choice of the heatmap, agreement, occlusion, and the sanity check."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from aireal.evidence.record import REGIONS, EvidenceRecord
from aireal.explain.faithfulness.sanity import LIMIT
from aireal.explain.faithfulness.summary import AREAS

from .style import BLUE, GRAY, ORANGE, use_fonts

LABELS = (("real", BLUE, "o"), ("fake", ORANGE, "s"))


def plot_heatmap_choice(record: dict) -> Figure:
    """ROAD, and insertion less deletion AUC, of each method and layer with 95% intervals. Controls are gray and hollow;
    the rule's choice is an orange diamond and marked. Where another method is in use, that one is marked, too.

    Args:
        record: of `explain.faithfulness`'s choice of the heatmap; "in_use", the method and layer in use, may be added.
    """
    use_fonts()
    rows = [r for r in record["rows"] if r["same_as"] is None]
    rows = sorted((r for r in rows if not r["control"]), key=lambda r: -r["road"]["value"]) + [
        r for r in rows if r["control"]
    ]
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 1.3 + 0.33 * len(rows)), sharey=True)
    chosen = [_is(r, record["winner"]) for r in rows]
    for axes, (key, title) in zip(panels, (("road", "ROAD combined"), ("gap", "insertion AUC less deletion AUC"))):
        for place, (row, won) in enumerate(zip(rows, chosen)):
            colour = GRAY if row["control"] else ORANGE if won else BLUE
            error = [[row[key]["value"] - row[key]["low"]], [row[key]["high"] - row[key]["value"]]]
            axes.errorbar(
                row[key]["value"],
                place,
                xerr=np.maximum(error, 0),
                marker="D" if won else "o",
                ms=8 if won else 6,
                capsize=3,
                lw=1.3,
                color=colour,
                mfc="white" if row["control"] else colour,
            )
        best = max(r[key]["value"] for r in rows if r["control"])
        axes.axvline(best, color=GRAY, lw=0.9, ls="--")
        axes.set_title(f"{title} (higher is better)", fontsize=9.5)
        axes.tick_params(axis="x", labelsize=9)
    marks = [" (control)" if r["control"] else " (chosen)" if won else "" for r, won in zip(rows, chosen)]
    if record.get("in_use", record["winner"]) != record["winner"]:
        marks = [" (in use)" if _is(r, record["in_use"]) else mark for r, mark in zip(rows, marks)]
    names = [" · ".join(filter(None, (r["method"], r["layer"]))) + mark for r, mark in zip(rows, marks)]
    panels[0].set_yticks(range(len(rows)), names, fontsize=9)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    label = f"mean of {record['n']} pictures with its 95% interval; dashed: the better control"
    figure.supxlabel(label, fontsize=9)
    figure.tight_layout()
    return figure


def _is(row: dict, method: dict) -> bool:
    """Whether a row is of a {"method", "layer"}."""
    return all(row[key] == value for key, value in method.items())


def plot_agreement(records: Sequence[EvidenceRecord], chance: float) -> Figure:
    """Histogram of the IoU of heatmap and LIME, by class, with that of random maps
    (`faithfulness.agreement.chance_iou`)."""
    use_fonts()
    figure, axes = plt.subplots(figsize=(7.2, 3.0))
    ious = [[r.agreement for r in records if r.label == label and r.agreement is not None] for label, _, _ in LABELS]
    names = [f"verdict {label}: {len(values)} images" for (label, _, _), values in zip(LABELS, ious)]
    axes.hist(
        ious,
        bins=np.linspace(0, 1, 21),
        color=[BLUE, ORANGE],
        label=names,
        stacked=True,
        edgecolor="white",
        hatch=["", "///"],
        lw=0.8,
    )
    axes.axvline(chance, color="black", lw=1.2, ls="--", label=f"two random maps: {chance:.2f}")
    everyone = np.concatenate(ious)
    if len(everyone):
        axes.axvline(everyone.mean(), color="black", lw=1.6, label=f"mean: {everyone.mean():.2f}")
    axes.set(xlim=(0, 1), ylabel="images", xlabel="IoU of the strongest fifths of heatmap and LIME")
    axes.legend(fontsize=9)
    figure.tight_layout()
    return figure


def plot_occlusion(records: Sequence[EvidenceRecord]) -> Figure:
    """Fall of P(verdict) when the explanation's area is hidden (y) against that of random areas (x).

    Above the diagonal the explanation beats their mean, and with the whole bar nearly all of them. Below the horizontal
    line its area speaks against the verdict.
    """
    use_fonts()
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 4.3), sharex=True, sharey=True)
    titles = {"region": "the region that the heatmap names", "lime": "LIME's five superpixels"}
    for axes, (area, field) in zip(panels, AREAS.items()):
        beaten, clear = [], 0
        for label, colour, marker in LABELS:
            occlusions = [getattr(r, field) for r in records if r.label == label and getattr(r, field) is not None]
            drop, random, low, high = (
                np.array([(o.drop, o.random, o.random_low, o.random_high) for o in occlusions]).reshape(-1, 4).T * 100
            )
            axes.errorbar(
                random,
                drop,
                xerr=np.maximum([random - low, high - random], 0),
                fmt=marker,
                ms=5,
                color=colour,
                elinewidth=0.5,
                alpha=0.75,
                label=f"verdict {label}",
            )
            beaten += (drop > random).tolist()
            clear += (drop > high).sum()
        axes.axline((0, 0), slope=1, color="black", lw=0.9, ls="--")
        axes.axhline(0, color=GRAY, lw=0.8)
        counts = f"{sum(beaten)} of {len(beaten)} images above the diagonal, {clear} with the whole bar"
        axes.set_title(f"{titles[area]}:\n{counts}", fontsize=10)
        axes.set_xlabel("fall for random areas, in points: mean and 95% of them", fontsize=9)
    panels[0].set_ylabel("fall of P(verdict) for the area, in points", fontsize=9)
    panels[0].legend(fontsize=9, loc="upper left")
    figure.tight_layout()
    return figure


def plot_regions(counts: dict[str, dict[str, int]]) -> Figure:
    """How many images name each of the nine regions, by verdict, where the regions lie in a picture.

    Args:
        counts: verdict ("real" or "fake") → region → images.
    """
    use_fonts()
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.1))
    for axes, (label, _, _) in zip(panels, LABELS):
        images = np.array([counts.get(label, {}).get(region, 0) for region in REGIONS]).reshape(3, 3)
        axes.imshow(images, cmap="Greys", vmin=0, vmax=2 * max(1, images.max()))  # the numbers stay legible
        for (row, column), count in np.ndenumerate(images):
            axes.text(column, row, str(count), ha="center", va="center", fontsize=11)
        axes.set_title(f"verdict {label}: {images.sum()} images", fontsize=10)
        axes.set_xticks(range(3), ("left", "center", "right"), fontsize=9)
        axes.set_yticks(range(3), ("top", "middle", "bottom"), fontsize=9)
    figure.tight_layout()
    return figure


def plot_sanity(record: dict) -> Figure:
    """Rank correlation and SSIM with the trained network's maps while the weights are randomised from the output down,
    with 95% intervals and the limit of the check.

    Args:
        record: of `faithfulness.sanity.cascading_randomisation`.
    """
    use_fonts()
    figure, axes = plt.subplots(figsize=(8.0, 3.6))
    places = np.arange(len(record["steps"]) + 1)
    for key, title, colour, style in (("correlation", "rank correlation", BLUE, "o-"), ("ssim", "SSIM", ORANGE, "s--")):
        value, low, high = np.array(
            [[1, 1, 1], *([step[key][k] for k in ("value", "low", "high")] for step in record["steps"])]
        ).T
        axes.plot(places, value, style, color=colour, ms=4, label=title)
        axes.fill_between(places, low, high, color=colour, alpha=0.18, lw=0)
    axes.axhline(0, color=GRAY, lw=0.8)
    axes.axhline(LIMIT, color="black", lw=1, ls=":", label=f"limit of the gate: {LIMIT}")
    axes.set_xticks(
        places, ["trained", *(step["layer"] for step in record["steps"])], rotation=60, ha="right", fontsize=9
    )
    axes.set(ylabel="with the trained network's map", ylim=(min(-0.3, axes.get_ylim()[0]), 1.05))
    axes.set_title(
        f"{record['method']} at {record['layer']}, {record['n']} pictures: weights made random from the left on",
        fontsize=10,
    )
    axes.legend(fontsize=9)
    figure.tight_layout()
    return figure
