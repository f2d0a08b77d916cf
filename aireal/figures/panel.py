"""Figures of one image: verdict, heatmap, sentence, LIME and trust, in Korean and English."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from aireal.core.files import atomic_path
from aireal.evidence.record import EvidenceRecord
from aireal.explain.lime import LimeResult
from aireal.explain.trust import NO_HEATMAP, Statement, overall, trust
from aireal.provenance.wording import NOTE, full_line

from .overlays import draw_bar, draw_lime, draw_lime_key, draw_overlay
from .panel_text import feature_lines, lime_note, verdict_line, wrap
from .style import BODY, DARK, MARKER, SMALL, SOFT, STRIP, drawable, use_fonts
from .words import TRUST_LEVELS, WORDS, side_by_side

DPI = 110
MARKERS_KEY = "   ".join(f"{MARKER[level][0]} {ko} {en}" for level, (ko, en) in TRUST_LEVELS.items())

# Layout in inches; a figure of two pictures is 792 px wide and one of three 957 px.
MARGIN, WIDTH = 0.15, {2: 7.2, 3: 8.7}
TITLE, BAR = 0.3, 0.78  # above and below the pictures
CENTRED = {"ha": "center", "va": "center", "fontsize": BODY, "color": DARK, "linespacing": 1.5}
LETTERS = 131  # Latin letters in an inch of text of one point


@dataclass(frozen=True)
class PanelRow:
    """Text cells side by side, each (x in inches, text, matplotlib's text properties); `height` in inches."""

    cells: tuple[tuple[float, str, dict], ...] = ()
    height: float = 0.21


@dataclass
class PanelPage:
    """Rows and pictures from top to bottom; `height` in inches grows with them."""

    width: float
    height: float = MARGIN
    artists: list[Callable[[Figure, float], None]] = field(default_factory=list)

    def rows(self, rows: list[PanelRow]) -> None:
        for row in rows:
            self.artists.append(lambda figure, height, row=row, top=self.height: _write(figure, height, row, top))
            self.height += row.height

    def pictures(self, views: list[tuple[str, Callable[[Axes], None], Callable[[Axes], None] | None]]) -> None:
        """Square pictures side by side, each as (title, drawing function, drawing function of the key below or
        None)."""
        side = (self.width - MARGIN * (len(views) + 1)) / len(views)
        for column, view in enumerate(views):
            left, top = MARGIN + column * (side + MARGIN), self.height + TITLE
            self.artists.append(
                lambda figure, height, view=view, left=left, top=top: _draw(figure, height, view, (left, top, side))
            )
        self.height += TITLE + side + BAR

    def strip(self, rows: list[PanelRow]) -> None:
        """Rows on a tinted background."""
        top, pad = self.height, 0.1
        tall = sum(row.height for row in rows) + 2 * pad
        self.artists.append(
            lambda figure, height: figure.add_artist(
                Rectangle(
                    (0, 1 - (top + tall) / height),
                    1,
                    tall / height,
                    transform=figure.transFigure,
                    color=STRIP,
                    lw=0,
                    zorder=0,
                )
            )
        )
        self.height += pad
        self.rows(rows)
        self.height += pad

    def figure(self) -> Figure:
        use_fonts()
        figure = plt.figure(figsize=(self.width, self.height + MARGIN), dpi=DPI)
        for draw in self.artists:
            draw(figure, self.height + MARGIN)
        return figure


def _write(figure: Figure, height: float, row: PanelRow, top: float) -> None:
    for x, text, how in row.cells:
        figure.text(
            x / figure.get_figwidth(),
            1 - (top + row.height / 2) / height,
            text,
            va="center_baseline",
            parse_math=False,
            **{"color": DARK, **how},
        )


def _draw(figure: Figure, height: float, view, place: tuple[float, float, float]) -> None:
    (title, draw, draw_key), (left, top, side) = view, place
    width = figure.get_figwidth()
    axes = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
    draw(axes)
    # y=1 is the default place; without it matplotlib lays the axes out once more to find it
    axes.set_title(title, fontsize=11, pad=4, y=1)
    axes.set_axis_off()
    if draw_key:
        draw_key(figure.add_axes((left / width, 1 - (top + side + 0.13) / height, side / width, 0.09 / height)))


def _head(record: EvidenceRecord, width: float) -> list[PanelRow]:
    return [
        PanelRow(((width / 2, verdict_line(record, language), {"fontsize": size, "ha": "center"}),), 0.28)
        for language, size in (("ko", 13.5), ("en", 12))
    ]


def _views(image: np.ndarray, heatmap: np.ndarray | None, record: EvidenceRecord) -> list:
    """The picture, and beside it the overlay or the sentence that there is none."""
    overlay = (
        (WORDS["looked"][0], lambda axes: axes.text(0.5, 0.5, _no_heatmap(), **CENTRED), None)
        if heatmap is None
        else (WORDS["looked"][0], lambda axes: draw_overlay(axes, image, heatmap, record), draw_bar)
    )
    return [(side_by_side("image"), lambda axes: axes.imshow(image), None), overlay]


def _no_heatmap() -> str:
    return "\n\n".join(wrap(text, 40) for text in NO_HEATMAP)


def _lime_view(image: np.ndarray, lime: LimeResult) -> tuple:
    return "LIME", lambda axes: draw_lime(axes, image, lime), draw_lime_key


def _paragraph(text: str, width: float, x: float = MARGIN, **how) -> list[PanelRow]:
    """Wrapped to `width` inches."""
    size = how.setdefault("fontsize", BODY)
    return [PanelRow(((x, line, how),)) for line in wrap(text, int(LETTERS / size * width)).split("\n")]


def _sentences(sentences: dict[str, str], width: float) -> list[PanelRow]:
    return [
        row
        for language in ("ko", "en")
        if sentences.get(language)
        for row in _paragraph(sentences[language], width - 2 * MARGIN)
    ]


def _list(lime: LimeResult, width: float) -> list[PanelRow]:
    """LIME's list, Korean and English side by side, and below it the share of the variance that it explains."""
    columns = zip(feature_lines(lime, "ko"), feature_lines(lime, "en"), strict=True)
    rows = [PanelRow(((MARGIN, ko, {"fontsize": BODY}), (width / 2, en, {"fontsize": BODY}))) for ko, en in columns]
    return [
        PanelRow(height=0.1),
        *rows,
        *(
            row
            for language in ("ko", "en")
            for row in _paragraph(lime_note(lime, language), width - 2 * MARGIN, fontsize=SMALL, color=SOFT)
        ),
        PanelRow(height=0.1),
    ]


def _trust(record: EvidenceRecord, width: float) -> list[PanelRow]:
    """The trust strip: heading, overall statement, one statement for each check, and the key to the markers."""
    statements = trust(record)
    title = PanelRow(((MARGIN, side_by_side("trust"), {"fontsize": 11}),), 0.27)
    lines = [row for statement in (overall(statements), *statements) for row in _statement(statement, width)]
    compared = {"region", "superpixels"} & {s.key for s in statements}
    notes = (MARKERS_KEY, side_by_side("elsewhere")) if compared else (MARKERS_KEY,)
    return [
        title,
        *lines,
        PanelRow(height=0.05),
        *(PanelRow(((MARGIN, note, {"fontsize": SMALL, "color": SOFT}),), 0.2) for note in notes),
    ]


def _file(record: EvidenceRecord, width: float) -> list[PanelRow]:
    """What the file says of itself, in both languages, and that it proves nothing; no rows where nobody looked."""
    if record.provenance is None:
        return []
    texts = zip(full_line(record.provenance), NOTE)
    return [PanelRow(height=0.1)] + [
        row
        for says, note in texts
        for row in (
            *_paragraph(drawable(says), width - 2 * MARGIN),
            *_paragraph(note, width - 2 * MARGIN, fontsize=SMALL, color=SOFT),
        )
    ]


def _statement(statement: Statement, width: float) -> list[PanelRow]:
    glyph, colour = MARKER[statement.level]
    x = MARGIN + 0.24
    if statement.key == "overall":
        return [
            PanelRow(
                (
                    (MARGIN, glyph, {"fontsize": 13, "color": colour}),
                    (x, f"{statement.ko} · {statement.en}", {"fontsize": 10.5}),
                ),
                0.27,
            )
        ]
    first, *more = _paragraph(statement.ko, width - x - MARGIN, x)
    marked = PanelRow(((MARGIN, glyph, {"fontsize": 12, "color": colour}), *first.cells), 0.2)
    return [marked, *more, *_paragraph(statement.en, width - x - MARGIN, x, color=SOFT)]


def result_figure(
    image: np.ndarray, heatmap: np.ndarray | None, record: EvidenceRecord, sentences: dict[str, str] | None = None
) -> Figure:
    """Picture and overlay side by side, the verdict above them and the sentences below.

    Args:
        image: uint8 [H, W, 3].
        heatmap: float [H, W] in 0..1; None draws a sentence in place of the overlay.
        sentences: language → text.
    """
    page = PanelPage(WIDTH[2])
    page.rows(_head(record, page.width))
    page.pictures(_views(image, heatmap, record))
    page.rows(_sentences(sentences or {}, page.width))
    return page.figure()


def _overview(image, heatmap, record, sentences, lime) -> PanelPage:
    page = PanelPage(WIDTH[3 if lime else 2])
    page.rows(_head(record, page.width))
    page.pictures(_views(image, heatmap, record) + ([_lime_view(image, lime)] if lime else []))
    page.rows(_sentences(sentences, page.width))
    return page


def overview_figure(
    image: np.ndarray,
    heatmap: np.ndarray | None,
    record: EvidenceRecord,
    sentences: dict[str, str],
    lime: LimeResult | None,
) -> Figure:
    """Verdict, picture, overlay, superpixels and sentences: the explanation at a glance; arguments as for `panel`."""
    return _overview(image, heatmap, record, sentences, lime).figure()


def panel(
    image: np.ndarray,
    heatmap: np.ndarray | None,
    record: EvidenceRecord,
    sentences: dict[str, str],
    lime: LimeResult | None,
) -> Figure:
    """The overview and below it LIME's list, the trust strip, and what the file says of itself.

    Args:
        image: uint8 [H, W, 3].
        heatmap: float [H, W] in 0..1; None draws a sentence in place of the overlay.
        sentences: language → text.
        lime: None omits LIME's picture and list.
    """
    page = _overview(image, heatmap, record, sentences, lime)
    page.rows(_list(lime, page.width) if lime else [PanelRow(height=0.1)])
    page.strip(_trust(record, page.width))
    page.rows(_file(record, page.width))
    return page.figure()


def lime_figure(image: np.ndarray, lime: LimeResult) -> Figure:
    """LIME's superpixels with their numbers, and beside them the list in both languages."""
    page, side = PanelPage(WIDTH[2]), 3.0
    x = side + 2.5 * MARGIN
    page.artists.append(
        lambda figure, height: _draw(figure, height, _lime_view(image, lime), (MARGIN, MARGIN + TITLE, side))
    )
    for language in ("ko", "en"):
        lines = feature_lines(lime, language)
        page.rows([row for line in lines for row in _paragraph(line, page.width - x - MARGIN, x, fontsize=9)])
        page.rows(
            _paragraph(lime_note(lime, language), page.width - x - MARGIN, x, fontsize=SMALL, color=SOFT)
            + [PanelRow(height=0.12)]
        )
    page.height = max(page.height, MARGIN + TITLE + side + 0.5)
    return page.figure()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure in the format of the path's suffix, PNG without one; close it, and return the path."""
    form = path.suffix[1:] or "png"
    with atomic_path(path) as partial:
        # PNG at matplotlib's default compression takes a third of the drawing's time
        figure.savefig(partial, format=form, pil_kwargs={"compress_level": 1} if form == "png" else {})
    plt.close(figure)
    return path
