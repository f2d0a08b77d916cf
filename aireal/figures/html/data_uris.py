"""Pictures as data URIs, and parts of them as paths of SVG."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

TOLERANCE = 0.4  # px of the segmentation by which an outline may be simplified, so that pixel edges look smooth


def data_uri(content: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def photo_uri(picture: Image.Image, most: int = 0) -> str:
    """The picture as a JPEG data URI, scaled down to `most` px a side where it is larger (0: not scaled)."""
    picture = picture.copy()
    if most:
        picture.thumbnail((most, most))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return data_uri(buffer.getvalue(), "image/jpeg")


def heat_uri(heatmap: np.ndarray) -> str:
    """The heatmap (float [H, W] in 0..1) in the overlay's colours (jet), as a data URI of a PNG with a palette."""
    picture = Image.new("P", heatmap.shape[::-1])
    picture.frombytes((heatmap.clip(0, 1) * 255).round().astype(np.uint8).tobytes())
    picture.putpalette((matplotlib.colormaps["jet"](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")


def outline(mask: np.ndarray) -> str:
    """SVG path data of the closed outline of a bool [H, W] mask, in px from the picture's corner; each hole is an
    outline, too."""
    framed = np.pad(mask, 1).astype(np.float64)
    return "".join(_path(line - 1, mask.shape) for line in find_contours(framed, 0.5))


def level_path(values: np.ndarray, level: float) -> str:
    """SVG path data of an [H, W] map's contours at a level, open where they leave the picture; "" where there are
    none."""
    return "".join(_path(line, values.shape) for line in find_contours(values.astype(np.float64), level))


def _path(line: np.ndarray, shape: tuple[int, ...]) -> str:
    """Path data of points [N, 2] (row, column) in units of pixel centres, simplified."""
    points = [f"{_short(x)} {_short(y)}" for y, x in np.clip(approximate_polygon(line, TOLERANCE) + 0.5, 0, shape)]
    return "M" + "L".join(points[:-1]) + "Z" if points[0] == points[-1] else "M" + "L".join(points)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
