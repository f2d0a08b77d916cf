"""The two pictures of an explanation: heatmap over photograph with a strength to choose, and LIME's superpixels that light up with their list."""

from __future__ import annotations

from html import escape

import numpy as np
from PIL import Image

from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.evidence.record import REGIONS, EvidenceRecord, LimeFeature
from aireal.explain.lime import LimeResult
from aireal.figures.overlays import innermost
from aireal.figures.panel_text import feature_lines, lime_note

from .bilingual import both, word
from .data_uris import heat_uri, level_path, outline

MOST = 640  # px of the photograph's side in a page


def shown_square(picture: Image.Image) -> Image.Image:
    """The part of the picture that the classifier saw, the largest centred square, as sharp as a page shows it."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    square.thumbnail((MOST, MOST))
    return square


def overlay_view(photo: str, heatmap: np.ndarray, record: EvidenceRecord, key: str) -> str:
    """Photograph, heatmap and marks as three layers, and a slider for the heatmap's strength.

    Args:
        photo: data URI of the square that was seen, in any resolution.
        heatmap: float [H, W] in 0..1.
        key: letters and digits that no other picture of the page has; ids are made from it.
    """
    height, width = heatmap.shape
    x, y = record.peak
    ko, en = (REGION_WRITTEN[language][record.region][0] for language in ("ko", "en"))
    said = both(
        f"사진 위의 히트맵. 가장 뜨거운 곳은 {ko} (왼쪽에서 {x:.0%}, 위에서 {y:.0%}).",
        f"Heatmap over the photograph, hottest {en} ({x:.0%} from the left, {y:.0%} from the top).",
    )
    return f"""<figure class="view">
<figcaption>{word("looked")}</figcaption>
<div class="stage" role="img" aria-labelledby="{key}-said">
<img src="{photo}" alt="" draggable="false"><img class="heat" src="{heat_uri(heatmap)}" alt="" draggable="false">
<svg class="marks" viewBox="0 0 {width} {height}" aria-hidden="true">{_marks(heatmap, record)}</svg></div>
<p class="unseen" id="{key}-said">{said}</p>
<div class="controls"><span><label for="{key}-opacity">{word("opacity")}</label>
<input type="range" id="{key}-opacity" data-opacity min="0" max="100" step="1" value="50"><output for="{key}-opacity">50%</output></span>
<label class="check"><input type="checkbox" data-marks checked>{word("marks")}</label></div>
<div class="key"><span class="bar"><i></i></span><span>{word("low")}</span><span class="end">{word("high")}</span></div>
<p class="key samples"><span>{_sample("M1 6H23", "dashed")}{word("half")}</span><span>{_sample("M1 6H23")}{word("most")}</span>
<span>{_sample("M12 1V11M7 6H17")}{word("peak")}</span><span>{_sample("M5 6V2H10M14 10H19V6")}{word("region")}</span></p>
</figure>"""


def _marks(heatmap: np.ndarray, record: EvidenceRecord) -> str:
    """The lines of `panel_views.draw_overlay`: 50% and 80% of the scale, the named region's corners, the peak; each white on a black rim."""
    height, width = heatmap.shape
    row, column = divmod(REGIONS.index(record.region), 3)
    x, y, reach = record.peak[0] * width, record.peak[1] * height, 0.03 * width
    lines = [
        (level_path(heatmap, 0.5), "dashed"),
        (level_path(heatmap, 0.8), ""),
        (_corners(column * width / 3, row * height / 3, width / 3, height / 3), ""),
        (f"M{x - reach:.1f} {y:.1f}H{x + reach:.1f}M{x:.1f} {y - reach:.1f}V{y + reach:.1f}", "peak"),
    ]
    return "".join(f'<path class="rim" d="{d}"/><path class="line {kind}" d="{d}"/>' for d, kind in lines if d)


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
    """The photograph with LIME's superpixels, the five strongest numbered, and their list; a piece and its line light up together.

    Args:
        photo, key: as for `overlay_view`.
    """
    height, width = lime.segments.shape
    borders = "".join(outline(lime.segments == number) for number in range(lime.segments.max() + 1))
    strongest = max(abs(f.weight) for f in lime.top) or 1.0
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
<image href="{photo}" width="{width}" height="{height}" preserveAspectRatio="none"/><path class="borders" d="{borders}"/>{pieces}{numbers}</svg>
<p class="key"><i class="swatch fake"></i>{word("towards_fake")} <i class="swatch real"></i>{word("towards_real")}</p>
<p class="heading" id="{key}-list">{both(lines["ko"][0], lines["en"][0])}</p>
<ol class="pieces">{rows}</ol>{warning}
<p class="note">{word("pick")} {both(lime_note(lime, "ko"), lime_note(lime, "en"))}</p>
</figure>"""


def _side(feature: LimeFeature) -> str:
    return "fake" if feature.weight > 0 else "real"


def _piece(lime: LimeResult, feature: LimeFeature, strongest: float, key: str) -> str:
    tint = 0.25 + 0.4 * abs(feature.weight) / strongest  # as in `panel_views.lime_image`
    return (
        f'<path class="piece {_side(feature)}" data-piece="{feature.superpixel}" d="{outline(lime.segments == feature.superpixel)}" '
        f'fill-opacity="{tint:.2f}" tabindex="0" role="button" aria-pressed="false" aria-labelledby="{key}-{feature.superpixel}"/>'
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
        f'<g class="number" data-for="{text}" aria-hidden="true"><rect x="{x - wide / 2:.1f}" y="{y - tall / 2:.1f}" width="{wide:.1f}" '
        f'height="{tall:.1f}" rx="{tall / 4:.1f}"/><text x="{x:.1f}" y="{y:.1f}" font-size="{0.8 * tall:.1f}">{text}</text></g>'
    )


def _row(feature: LimeFeature, ko: str, en: str, reach: float, key: str) -> str:
    """A line of the list with its weight as a bar around zero and the interval as a whisker."""

    def place(value: float) -> float:
        return 50 + 50 * value / reach

    start, end = sorted((50.0, place(feature.weight)))
    low, high = (place(v if v is not None else feature.weight) for v in (feature.low, feature.high))
    bar = (
        f'<span class="weight" aria-hidden="true"><i class="{_side(feature)}" style="left:{start:.1f}%;width:{end - start:.1f}%"></i>'
        f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b></span>'
    )
    return (
        f'<li><button type="button" data-piece="{feature.superpixel}" aria-pressed="false"><span id="{escape(key)}-{feature.superpixel}">'
        f"{both(ko, en)}</span>{bar}</button></li>"
    )
