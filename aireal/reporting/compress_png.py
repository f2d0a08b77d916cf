"""Smaller PNGs for the repository, whose history keeps every version of every figure: at most 256 colours."""

from __future__ import annotations

import base64
import io

import nbformat
from PIL import Image


def palettize_png(content: bytes) -> bytes:
    """Reduce a PNG to a palette of 256 colours, dithered (Floyd & Steinberg 1976); unchanged where that is no smaller.

    Args:
        content: a PNG; transparent pixels become white: on GitHub's dark page nobody could read black letters on them.
    """
    picture = Image.open(io.BytesIO(content), formats=["PNG"])
    opaque = picture.convert("RGBA").getextrema()[3][0] == 255
    if picture.mode == "P" and opaque:
        return content
    picture = _on_white(picture)
    # after MAXCOVERAGE, k-means puts the colours of large flat areas (background, bars) into the palette exactly
    palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    buffer = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return min(content, buffer.getvalue(), key=len) if opaque else buffer.getvalue()


def palettize_notebook(notebook: nbformat.NotebookNode) -> None:
    """Apply `palettize_png` to all PNG outputs of a notebook, in place."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                content = palettize_png(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(content).decode()


def _on_white(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
