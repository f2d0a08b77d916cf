"""The pictures of a panel: the overlay with the heatmap's lines, and LIME's superpixels; nothing in them needs colour to be told apart."""

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

SMALL = 8.5  # points
TOWARDS_FAKE, TOWARDS_REAL = (
    np.array([230, 97, 1]),
    np.array([33, 102, 172]),
)  # orange and blue: safe for colour-blind readers


def _seen(width: float) -> dict:
    """White with a black rim, so that a line is seen on any picture."""
    return {"color": "white", "lw": width, "path_effects": [withStroke(linewidth=width + 1.5, foreground="black")]}


LEVELS = {0.5: {"ls": "--", **_seen(1.1)}, 0.8: {"ls": "-", **_seen(1.5)}}  # of the heatmap's scale
CORNERS = Path(  # of a square, as in a viewfinder
    [point for x in (-1, 1) for y in (-1, 1) for point in ((x, 0.6 * y), (x, y), (0.6 * x, y))],
    [Path.MOVETO, Path.LINETO, Path.LINETO] * 4,
)
PEAK = {"marker": "+", "ms": 10, "mew": 1.8, "ls": "none", **_seen(1.8)}


def draw_overlay(axes: Axes, image: np.ndarray, heatmap: np.ndarray, record: EvidenceRecord) -> None:
    """The overlay with lines around all that is above 50% (dashed) and 80% of the scale, the corners of the region that the sentence
    names, and a cross at the map's peak."""
    axes.imshow(overlay(image, heatmap))
    for level, style in LEVELS.items():
        if heatmap.min() < level < heatmap.max():
            axes.contour(
                heatmap, levels=[level], colors="white", linestyles=style["ls"], linewidths=style["lw"]
            ).set_path_effects(style["path_effects"])
    height, width = heatmap.shape
    row, column = divmod(REGIONS.index(record.region), 3)
    corners = CORNERS.vertices * 0.47 / 3 + ((column + 0.5) / 3, (row + 0.5) / 3)
    axes.plot(*_broken(corners * (width, height) - 0.5), **_seen(1.8))
    axes.plot(record.peak[0] * width - 0.5, record.peak[1] * height - 0.5, **PEAK)


def _broken(points: np.ndarray) -> np.ndarray:
    """[2, N] of a line that is interrupted behind every third of the points [n, 2]."""
    return np.insert(points, range(3, len(points), 3), np.nan, axis=0).T


def draw_bar(axes: Axes) -> None:
    """The overlay's colour bar with the levels of its lines, and below it what else is marked."""
    axes.imshow(np.linspace(0, 1, 256)[None], cmap="jet", aspect="auto", extent=(0, 1, 0, 1))
    for level, style in LEVELS.items():
        axes.axvline(level, **style)
    axes.set(yticks=[], xticks=[0, 1])
    axes.tick_params(length=0, labelsize=SMALL, pad=2)
    for label, side in zip(axes.set_xticklabels(["낮음 · low", "높음 · high"]), ("left", "right")):
        label.set_horizontalalignment(side)
    axes.spines[:].set_visible(False)
    lines = [Line2D([], [], label=f"≥ {level:.0%}", **style) for level, style in LEVELS.items()]
    corners = Line2D(
        [],
        [],
        marker=CORNERS,
        ms=8,
        mfc="none",
        mec="white",
        mew=1.4,
        label="지목한 영역 · region",
        **{**_seen(1.4), "ls": "none"},
    )
    _key(axes, [corners, Line2D([], [], label="최고점 · peak", **PEAK), *lines], columns=2, below=-2.7)


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
    """uint8 [H, W, 3]: thin superpixel borders; the top ones tinted orange (towards `fake`) or blue (towards `real`), each the
    stronger the larger its weight."""
    out = image.astype(np.float32)
    largest = max(abs(f.weight) for f in lime.top) or 1.0
    for feature in lime.top:
        mask = lime.segments == feature.superpixel
        strength = 0.25 + 0.4 * abs(feature.weight) / largest
        out[mask] = (1 - strength) * out[mask] + strength * _colour(feature.weight)
    out[find_boundaries(lime.segments, mode="inner")] *= 0.55
    return out.clip(0, 255).astype(np.uint8)


def _colour(weight: float) -> np.ndarray:
    return TOWARDS_FAKE if weight > 0 else TOWARDS_REAL


def draw_lime(axes: Axes, image: np.ndarray, lime: LimeResult) -> None:
    """LIME's picture with the top superpixels framed, by a dashed line where they speak for `real`, and numbered as in the list."""
    axes.imshow(lime_image(image, lime))
    for feature in lime.top:
        mask = lime.segments == feature.superpixel
        framed = np.pad(mask, 1)[1:-1, 1:-1]
        axes.contour(
            framed, levels=[0.5], colors="white", linewidths=1.4, linestyles="solid" if feature.weight > 0 else "dashed"
        )
        row, column = (np.clip(place, 0.04 * side, 0.96 * side) for place, side in zip(inmost(mask), mask.shape))
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


def inmost(mask: np.ndarray) -> tuple[int, int]:
    """(row, column) of the pixel farthest from the border: unlike the centroid, it lies inside any shape."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.unravel_index(int(depth.argmax()), mask.shape)


def draw_lime_key(axes: Axes) -> None:
    """What orange and blue mean."""
    axes.set_axis_off()
    _key(
        axes,
        [
            Patch(facecolor=TOWARDS_FAKE / 255, edgecolor="black", label="가짜 쪽 · towards fake (+)"),
            Patch(facecolor=TOWARDS_REAL / 255, edgecolor="black", ls="--", label="실제 쪽 · towards real (−)"),
        ],
        columns=1,
        below=1.0,
    )
