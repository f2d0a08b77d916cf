"""Intervals as small pictures: SVG without style attributes, so that the page's content policy can forbid them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 220  # px of a bar from 0 to 1


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
    plots: trying to see the wood and the trees").

    Args:
        label: what the picture shows, for those who cannot see it.
    """
    left, step = 250, 30
    lines = [
        Markup(
            '<text x="{}" y="{}" text-anchor="end">{}</text><g transform="translate({} {})">'
            '<line class="interval" x1="{}" y1="0" x2="{}" y2="0"/>'
            '<circle class="value" cx="{}" cy="0" r="5"/></g>'
        ).format(
            left - 14,
            step * place + 25,
            name,
            left,
            step * place + 20,
            *(_x(e[key], 380) for key in ("low", "high", "value")),
        )
        for place, (name, e) in enumerate(rows)
    ]
    height = step * len(rows) + 30
    ticks = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            left + _x(at, 380), height - 4, f"{at:g}"
        )
        for at in (0, 0.5, 1)
    ]
    axis = Markup(
        '<line class="scale" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>'
        '<line class="chance" x1="{3}" y1="4" x2="{3}" y2="{1}"/>'
    ).format(left, height - 20, left + 380, left + _x(chance, 380))
    return Markup('<svg class="forest" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        left + 400, height, escape(label), axis, Markup("").join(lines), Markup("").join(ticks)
    )


def _x(value: float, width: int = WIDTH) -> float:
    return round(width * min(max(value, 0.0), 1.0), 1)
