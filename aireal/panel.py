"""Figures of one image: what was seen, where, and why, in Korean and English."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.measure import regionprops
from skimage.segmentation import find_boundaries

from .evidence import REGIONS, EvidenceRecord
from .gradcam import overlay
from .lime import LimeResult

FONT = Path(__file__).parent / "fonts" / "NanumSquareR.ttf"
DPI = 110
LEGEND = "주황: 가짜 쪽 · orange: towards fake\n파랑: 실제 쪽 · blue: towards real"
TOWARDS_FAKE, TOWARDS_REAL = np.array([230, 97, 1]), np.array([33, 102, 172])  # orange and blue: safe for colour-blind readers

WORDS = {
    "ko": {"real": "실제 이미지", "fake": "AI 이미지", "verdict": "분류 결과", "uncertain": "불확실",
           "by_probability": {"real": "{p:.2f}% 확률로 실제", "fake": "{p:.2f}% 확률로 가짜"},
           "features": "상위 {n}개 중요 특징 (클래스 1_fake)", "feature": "특징 {number}: 중요도 {weight:.4f}"},
    "en": {"real": "real photograph", "fake": "AI image", "verdict": "Verdict", "uncertain": "uncertain",
           "by_probability": {"real": "real with {p:.2f}%", "fake": "fake with {p:.2f}%"},
           "features": "Top {n} features (class 1_fake)", "feature": "feature {number}: importance {weight:.4f}"},
}


def use_fonts() -> None:
    """Draw with the font of the package, which has all Hangul syllables, so that no installed Korean font is needed."""
    if not any(font.fname == str(FONT) for font in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(FONT)
    name = font_manager.FontProperties(fname=FONT).get_name()
    plt.rcParams["font.family"] = ["DejaVu Sans", name]  # Latin from matplotlib's own font, Hangul from ours


def verdict_line(record: EvidenceRecord, language: str) -> str:
    """`분류 결과: AI 이미지 (98.67% 확률로 가짜)`, or the same in English; behind it `불확실` where the verdict is in the uncertain band."""
    words = WORDS[language]
    line = f"{words['verdict']}: {words[record.label]} ({words['by_probability'][record.label].format(p=record.probability)})"
    return f"{line} · {words['uncertain']}" if record.uncertain else line


def feature_lines(lime: LimeResult, language: str) -> list[str]:
    """The heading and the numbered list of LIME's strongest superpixels."""
    words = WORDS[language]
    lines = [f"{i}. {words['feature'].format(number=f.superpixel, weight=f.weight)}" for i, f in enumerate(lime.top, 1)]
    return [words["features"].format(n=len(lines)) + ":", *lines]


def wrap(text: str, width: int) -> str:
    """Break at spaces; a Hangul syllable is as wide as two Latin letters, so `width` counts letters of the Latin kind."""
    hangul = sum("가" <= c <= "힣" for c in text) / max(1, len(text))
    return "\n".join(textwrap.wrap(text, round(width / (1 + 0.75 * hangul))))


def lime_image(image: np.ndarray, lime: LimeResult) -> np.ndarray:
    """uint8 [H, W, 3]: thin superpixel borders; the top ones tinted orange (towards `fake`) or blue (towards `real`), each the
    stronger the larger its weight."""
    out = image.astype(np.float32)
    largest = max(abs(f.weight) for f in lime.top) or 1.0
    for feature in lime.top:
        mask = lime.segments == feature.superpixel
        colour = TOWARDS_FAKE if feature.weight > 0 else TOWARDS_REAL
        strength = 0.25 + 0.4 * abs(feature.weight) / largest
        out[mask] = (1 - strength) * out[mask] + strength * colour
    out[find_boundaries(lime.segments, mode="inner")] *= 0.55
    return out.clip(0, 255).astype(np.uint8)


def draw_lime(axes, image: np.ndarray, lime: LimeResult) -> None:
    axes.imshow(lime_image(image, lime))
    centres = {p.label - 1: p.centroid for p in regionprops(lime.segments + 1)}
    for feature in lime.top:
        row, column = centres[feature.superpixel]
        axes.text(column, row, str(feature.superpixel), color="white", ha="center", va="center", fontsize=11,
                  bbox={"boxstyle": "round,pad=0.15", "facecolor": "black", "alpha": 0.6, "linewidth": 0})


def draw_overlay(axes, bar, image: np.ndarray, heatmap: np.ndarray, record: EvidenceRecord) -> None:
    """The overlay in `axes`, with the region that the sentence names framed and the map's peak ringed; its colour bar in `bar`."""
    axes.imshow(overlay(image, heatmap))
    height, width = heatmap.shape
    row, column = divmod(REGIONS.index(record.region), 3)
    axes.add_patch(Rectangle((column * width / 3, row * height / 3), width / 3 - 1, height / 3 - 1, fill=False, ec="white", lw=1.4, ls="--"))
    axes.plot(record.peak[0] * width, record.peak[1] * height, "o", ms=9, mfc="none", mec="white", mew=1.8)
    bar.imshow(np.linspace(0, 1, 256)[None], cmap="jet", aspect="auto", extent=(0, 1, 0, 1))
    bar.set(yticks=[], xticks=[0, 1])
    bar.tick_params(length=0, labelsize=8)
    for label, side in zip(bar.set_xticklabels(["낮음 · low", "높음 · high"]), ("left", "right")):
        label.set_horizontalalignment(side)
    for spine in bar.spines.values():
        spine.set_visible(False)


def _bare(axes, title: str) -> None:
    axes.set_title(title, fontsize=11, pad=4)
    axes.set_axis_off()


def result_figure(image: np.ndarray, heatmap: np.ndarray, record: EvidenceRecord, sentences: dict[str, str] | None = None) -> Figure:
    """Picture and overlay side by side, the verdict above in Korean and English, the sentences below.

    Args:
        image: uint8 [H, W, 3]; heatmap: float [H, W] in 0..1; sentences: language → text.
    """
    return _figure(image, heatmap, record, sentences or {}, None)


def panel(image: np.ndarray, heatmap: np.ndarray, record: EvidenceRecord, sentences: dict[str, str], lime: LimeResult | None) -> Figure:
    """Everything about one image: picture, overlay, LIME's superpixels, verdict, sentences and LIME's list."""
    return _figure(image, heatmap, record, sentences, lime)


# Layout in inches: the picture's side, margins and the height of a line of text.
SIDE, MARGIN, HEAD, BAR, LINE = 2.85, 0.15, 0.95, 0.42, 0.215


def _figure(image, heatmap, record, sentences: dict[str, str], lime: LimeResult | None) -> Figure:
    use_fonts()
    columns = 3 if lime else 2
    width = columns * SIDE + (columns + 1) * MARGIN
    paragraphs = [wrap(sentences[language], round(12.6 * width)) for language in ("ko", "en") if sentences.get(language)]
    lines = sum(p.count("\n") + 1 for p in paragraphs)
    listed = len(lime.top) + 1.6 if lime else 0
    height = HEAD + SIDE + BAR + LINE * (lines + listed) + MARGIN
    figure = plt.figure(figsize=(width, height), dpi=DPI)

    def axes_at(column: int, bottom: float, tall: float):
        return figure.add_axes(((MARGIN + column * (SIDE + MARGIN)) / width, bottom / height, SIDE / width, tall / height))

    def write(x: float, from_top: float, text: str, **how):
        figure.text(x / width, 1 - from_top / height, text, va="top", linespacing=1.45, **how)

    write(width / 2, 0.1, f"{verdict_line(record, 'ko')}\n{verdict_line(record, 'en')}", fontsize=12, ha="center")
    bottom = height - HEAD - SIDE
    views = [axes_at(column, bottom, SIDE) for column in range(columns)]
    views[0].imshow(image)
    draw_overlay(views[1], axes_at(1, bottom - 0.12, 0.08), image, heatmap, record)
    for axes, title in zip(views, ("원본 · image", "Grad-CAM", "LIME")):
        _bare(axes, title)
    write(MARGIN, HEAD + SIDE + BAR, "\n".join(paragraphs), fontsize=9.5)
    if lime:
        draw_lime(views[2], image, lime)
        write(2 * SIDE + 3 * MARGIN, HEAD + SIDE + 0.06, LEGEND, fontsize=8)
        for x, language in ((MARGIN, "ko"), (width / 2, "en")):
            write(x, HEAD + SIDE + BAR + LINE * (lines + 0.6), "\n".join(feature_lines(lime, language)), fontsize=9)
    return figure


def lime_figure(image: np.ndarray, lime: LimeResult) -> Figure:
    """LIME's superpixels with their numbers, and beside them the list in both languages."""
    use_fonts()
    figure, (picture, words) = plt.subplots(1, 2, figsize=(7.2, 3.5), dpi=DPI, width_ratios=[1, 1.1])
    draw_lime(picture, image, lime)
    _bare(picture, "LIME")
    words.set_axis_off()
    note = f"{LEGEND}\nR² {lime.r2:.2f}, {lime.samples} samples"
    words.text(0, 0.99, "\n".join([*feature_lines(lime, "ko"), "", *feature_lines(lime, "en")]), fontsize=9.5, va="top", linespacing=1.35)
    words.text(0, 0.0, note, fontsize=8, va="bottom", linespacing=1.3)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.92, wspace=0.04)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG (or whatever the suffix says) and free the figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
    return path
