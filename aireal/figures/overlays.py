"""The pictures of a panel: the overlay with the heatmap's contours, and LIME's superpixels; readable without colour."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries

from aireal.evidence.record import REGIONS, EvidenceRecord
from aireal.explain.gradcam import overlay
from aireal.explain.lime import LimeResult

from .style import BLUE, CLASS_COLOUR, ORANGE, SMALL, class_of_weight, rgb, tint_strength
from .words import side_by_side


def _rimmed(width: float) -> dict:
    """The style of a white line with a black rim, visible on any picture."""
    return {"color": "white", "lw": width, "path_effects": [withStroke(linewidth=width + 1.5, foreground="black")]}


CONTOURS = {0.5: {"ls": "--", **_rimmed(1.1)}, 0.8: {"ls": "-", **_rimmed(1.5)}}  # by the level on the heatmap's scale
CORNERS = Path(  # of a square, as in a viewfinder
    [point for x in (-1, 1) for y in (-1, 1) for point in ((x, 0.6 * y), (x, y), (0.6 * x, y))],
    [Path.MOVETO, Path.LINETO, Path.LINETO] * 4,
)
PEAK = {"marker": "+", "ms": 10, "mew": 1.8, "ls": "none", **_rimmed(1.8)}


def draw_overlay(axes: Axes, image: np.ndarray, heatmap: np.ndarray, record: EvidenceRecord) -> None:
    """Draw the overlay, contours at 50% (dashed) and 80% of the scale, the named region's corners, and a cross at the
    peak.

    Args:
        image: uint8 [H, W, 3]; heatmap: float [H, W] in 0..1.
    """
    axes.imshow(overlay(image, heatmap))
    for level, style in CONTOURS.items():
        if heatmap.min() < level < heatmap.max():
            axes.contour(
                heatmap, levels=[level], colors="white", linestyles=style["ls"], linewidths=style["lw"]
            ).set_path_effects(style["path_effects"])
    height, width = heatmap.shape
    row, column = divmod(REGIONS.index(record.region), 3)
    corners = CORNERS.vertices * 0.47 / 3 + ((column + 0.5) / 3, (row + 0.5) / 3)
    axes.plot(*_with_gaps(corners * (width, height) - 0.5), **_rimmed(1.8))
    axes.plot(record.peak[0] * width - 0.5, record.peak[1] * height - 0.5, **PEAK)


def _with_gaps(points: np.ndarray) -> np.ndarray:
    """Points [n, 2] as [2, N] with a NaN after every third, where matplotlib interrupts the line."""
    return np.insert(points, range(3, len(points), 3), np.nan, axis=0).T


def draw_bar(axes: Axes) -> None:
    """Draw the overlay's colour bar with the levels of its contours, and below it the key to all marks."""
    axes.imshow(np.linspace(0, 1, 256)[None], cmap="jet", aspect="auto", extent=(0, 1, 0, 1))
    for level, style in CONTOURS.items():
        axes.axvline(level, **style)
    axes.set(yticks=[], xticks=[0, 1])
    axes.tick_params(length=0, labelsize=SMALL, pad=2)
    for label, side in zip(axes.set_xticklabels([side_by_side("low"), side_by_side("high")]), ("left", "right")):
        label.set_horizontalalignment(side)
    axes.spines[:].set_visible(False)
    lines = [Line2D([], [], label=f"≥ {level:.0%}", **style) for level, style in CONTOURS.items()]
    corners = Line2D(
        [],
        [],
        marker=CORNERS,
        ms=8,
        mfc="none",
        mec="white",
        mew=1.4,
        label=side_by_side("region"),
        **{**_rimmed(1.4), "ls": "none"},
    )
    _key(axes, [corners, Line2D([], [], label=side_by_side("peak"), **PEAK), *lines], columns=2, below=-2.7)


def _key(axes: Axes, handles: list, columns: int, below: float) -> None:
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, below),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        borderpad=0,
        borderaxespad=0,
        handletextpad=0.6,
        columnspacing=1.6,
        handlelength=1.6,
        labelspacing=0.45,
    )


def lime_image(image: np.ndarray, lime: LimeResult) -> np.ndarray:
    """The picture (uint8 [H, W, 3]) with thin superpixel borders; the top superpixels are tinted orange (towards
    `fake`) or blue (towards `real`), the more strongly the larger their weight."""
    out = image.astype(np.float32)
    largest = max(abs(f.weight) for f in lime.top)
    for feature in lime.top:
        mask = lime.segments == feature.superpixel
        strength = tint_strength(feature.weight, largest)
        out[mask] = (1 - strength) * out[mask] + strength * rgb(CLASS_COLOUR[class_of_weight(feature.weight)])
    out[find_boundaries(lime.segments, mode="inner")] *= 0.55
    return out.clip(0, 255).astype(np.uint8)


def draw_lime(axes: Axes, image: np.ndarray, lime: LimeResult) -> None:
    """Draw `lime_image` with the top superpixels outlined (dashed: towards `real`) and numbered as in the list."""
    axes.imshow(lime_image(image, lime))
    for feature in lime.top:
        mask = lime.segments == feature.superpixel
        framed = np.pad(mask, 1)[1:-1, 1:-1]
        axes.contour(
            framed, levels=[0.5], colors="white", linewidths=1.4, linestyles="solid" if feature.weight > 0 else "dashed"
        )
        row, column = (np.clip(place, 0.04 * side, 0.96 * side) for place, side in zip(innermost(mask), mask.shape))
        axes.text(
            column,
            row,
            str(feature.superpixel),
            color="white",
            ha="center",
            va="center",
            fontsize=10,
            clip_on=True,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "black", "alpha": 0.75, "linewidth": 0},
        )


def innermost(mask: np.ndarray) -> tuple[int, int]:
    """(row, column) of the pixel farthest from the mask's border; unlike the centroid, it lies inside any shape."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.unravel_index(int(depth.argmax()), mask.shape)


def draw_lime_key(axes: Axes) -> None:
    """Draw the key to orange and blue."""
    axes.set_axis_off()
    _key(
        axes,
        [
            Patch(facecolor=ORANGE, edgecolor="black", label=side_by_side("towards_fake")),
            Patch(facecolor=BLUE, edgecolor="black", ls="--", label=side_by_side("towards_real")),
        ],
        columns=1,
        below=1.0,
    )
