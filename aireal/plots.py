"""Figures about a whole stage: examples, training curves, evaluation, comparison."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .dataset.manifest import Item
from .imagefile import open_rgb
from .panel import use_fonts

BLUE, ORANGE, GRAY = "#2166ac", "#e66101", "#777777"  # blue stands for real, orange for fake, everywhere
NAMES = ("real", "fake")


def picture_grid(pictures: list[np.ndarray], titles: list[str], columns: int = 4, side: float = 2.0) -> Figure:
    """Pictures (uint8 [H, W, 3]) in rows, each with its title."""
    use_fonts()
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * side, rows * (side + 0.3)), squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for cell, picture, title in zip(axes.flat, pictures, titles):
        cell.imshow(picture)
        cell.set_title(textwrap.fill(title, round(17 * side)), fontsize=7.5, pad=3)
    figure.tight_layout(pad=0.4)
    return figure


def examples(items: list[Item], root: Path, count: int = 4) -> Figure:
    """The first pictures of different sources, photographs above and AI images below."""
    chosen = []
    for label in (0, 1):
        groups = {}
        for item in items:
            if item.label == label:
                groups.setdefault(item.group, item)
        chosen += list(groups.values())[:count]
    titles = [f"{NAMES[i.label]}" + (f" · {i.generator[:22]}" if i.label and i.generator else "") for i in chosen]
    return picture_grid([np.asarray(open_rgb(root / i.path)) for i in chosen], titles, columns=count)


def training(history: list[dict]) -> Figure:
    """Loss, accuracy and validation AUROC an epoch."""
    use_fonts()
    epochs = [row["epoch"] for row in history]
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.7))
    for name, train, val, cell in (("loss", "loss", "val_loss", axes[0]), ("accuracy", "accuracy", "val_accuracy", axes[1])):
        cell.plot(epochs, [r[train] for r in history], color=GRAY, marker="o", ms=3, label="training (augmented)")
        cell.plot(epochs, [r[val] for r in history], color=BLUE, marker="o", ms=3, label="validation")
        cell.set(title=name, xlabel="epoch")
        cell.legend(fontsize=7)
    axes[2].plot(epochs, [r["val_auroc"] for r in history], color=BLUE, marker="o", ms=3)
    best = max(history, key=lambda r: r["val_auroc"])
    axes[2].plot([best["epoch"]], [best["val_auroc"]], "o", ms=9, mfc="none", color=ORANGE, label=f"kept: epoch {best['epoch']}")
    axes[2].set(title="validation AUROC", xlabel="epoch")
    axes[2].legend(fontsize=7)
    figure.tight_layout()
    return figure


def evaluation(report: dict) -> Figure:
    """Confusion matrix, ROC, and accuracy a class with its 95% interval, of a record of `assess` or `score`."""
    use_fonts()
    figure, (matrix, roc, bars) = plt.subplots(1, 3, figsize=(9.5, 3.0), width_ratios=[1, 1.1, 1])
    counts = np.array(report["confusion"])
    matrix.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        matrix.text(column, row, count, ha="center", va="center", color="white" if count > counts.max() / 2 else "black")
    matrix.set(xticks=[0, 1], yticks=[0, 1], xticklabels=NAMES, yticklabels=NAMES, xlabel="verdict", ylabel="truth", title="confusion (test images)")
    auroc = report["test"]["auroc"]
    roc.plot(report["roc"]["fpr"], report["roc"]["tpr"], color=BLUE)
    roc.plot([0, 1], [0, 1], color=GRAY, lw=0.8, ls="--")
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title=f"ROC: AUROC {auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]")
    roc.title.set_fontsize(10)
    names = ("accuracy_real", "accuracy_fake", "accuracy")
    _bars(bars, [report["test"][n] for n in names], ["real", "fake", "all"], [BLUE, ORANGE, GRAY])
    bars.set(title="accuracy, 95% interval", ylim=(0, 1))
    figure.tight_layout()
    return figure


def _bars(axes, estimates: list[dict], names: list[str], colours: list[str]) -> None:
    values = np.array([e["value"] for e in estimates])
    spread = np.abs(np.array([[e["low"], e["high"]] for e in estimates]).T - values)
    axes.bar(names, values, color=colours, yerr=spread, capsize=4, width=0.6, error_kw={"lw": 1})
    for index, value in enumerate(values):
        axes.text(index, 0.03, f"{value:.2f}", ha="center", color="white", fontsize=9)


def comparison(reports: dict[str, dict]) -> Figure:
    """Test AUROC of several classifiers with intervals, against the seconds their training took."""
    use_fonts()
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for (name, report), marker in zip(reports.items(), "osD^v"):
        auroc = report["test"]["auroc"]
        error = [[auroc["value"] - auroc["low"]], [auroc["high"] - auroc["value"]]]
        axes.errorbar(report["training_seconds"], auroc["value"], yerr=error, marker=marker, capsize=4, lw=1, ms=8, ls="none",
                      label=f"{name} ({report['parameters'] / 1e6:.1f} M, from {report['initial_weights']})")
    axes.axhline(0.5, color=GRAY, lw=0.8, ls="--")
    axes.set(xlabel="seconds of training", ylabel="test AUROC, 95% interval", ylim=(0.3, 1.0))
    axes.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    return figure


def loss_curve(steps: list[int], losses: list[float], title: str) -> Figure:
    use_fonts()
    figure, axes = plt.subplots(figsize=(6.5, 2.6))
    axes.plot(steps, losses, color=BLUE)
    axes.set(xlabel="step", ylabel="loss", title=title)
    figure.tight_layout()
    return figure


def rates(groups: dict[str, dict[str, dict]], names: tuple[str, ...], title: str) -> Figure:
    """Bars of the named rates with their intervals, the series side by side: {series: {name: {"value", "low", "high"}}}."""
    use_fonts()
    figure, axes = plt.subplots(figsize=(6.5, 2.8))
    width = 0.8 / len(groups)
    for k, ((series, found), colour) in enumerate(zip(groups.items(), (GRAY, BLUE, ORANGE))):
        values = np.array([found[n]["value"] for n in names])
        spread = np.abs(np.array([[found[n]["low"], found[n]["high"]] for n in names]).T - values)
        places = np.arange(len(names)) + (k - (len(groups) - 1) / 2) * width
        axes.bar(places, values, width * 0.9, color=colour, yerr=spread, capsize=3, label=series, error_kw={"lw": 1})
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(ylim=(0, 1.05), title=title)
    axes.legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    return figure
