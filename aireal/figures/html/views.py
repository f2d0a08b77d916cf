"""The two views of an explanation as HTML: the heatmap over the photograph, and LIME's superpixels with their list."""

from __future__ import annotations

from html import escape

import numpy as np
from PIL import Image

from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.evidence.record import REGIONS, EvidenceRecord, LimeFeature
from aireal.explain.lime import LimeResult
from aireal.explain.trust import NO_HEATMAP
from aireal.figures.overlays import innermost
from aireal.figures.panel_text import feature_lines, lime_note
from aireal.figures.style import class_of_weight, tint_strength

from .bilingual import both, word
from .data_uris import heat_uri, level_path, outline

MOST = 640  # px, the largest side of a photograph in a page


def shown_square(picture: Image.Image) -> Image.Image:
    """The largest centred square, which the classifier sees, at most `MOST` px a side."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    square.thumbnail((MOST, MOST))
    return square


def overlay_view(photo: str, heatmap: np.ndarray | None, record: EvidenceRecord, key: str) -> str:
    """Photograph, heatmap and marks as three layers, and a slider for the heatmap's strength.

    Args:
        photo: data URI of the square that the classifier saw, in any resolution.
        heatmap: float [H, W] in 0..1; None shows the photograph and the sentence that there is no heatmap.
        key: letters and digits that no other picture of the page has; ids are made from it.
    """
    if heatmap is None:
        return f"""<figure class="view"><figcaption>{word("looked")}</figcaption>
<div class="stage"><img src="{photo}" alt=""></div><p class="note">{both(*NO_HEATMAP)}</p></figure>"""
    height, width = heatmap.shape
    contours = _line(level_path(heatmap, 0.5), "dashed") + _line(level_path(heatmap, 0.8))
    marks = f'viewBox="0 0 {width} {height}" aria-hidden="true">{contours}{_line(region_path(record, width, height))}'
    return overlay_frame(photo, heat_uri(heatmap), marks, both(*describe_peak(record)), key)


def overlay_frame(
    photo: str = "",
    heat: str = "",
    marks: str = "",
    description: str = "",
    key: str = "p",
    strength: int = 50,
    contours: bool = True,
) -> str:
    """The layers with slider and legend around them; empty, it is a template that a script fills.

    Args:
        marks: attributes and content of the SVG over the pictures.
        strength: where the slider stands, in percent.
        contours: whether the legend explains the heatmap's contours.
    """
    levels = (
        f"<span>{_sample('M1 6H23', 'dashed')}{word('half')}</span><span>{_sample('M1 6H23')}{word('most')}</span>\n"
        if contours
        else ""
    )
    marks = marks or f'viewBox="0 0 100 100" aria-hidden="true">{_line("M0 0")}'
    return f"""<figure class="view">
<figcaption>{word("looked")}</figcaption>
<div class="stage" role="img" aria-labelledby="{key}-peak">
<img src="{photo}" alt="" draggable="false"><img class="heat" src="{heat}" alt="" draggable="false">
<svg class="marks" {marks}</svg></div>
<p class="unseen" id="{key}-peak">{description}</p>
<div class="controls"><span><label for="{key}-opacity">{word("opacity")}</label>
<input type="range" id="{key}-opacity" data-opacity min="0" max="100" step="1" value="{strength}">
<output for="{key}-opacity">{strength}%</output></span>
<label class="check"><input type="checkbox" data-marks checked>{word("marks")}</label></div>
<div class="key"><span class="bar"><i></i></span><span>{word("low")}</span><span class="end">{word("high")}</span></div>
<p class="key samples">{levels}<span>{_sample("M12 1V11M7 6H17")}{word("peak")}</span>
<span>{_sample("M5 6V2H10M14 10H19V6")}{word("region")}</span></p>
</figure>"""


def describe_peak(record: EvidenceRecord) -> tuple[str, str]:
    """Where the heatmap's peak lies, in Korean and English, for those who cannot see the picture."""
    if record.region is None:
        return NO_HEATMAP
    x, y = record.peak
    ko, en = (REGION_WRITTEN[language][record.region][0] for language in ("ko", "en"))
    return (
        f"사진 위의 히트맵. 히트맵 값이 가장 큰 곳은 {ko} (왼쪽에서 {x:.0%}, 위에서 {y:.0%}).",
        f"Heatmap over the photograph, hottest {en} ({x:.0%} from the left, {y:.0%} from the top).",
    )


def _line(path: str, kind: str = "") -> str:
    """SVG path data as a white line on a black rim; "" for an empty path."""
    return f'<path class="rim" d="{path}"/><path class="line {kind}" d="{path}"/>' if path else ""


def region_path(record: EvidenceRecord, width: float, height: float) -> str:
    """SVG path data of the named region's corners and a cross at the peak, as in `overlays.draw_overlay`; or ""."""
    if record.region is None:
        return ""
    row, column = divmod(REGIONS.index(record.region), 3)
    x, y, reach = record.peak[0] * width, record.peak[1] * height, 0.03 * width
    corners = _corners(column * width / 3, row * height / 3, width / 3, height / 3)
    return f"{corners}M{x - reach:.1f} {y:.1f}H{x + reach:.1f}M{x:.1f} {y - reach:.1f}V{y + reach:.1f}"


def _corners(left: float, top: float, width: float, height: float) -> str:
    inset, arm = 0.03 * width, 0.2 * width
    x0, y0, x1, y1 = left + inset, top + inset, left + width - inset, top + height - inset
    return (
        f"M{x0:.1f} {y0 + arm:.1f}V{y0:.1f}H{x0 + arm:.1f}M{x1 - arm:.1f} {y0:.1f}H{x1:.1f}V{y0 + arm:.1f}"
        f"M{x1:.1f} {y1 - arm:.1f}V{y1:.1f}H{x1 - arm:.1f}M{x0 + arm:.1f} {y1:.1f}H{x0:.1f}V{y1 - arm:.1f}"
    )


def _sample(d: str, kind: str = "") -> str:
    return f'<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path class="line {kind}" d="{d}"/></svg>'


def lime_view(photo: str, lime: LimeResult, key: str) -> str:
    """The photograph with LIME's superpixels, the strongest numbered, and their list, linked to each other.

    Args:
        photo, key: as for `overlay_view`.
    """
    height, width = lime.segments.shape
    borders = "".join(outline(lime.segments == number) for number in range(lime.segments.max() + 1))
    strongest = max(abs(f.weight) for f in lime.top)
    pieces = "".join(_piece(lime, f, strongest, key) for f in lime.top)
    numbers = "".join(_number(lime, f) for f in lime.top)
    lines = {language: feature_lines(lime, language) for language in ("ko", "en")}
    reach = max(max(abs(v) for v in (f.weight, f.low, f.high) if v is not None) for f in lime.top) or 1.0
    rows = "".join(_row(f, lines["ko"][i], lines["en"][i], reach, key) for i, f in enumerate(lime.top, 1))
    warning = "".join(
        f'<p class="warning">{both(ko, en)}</p>'
        for ko, en in zip(*(lines[k][1 + len(lime.top) :] for k in ("ko", "en")))
    )
    return f"""<figure class="view lime" data-linked>
<figcaption>{word("lime")}</figcaption>
<svg class="stage" viewBox="0 0 {width} {height}" role="group" aria-labelledby="{key}-list">
<image href="{photo}" width="{width}" height="{height}" preserveAspectRatio="none"/>
<path class="borders" d="{borders}"/>{pieces}{numbers}</svg>
<p class="key"><i class="swatch fake"></i>{word("towards_fake")} <i class="swatch real"></i>{word("towards_real")}</p>
<p class="heading" id="{key}-list">{both(lines["ko"][0], lines["en"][0])}</p>
<ol class="pieces">{rows}</ol>{warning}
<p class="note">{word("pick")} {both(lime_note(lime, "ko"), lime_note(lime, "en"))}</p>
</figure>"""


def _piece(lime: LimeResult, feature: LimeFeature, strongest: float, key: str) -> str:
    number, path = feature.superpixel, outline(lime.segments == feature.superpixel)
    return (
        f'<path class="piece {class_of_weight(feature.weight)}" data-piece="{number}" d="{path}" '
        f'fill-opacity="{tint_strength(feature.weight, strongest):.2f}" tabindex="0" role="button" '
        f'aria-pressed="false" aria-labelledby="{key}-{number}"/>'
    )


def _number(lime: LimeResult, feature: LimeFeature) -> str:
    (row, column), (height, width) = innermost(lime.segments == feature.superpixel), lime.segments.shape
    text, tall = str(feature.superpixel), 0.055 * height
    wide = tall * (0.55 + 0.5 * len(text))
    x, y = (
        float(np.clip(column + 0.5, wide / 2, width - wide / 2)),
        float(np.clip(row + 0.5, tall / 2, height - tall / 2)),
    )
    return (
        f'<g class="number" data-for="{text}" aria-hidden="true">'
        f'<rect x="{x - wide / 2:.1f}" y="{y - tall / 2:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
        f'rx="{tall / 4:.1f}"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{0.8 * tall:.1f}">{text}</text></g>'
    )


def _row(feature: LimeFeature, ko: str, en: str, reach: float, key: str) -> str:
    """A line of LIME's list: text, weight as a bar from zero, interval as a whisker."""

    def place(value: float) -> float:
        return 50 + 50 * value / reach

    start, end = sorted((50.0, place(feature.weight)))
    low, high = (place(v if v is not None else feature.weight) for v in (feature.low, feature.high))
    bar = (
        f'<span class="weight" aria-hidden="true">'
        f'<i class="{class_of_weight(feature.weight)}" style="left:{start:.1f}%;width:{end - start:.1f}%"></i>'
        f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b></span>'
    )
    return (
        f'<li><button type="button" data-piece="{feature.superpixel}" aria-pressed="false">'
        f'<span id="{escape(key)}-{feature.superpixel}">{both(ko, en)}</span>{bar}</button></li>'
    )
