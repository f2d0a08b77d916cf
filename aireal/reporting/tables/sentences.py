"""The table of PaliGemma's sentences before and after LoRA, rendered from `metrics/paligemma.json`."""

from __future__ import annotations

from .metrics import format_estimate
from .table import Table

SENTENCES = {
    "en": {
        "head": (
            "sentences",
            "exact class",
            "exact number",
            "region of the heatmap's peak",
            "contradict nothing, shown as written",
        ),
        "before": "before LoRA",
        "after": "after LoRA",
        "ko": "Korean",
        "en": "English",
        "note": "Raw sentences of the `{model}` PaliGemma for {n} test overlays; 95% intervals over sources. Always "
        "naming the most frequent region would be right in {chance}. A sentence that contradicts its record is never "
        "shown.",
    },
    "ko": {
        "head": ("문장", "클래스 일치", "확률 일치", "히트맵 최고점의 위치 일치", "모순이 없어 그대로 보이는 문장"),
        "before": "LoRA 전",
        "after": "LoRA 후",
        "ko": "한국어",
        "en": "영어",
        "note": "테스트 오버레이 {n}장에 대한 `{model}` PaliGemma의 원래 문장이며, 대괄호는 출처 단위 95% 구간입니다. "
        "가장 흔한 위치만 말하면 {chance}가 맞습니다. 기록과 어긋나는 문장은 보여 주지 않습니다.",
    },
}


def sentence_table(metrics: dict, language: str) -> Table:
    """The share of PaliGemma's raw sentences that agree with the record, before and after LoRA."""
    report, words = metrics["paligemma"], SENTENCES[language]
    rows = [
        [
            f"{words[spoken]}, {words[when]}",
            *(
                format_estimate(report[when][spoken][kind], True)
                for kind in ("class", "number", "region", "consistent")
            ),
        ]
        for when in ("before", "after")
        for spoken in ("ko", "en")
    ]
    after = report["after"]["ko"]
    return Table(
        words["head"],
        rows,
        [words["note"].format(n=after["n"], model=report["model"], chance=f"{after['commonest_region']['value']:.1%}")],
    )
