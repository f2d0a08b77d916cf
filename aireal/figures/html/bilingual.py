"""Text of pages: escaped, in Korean and English at once; `picture.css` shows the language that the page is switched to."""

from __future__ import annotations

from html import escape

WORDS = {  # of the parts of one picture: (Korean, English)
    "looked": ("주목한 곳 · Grad-CAM", "Where the model looked · Grad-CAM"),
    "opacity": ("히트맵 진하기", "Heatmap strength"),
    "marks": ("선과 표시", "Lines and marks"),
    "low": ("낮음", "low"),
    "high": ("높음", "high"),
    "half": ("50% 이상", "≥ 50%"),
    "most": ("80% 이상", "≥ 80%"),
    "peak": ("최고점", "peak"),
    "region": ("지목한 영역", "named region"),
    "lime": ("근거가 된 조각 · LIME", "Pieces that mattered · LIME"),
    "towards_fake": ("가짜 쪽 (+)", "towards fake (+)"),
    "towards_real": ("실제 쪽 (−)", "towards real (−)"),
    "pick": ("조각이나 줄을 누르면 둘이 함께 켜집니다.", "Press a piece or a line: both light up."),
    "real": ("실제", "real"),
    "fake": ("AI", "AI"),
    "trust": ("이 설명을 얼마나 믿을 수 있나", "How far to trust this explanation"),
    "markers": ("● 좋음   ◐ 보통   ○ 나쁨   – 재지 않음", "● good   ◐ fair   ○ poor   – not measured"),
    "elsewhere": (
        "다른 곳: 같은 크기의 무작위 영역 평균",
        "elsewhere: mean of random areas of the same size (percentage points)",
    ),
    "not_proof": (
        "판정과 설명은 통계적 추정이며 증거가 아닙니다.",
        "Verdict and explanation are statistical estimates, not proof.",
    ),
}
LEVELS = {
    "good": ("좋음", "good"),
    "fair": ("보통", "fair"),
    "poor": ("나쁨", "poor"),
    "unknown": ("재지 않음", "not measured"),
}


def both(ko: str, en: str) -> str:
    """Two spans, one a language, with the texts escaped."""
    return f'<span lang="ko">{escape(ko)}</span><span lang="en">{escape(en)}</span>'


def word(key: str) -> str:
    """`both` of an entry of WORDS."""
    return both(*WORDS[key])
