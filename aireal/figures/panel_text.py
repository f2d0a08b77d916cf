"""The text of one image's figures: the verdict, LIME's list, and how reliable the list is."""

from __future__ import annotations

import textwrap

from aireal.captions.language.grammar import LANGUAGES, particles
from aireal.evidence.record import EvidenceRecord, LimeFeature
from aireal.explain.lime import LimeResult
from aireal.explain.lime.lime_image import LEAST_R2
from aireal.explain.trust import signed

from .words import CLASS_NAMES, UNCERTAIN

NO_BREAK = "R²\N{NO-BREAK SPACE}"  # keeps the number on its line
WORDS = {
    "ko": {
        "verdict": "분류 결과",
        "by_probability": {"real": "{p:.2f}% 확률로 실제", "fake": "{p:.2f}% 확률로 가짜"},
        "features": "상위 {n}개 중요 특징 (클래스 1_fake)",
        "feature": "특징 {number}: 중요도 {weight:.4f}",
        "unsettled": "이 목록은 다시 만들면 달라질 수 있습니다.",
        "too_low": "R² {r2}은(는) 순위를 매기기에 너무 낮습니다. 참고만 하세요.",
        "made": "일부를 가린 이미지 {samples}장으로 추정했고 대괄호는 95% 구간입니다. ",
        "explains": "목록은 확률 변화의 {share:.0%}를 설명합니다 (R² {r2}).",
        "explains_nothing": "목록은 확률 변화를 설명하지 못합니다 (R² {r2}).",
    },
    "en": {
        "verdict": "Verdict",
        "by_probability": {"real": "real with {p:.2f}%", "fake": "fake with {p:.2f}%"},
        "features": "Top {n} features (class 1_fake)",
        "feature": "feature {number}: importance {weight:.4f}",
        "unsettled": "This list may differ if it is made again.",
        "too_low": "R² {r2} is too low to rank: a hint only.",
        "made": "From {samples} versions with parts hidden; brackets: 95% interval. ",
        "explains": "The list explains {share:.0%} of the variation (R² {r2}).",
        "explains_nothing": "The list explains none of the variation (R² {r2}).",
    },
}


def verdict_line(record: EvidenceRecord, language: str) -> str:
    """`분류 결과: AI 이미지 (98.67% 확률로 가짜)` or the English line; in the uncertain band with `불확실`."""
    words, place = WORDS[language], LANGUAGES.index(language)
    probability = words["by_probability"][record.label].format(p=record.probability)
    line = f"{words['verdict']}: {CLASS_NAMES[record.label][place]} ({probability})"
    return f"{line} · {UNCERTAIN[place]}" if record.uncertain else line


def feature_lines(lime: LimeResult, language: str) -> list[str]:
    """The heading, a numbered line for each of LIME's strongest superpixels (with its 95% interval, if any), and a
    warning where they cannot be ranked."""
    words = WORDS[language]
    lines = [
        f"{i}. {words['feature'].format(number=f.superpixel, weight=f.weight)}{_interval(f)}"
        for i, f in enumerate(lime.top, 1)
    ]
    heading = words["features"].format(n=len(lines)) + ":"
    if lime.rankable:
        return [heading, *lines]
    warning = words["too_low"].format(r2=signed(lime.r2, 2, plus="")) if lime.r2 < LEAST_R2 else words["unsettled"]
    return [heading, *lines, particles(warning)]


def _interval(feature: LimeFeature) -> str:
    return "" if feature.low is None else f" [{feature.low:.3f}, {feature.high:.3f}]"


def lime_note(lime: LimeResult, language: str) -> str:
    """How the list was computed, and the share of the variance that it explains."""
    words = WORDS[language]
    explained = (
        words["explains" if lime.r2 > 0 else "explains_nothing"]
        .format(share=lime.r2, r2=signed(lime.r2, 2, plus=""))
        .replace("R² ", NO_BREAK)
    )
    return words["made"].format(samples=lime.samples) + explained


def wrap(text: str, width: int) -> str:
    """Break a text at spaces into lines of `width` Latin letters; a Hangul syllable counts as 1.75 of them."""
    hangul = sum("가" <= c <= "힣" for c in text) / max(1, len(text))
    return "\n".join(textwrap.wrap(text, round(width / (1 + 0.75 * hangul))))
