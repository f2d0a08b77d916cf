"""The words of a picture's parts, (Korean, English), that figures and pages share."""

from __future__ import annotations

WORDS = {
    "image": ("원본", "image"),
    "looked": ("주목한 곳 · Grad-CAM", "Where the model looked · Grad-CAM"),
    "low": ("낮음", "low"),
    "high": ("높음", "high"),
    "half": ("50% 이상", "≥ 50%"),
    "most": ("80% 이상", "≥ 80%"),
    "peak": ("최고점", "peak"),
    "region": ("지목한 영역", "named region"),
    "towards_fake": ("가짜 쪽 (+)", "towards fake (+)"),
    "towards_real": ("실제 쪽 (−)", "towards real (−)"),
    "trust": ("이 설명을 얼마나 믿을 수 있나", "How far to trust this explanation"),
    "elsewhere": (
        "다른 곳: 같은 크기의 무작위 영역 평균",
        "elsewhere: mean of random areas of the same size (percentage points)",
    ),
}
TRUST_LEVELS = {
    "good": ("좋음", "good"),
    "fair": ("보통", "fair"),
    "poor": ("나쁨", "poor"),
    "unknown": ("재지 않음", "not measured"),
}
CLASS_NAMES = {"real": ("실제 이미지", "real photograph"), "fake": ("AI 이미지", "AI image")}
UNCERTAIN = ("불확실", "uncertain")


def side_by_side(key: str) -> str:
    """An entry of `WORDS` in both languages, as a figure writes it: `최고점 · peak`."""
    return " · ".join(WORDS[key])
