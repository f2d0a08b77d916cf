"""Figures for a repository, whose history keeps every version of them: the same picture in at most 256 colours."""

from __future__ import annotations

import base64
import io

import nbformat
import numpy as np
from PIL import Image

FLAT = 0.002  # share of the pixels from which on a colour is a ground, a line or a bar, and no part of a photograph
MOST_FLAT = 64  # of 256 colours; photographs and colour maps need the others


def palettize_png(content: bytes) -> bytes:
    """A PNG with a palette, as it was where that is no smaller. Flat colours (grounds, text, bars) stay exact; photographs are dithered
    (Floyd & Steinberg 1976).

    Args:
        content: a PNG; transparency is laid on white.
    """
    picture = Image.open(io.BytesIO(content))
    if picture.mode == "P":
        return content
    picture = _on_white(picture)
    flat = _flat_colours(picture)
    spread = picture.quantize(256 - len(flat), method=Image.Quantize.MAXCOVERAGE).getpalette()[: 3 * (256 - len(flat))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*flat.flatten().tolist(), *spread])
    dithered = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    pixels, index = np.asarray(picture), np.asarray(dithered).copy()
    for number, colour in enumerate(flat):  # which dithering would speckle where they meet a photograph
        index[(pixels == colour).all(-1)] = number
    dithered.frombytes(index.tobytes())
    buffer = io.BytesIO()
    dithered.save(buffer, "PNG", optimize=True)
    return min(content, buffer.getvalue(), key=len)


def palettize_notebook(notebook: nbformat.NotebookNode) -> None:
    """The same for all PNG outputs of a notebook, in place."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = base64.b64encode(
                    palettize_png(base64.b64decode(output.data["image/png"]))
                ).decode()


def _on_white(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _flat_colours(picture: Image.Image) -> np.ndarray:
    """uint8 [N, 3], N <= `MOST_FLAT`: the colours that cover a share of `FLAT` at least, the widest first."""
    colours, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_counts=True)
    widest = np.argsort(-counts)[:MOST_FLAT]
    return colours[widest[counts[widest] >= FLAT * counts.sum()]]
