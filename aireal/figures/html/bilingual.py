"""Text in Korean and English at once, escaped; `picture.css` shows the language that the page is switched to."""

from __future__ import annotations

from html import escape

from aireal.figures.words import WORDS

PAGE_WORDS = WORDS | {
    "opacity": ("히트맵 진하기", "Heatmap strength"),
    "marks": ("선과 표시", "Lines and marks"),
    "lime": ("근거가 된 조각 · LIME", "Pieces that mattered · LIME"),
    "pick": ("조각이나 줄을 누르면 둘이 함께 켜집니다.", "Press a piece or a line: both light up."),
    "real": ("실제", "real"),
    "fake": ("AI", "AI"),
    "not_proof": (
        "판정과 설명은 통계적 추정이며 증거가 아닙니다.",
        "Verdict and explanation are statistical estimates, not proof.",
    ),
}


def both(ko: str, en: str) -> str:
    """Two spans, one for each language, with the texts escaped."""
    return f'<span lang="ko">{escape(ko)}</span><span lang="en">{escape(en)}</span>'


def word(key: str) -> str:
    """`both` of an entry of `PAGE_WORDS`."""
    return both(*PAGE_WORDS[key])
