"""Figures in fewer colours: what is committed looks like what was drawn."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from PIL import Image

from aireal.config import REPOSITORY
from aireal.core.imagefile import open_rgb
from aireal.figures.style import use_fonts
from aireal.reporting.compress_png import palettize_notebook, palettize_png

GROUND, INK = (238, 241, 244), (17, 17, 17)


def drawn(size: int = 256) -> Image.Image:
    """A photograph on a tinted ground with a dark bar, as figures have them."""
    page = Image.new("RGB", (2 * size, 2 * size), GROUND)
    page.paste(open_rgb(next((REPOSITORY / "proposal_images").rglob("*.jpg"))).resize((size, size)), (0, 0))
    page.paste(INK, (size, 0, size + 40, size))
    return page


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_a_figure_shrinks_keeps_flat_colours_and_looks_the_same():
    page = drawn()
    palettized = palettize_png(png(page))
    assert Image.open(io.BytesIO(palettized)).format == "PNG"
    assert len(palettized) < 0.6 * len(png(page))
    before, after = np.asarray(page).astype(int), opened(palettized)
    for colour in (GROUND, INK):
        flat = (before == colour).all(-1)
        assert (before[flat] == after[flat]).all(-1).mean() > 0.998, (
            "dithering reaches a few pixels beside a photograph"
        )
    blocks = (before - after)[:256, :256].reshape(32, 8, 32, 8, 3).mean((1, 3))  # dithering as seen from afar
    assert np.abs(blocks).max() < 12
    assert np.abs(blocks).mean() < 2


def test_doing_it_twice_changes_nothing_and_a_tiny_picture_is_left_alone():
    palettized = palettize_png(png(drawn()))
    assert palettize_png(palettized) == palettized
    dot = png(Image.new("RGB", (1, 1), INK))
    assert len(palettize_png(dot)) <= len(dot)


def test_transparency_becomes_white():
    glass = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    glass.paste(drawn(32).convert("RGBA"), (0, 0))
    noisy = np.asarray(glass).copy()
    noisy[32:, :, :3] = np.random.default_rng(0).integers(0, 256, (32, 64, 3))  # hidden below full transparency
    noisy[32:, :, 3] = 0
    assert (opened(palettize_png(png(Image.fromarray(noisy))))[32:] == 255).all()


def test_pictures_of_a_notebook_shrink_and_the_rest_stays():
    page = base64.b64encode(png(drawn())).decode()
    output = nbformat.v4.new_output("display_data", {"image/png": page, "text/plain": "<Figure>"})
    text = nbformat.v4.new_output("stream", text="0.77")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("a"), nbformat.v4.new_code_cell("b", outputs=[output, text])]
    )
    palettize_notebook(notebook)
    nbformat.validate(notebook)
    figure, stream = notebook.cells[1].outputs
    assert len(figure.data["image/png"]) < 0.6 * len(page)
    assert figure.data["text/plain"] == "<Figure>"
    assert stream.text == "0.77"


def test_a_figure_is_readable_on_a_dark_page_however_small_it_is():
    line = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    with_alpha, indexed = png(line), png(line.convert("P"))
    assert lowest_alpha(with_alpha) == 0
    assert lowest_alpha(palettize_png(with_alpha)) == 255
    buffer = io.BytesIO()
    Image.open(io.BytesIO(indexed)).save(buffer, "PNG", transparency=0)
    assert lowest_alpha(palettize_png(buffer.getvalue())) == 255


def test_every_published_figure_has_an_opaque_ground():
    figures = {path.name: path.read_bytes() for path in (REPOSITORY / "readme_images").glob("*.png")}
    for path in (REPOSITORY / "notebooks").glob("0*.ipynb"):
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            for output in cell.get("outputs", []):
                if content := output.get("data", {}).get("image/png"):
                    figures[f"{path.name}, cell {number}"] = base64.b64decode(content)
    assert figures
    assert [name for name, content in figures.items() if lowest_alpha(content) < 255] == []


def test_a_figure_is_drawn_on_white_whatever_the_users_matplotlib_prefers():
    with plt.rc_context({"savefig.transparent": True, "figure.facecolor": "none", "savefig.facecolor": "none"}):
        use_fonts()
        plt.figure(figsize=(1, 1)).savefig(buffer := io.BytesIO(), format="png")
        plt.close()
    assert lowest_alpha(buffer.getvalue()) == 255
    assert (opened(buffer.getvalue())[0, 0] == 255).all()


def lowest_alpha(content: bytes) -> int:
    return Image.open(io.BytesIO(content)).convert("RGBA").getextrema()[3][0]
