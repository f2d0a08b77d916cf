"""Figures of a classifier: examples, training curves, evaluation, calibration, comparison."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from aireal.classifier.one_class import one_class_note
from aireal.core.imagefile import ImageError
from aireal.core.statistics import interval
from aireal.dataset.manifest import Item
from aireal.dataset.readable import open_item
from aireal.evidence.record import CLASSES

from .style import BLUE, GRAY, ORANGE, use_fonts


def picture_grid(pictures: list[np.ndarray], titles: list[str], columns: int = 4, side: float = 2.0) -> Figure:
    """A grid of pictures (uint8 [H, W, 3]), each with its title."""
    use_fonts()
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * side, rows * (side + 0.3)), squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for cell, picture, title in zip(axes.flat, pictures, titles):
        cell.imshow(picture)
        # a generator may be called a$b$c_{, which is no formula
        cell.set_title(textwrap.fill(title, round(17 * side)), fontsize=7.5, pad=3, parse_math=False)
    figure.tight_layout(pad=0.4)
    return figure


def plot_examples(items: list[Item], root: Path, count: int = 4) -> Figure:
    """The first `count` pictures of each class, each of another source; photographs above, AI images below.

    Files that cannot be read are passed over; the training names them.
    """
    pictures, titles = [], []
    for label in (0, 1):
        groups: dict[str, np.ndarray] = {}
        for item in items:
            if item.label != label or item.group in groups or len(groups) == count:
                continue
            try:
                groups[item.group] = np.asarray(open_item(root, item))
            except ImageError:
                continue
            titles.append(CLASSES[label] + (f" · {item.generator[:22]}" if label and item.generator else ""))
        pictures += groups.values()
    return picture_grid(pictures, titles, columns=count)


def plot_training(history: list[dict]) -> Figure:
    """Loss, accuracy and validation AUROC by epoch."""
    use_fonts()
    epochs = [row["epoch"] for row in history]
    train_label = "training (augmented)" if epochs[0] else "training (augmented; epoch 0: as it is)"
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")
    for name, train, val, cell in (
        ("loss", "loss", "val_loss", axes[0]),
        ("accuracy", "accuracy", "val_accuracy", axes[1]),
    ):
        cell.plot(epochs, [r[train] for r in history], color=GRAY, marker="o", ms=3, label=train_label)
        cell.plot(epochs, [r[val] for r in history], color=BLUE, marker="o", ms=3, label="validation")
        cell.set(title=name, xlabel="epoch", xticks=epochs if len(epochs) < 10 else epochs[:: len(epochs) // 5])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    axes[2].plot(epochs, [r["val_auroc"] for r in history], color=BLUE, marker="o", ms=3)
    best = max(history, key=lambda r: r["val_auroc"])
    axes[2].plot(
        [best["epoch"]], [best["val_auroc"]], "o", ms=9, mfc="none", color=ORANGE, label=f"kept: epoch {best['epoch']}"
    )
    axes[2].axhline(0.5, color=GRAY, lw=0.8, ls="--", label="chance")
    lowest = min([0.5, *(r["val_auroc"] for r in history)])
    axes[2].set(title="validation AUROC", xlabel="epoch", xticks=axes[0].get_xticks(), ylim=(lowest - 0.05, 1.02))
    axes[2].legend(fontsize=7)
    return figure


def plot_evaluation(report: dict) -> Figure:
    """Confusion matrix, ROC curve, and accuracy by class with its 95% interval.

    Where the test has one class, a sentence stands in the place of the curve.

    Args:
        report: a record of `classifier.evaluate`, or of notebook 04.
    """
    use_fonts()
    figure, (matrix, roc, bars) = plt.subplots(1, 3, figsize=(9.5, 3.0), width_ratios=[1, 1.1, 1])
    counts = np.array(report["confusion"])
    matrix.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        matrix.text(
            column, row, count, ha="center", va="center", color="white" if count > counts.max() / 2 else "black"
        )
    matrix.set(
        xticks=[0, 1],
        yticks=[0, 1],
        xticklabels=CLASSES,
        yticklabels=CLASSES,
        xlabel="verdict",
        ylabel="truth",
        title="confusion (test images)",
    )
    roc.set(xlabel="false positive rate", ylabel="true positive rate")
    if report["roc"]:
        roc.plot([0, 1], [0, 1], color=GRAY, lw=0.8, ls="--", label="chance")
        roc.plot(report["roc"]["fpr"], report["roc"]["tpr"], color=BLUE)
        roc.legend(fontsize=8, loc="lower right", frameon=False)
        roc.set_title(f"ROC: AUROC {interval(report['test']['auroc'])}", fontsize=10)
    else:
        roc.set_title("no ROC", fontsize=10)
        _say(roc, one_class_note(report["test"]))
    kinds = (("accuracy_real", "real", BLUE), ("accuracy_fake", "fake", ORANGE), ("accuracy", "all", GRAY))
    _bars(bars, report["test"], kinds)
    bars.set(title="accuracy, 95% interval", ylim=(0, 1.1))
    figure.tight_layout()
    return figure


def _say(axes, sentence: str) -> None:
    """A sentence in the middle of empty axes."""
    axes.text(0.5, 0.5, textwrap.fill(sentence, 30), ha="center", va="center", fontsize=8, transform=axes.transAxes)


def _bars(axes, estimates: dict[str, dict], kinds: Sequence[tuple[str, str, str]]) -> None:
    """Bars with their intervals, of those (key, name, colour) whose estimate is not None."""
    kinds = [kind for kind in kinds if estimates[kind[0]]["value"] is not None]
    keys, names, colours = zip(*kinds)
    values, low, high = np.array([[estimates[key][k] for k in ("value", "low", "high")] for key in keys]).T
    spread = np.abs([low - values, high - values])
    axes.bar(names, values, color=colours, yerr=spread, capsize=4, width=0.6, error_kw={"lw": 1})
    for index, (value, top) in enumerate(zip(values, high)):
        axes.text(index, top + 0.02, f"{value:.2f}", ha="center", fontsize=9)


def plot_comparison(reports: dict[str, dict]) -> Figure:
    """Test AUROC of several classifiers with its interval, against their cost: multiply-accumulates per picture, and
    seconds of training with the linear probe. Classifiers whose test had one class have no AUROC and are not drawn.

    Args:
        reports: records of `classifier.evaluate` by name.
    """
    use_fonts()
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.9), sharey=True)
    costs = (
        ("GMACs per picture", [r["cost"]["gmacs"] for r in reports.values()]),
        ("seconds of training, probe included", [r["training_seconds"] for r in reports.values()]),
    )
    for axes, (title, places) in zip(panels, costs):
        apart = 0.012 * max(places)
        for k, (report, place, marker, colour) in enumerate(
            zip(reports.values(), places, "osD^vP", (BLUE, GRAY, ORANGE, "#5e3c99", "#1b9e77", "#000000"))
        ):
            auroc = report["test"]["auroc"]
            if auroc["value"] is None:
                continue
            error = [[auroc["value"] - auroc["low"]], [auroc["high"] - auroc["value"]]]
            millions = report["cost"]["parameters"] / 1e6
            frozen = ", frozen" if report.get("frozen") else ""
            label = f"{report['architecture']}, from {report['initial_weights']}{frozen}: {millions:.1f} M parameters"
            axes.errorbar(
                place + apart * places[:k].count(place),  # of equal cost is the same architecture from other weights
                auroc["value"],
                yerr=error,
                marker=marker,
                color=colour,
                capsize=4,
                lw=1,
                ms=8,
                ls="none",
                label=label,
            )
        axes.axhline(0.5, color=GRAY, lw=0.8, ls="--", label="chance")
        axes.set(xlabel=title, xlim=(0, 1.15 * max(places)))
        if note := next((note for r in reports.values() if (note := one_class_note(r["test"]))), ""):
            _say(axes, note)
    panels[0].set(ylabel="test AUROC, 95% interval")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="lower center", ncols=2, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.06 * -(-(len(reports) + 1) // 2), 1, 1))
    return figure


def plot_reliability(report: dict) -> Figure:
    """Reliability diagram: the share of right verdicts by stated probability, with 95% Wilson intervals, before and
    after calibration.

    Args:
        report: a record of `classifier.evaluate`.
    """
    use_fonts()
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.7), sharey=True)
    for axes, (name, title), colour in zip(
        panels, (("uncalibrated", "as trained"), ("platt", "calibrated on validation")), (GRAY, BLUE)
    ):
        calibration = report["calibration"][name]
        bins = calibration["reliability"]
        confidence = np.array([b["confidence"] for b in bins])
        accuracy = np.array([[b["accuracy"][k] for k in ("value", "low", "high")] for b in bins])
        counts = np.array([b["n"] for b in bins])
        axes.plot([0.5, 1], [0.5, 1], color="black", lw=0.8, ls="--")
        axes.errorbar(
            confidence,
            accuracy[:, 0],
            yerr=np.abs(accuracy[:, 1:].T - accuracy[:, 0]),
            color=colour,
            lw=1,
            capsize=3,
            ls="none",
        )
        axes.scatter(confidence, accuracy[:, 0], s=20 + 160 * counts / counts.max(), color=colour, zorder=3)
        for x, count in zip(confidence, counts):
            axes.text(x, 0.02, count, ha="center", fontsize=8.5)
        ece, floor = calibration["ece"], calibration["ece_if_calibrated"]
        axes.set(xlim=(0.48, 1.02), ylim=(0, 1.05), xlabel="probability of the verdict (below: images)")
        axes.set_title(
            f"{title}: ECE {ece['value']:.3f} [{ece['low']:.3f}, {ece['high']:.3f}]\n"
            f"by chance alone {floor['value']:.3f} [{floor['low']:.3f}, {floor['high']:.3f}]",
            fontsize=10,
        )
    panels[0].set_ylabel("share of right verdicts")
    figure.tight_layout()
    return figure


def plot_risk_coverage(report: dict) -> Figure:
    """Risk-coverage curve (error of the most confident verdicts against their share), and error outside and inside the
    uncertain band.

    Args:
        report: a record of `classifier.evaluate`.
    """
    use_fonts()
    selective = report["selective"]
    figure, (curve, bars) = plt.subplots(1, 2, figsize=(9.0, 3.2), width_ratios=[1.5, 1])
    error, validation = selective["error_certain"]["value"], selective["validation"]
    found = [] if error is None else [f"{error:.0%} here"]
    found += [f"{validation['error_certain']:.0%} on validation"] if validation.get("coverage") else []
    target = f"target left of the limit: {selective['target_error']:.0%} ({', '.join(found)})"
    curve.plot(
        selective["curve"]["coverage"],
        selective["curve"]["risk"],
        color=BLUE,
        drawstyle="steps-post",
        label=f"test, AURC {selective['aurc']['value']:.3f}",
    )
    curve.axhline(selective["target_error"], color=GRAY, lw=0.8, ls="--", label=target)
    curve.axvline(
        selective["coverage"]["value"], color=ORANGE, lw=1, label=f"uncertain below {selective['uncertain_below']:.1%}"
    )
    curve.set(xlabel="share of verdicts, the most confident first", ylabel="error among them", xlim=(0, 1.01))
    curve.set_ylim(0, max(0.1, 1.4 * max(selective["curve"]["risk"], default=0)))  # room for the legend
    curve.legend(fontsize=8, loc="upper left")
    kinds = (
        ("error_certain", "outside the band", BLUE),
        ("error_uncertain", "uncertain", ORANGE),
        ("error", "all", GRAY),
    )
    _bars(bars, selective, kinds)
    coverage = selective["coverage"]
    bars.set(ylim=(0, 1.1), ylabel="error, 95% interval")
    bars.set_title(
        f"error; {coverage['value']:.0%} [{coverage['low']:.0%}, {coverage['high']:.0%}] outside the band", fontsize=10
    )
    figure.tight_layout()
    return figure
