"""Intervals as small pictures: SVG without style attributes, so that the page's content policy can forbid them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 220  # px of a bar from 0 to 1
ROW, BAR, MARGIN = 40, 324, 8  # of a forest plot: a row's height, the bar from 0 to 1, and the space beside it


def whisker(estimate: dict, chance: float | None = None) -> Markup:
    """A value between 0 and 1 with its interval as a point on a bar; a dashed line where chance is. Decoration: the
    figures stand beside it."""
    low, high, value = (_x(estimate[key]) for key in ("low", "high", "value"))
    dashed = (
        Markup('<line class="chance" x1="{0}" y1="2" x2="{0}" y2="20"/>').format(_x(chance))
        if chance is not None
        else ""
    )
    return Markup(
        '<svg class="whisker" viewBox="-6 0 {0} 22" aria-hidden="true">'
        '<line class="scale" x1="0" y1="11" x2="{1}" y2="11"/>{2}'
        '<line class="interval" x1="{3}" y1="11" x2="{4}" y2="11"/>'
        '<circle class="value" cx="{5}" cy="11" r="4.5"/></svg>'
    ).format(WIDTH + 12, WIDTH, dashed, low, high, value)


def forest(rows: Sequence[tuple[str, dict]], chance: float, label: str) -> Markup:
    """Rows of (name, estimate between 0 and 1) under one another, as in a forest plot (Lewis & Clarke 2001, "Forest
    plots: trying to see the wood and the trees"). A name stands above its interval, so that a phone shows both.

    Args:
        label: what the picture shows, for those who cannot see it.
    """
    bottom = ROW * len(rows) + 6
    drawn = [_forest_row(name, estimate, ROW * place) for place, (name, estimate) in enumerate(rows)]
    ticks = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            _forest_x(at), bottom + 16, f"{at:g}"
        )
        for at in (0, 0.5, 1)
    ]
    axis = Markup(
        '<line class="scale" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>'
        '<line class="chance" x1="{3}" y1="4" x2="{3}" y2="{1}"/>'
    ).format(MARGIN, bottom, MARGIN + BAR, _forest_x(chance))
    return Markup('<svg class="forest" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        BAR + 2 * MARGIN, bottom + 22, escape(label), axis, Markup("").join(drawn), Markup("").join(ticks)
    )


def _forest_row(name: str, estimate: dict, top: int) -> Markup:
    low, high, value = (_forest_x(estimate[key]) for key in ("low", "high", "value"))
    return Markup(
        '<text x="{0}" y="{1}">{2}</text><line class="interval" x1="{3}" y1="{4}" x2="{5}" y2="{4}"/>'
        '<circle class="value" cx="{6}" cy="{4}" r="5"/>'
    ).format(MARGIN, top + 14, name, low, top + 28, high, value)


def _forest_x(value: float) -> float:
    return round(MARGIN + _x(value, BAR), 1)


def _x(value: float, width: int = WIDTH) -> float:
    return round(width * min(max(value, 0.0), 1.0), 1)
