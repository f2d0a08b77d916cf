"""The table of whether PaliGemma's sentences are grounded in the heatmap (`metrics/paligemma.json`), and the cost of
PaliGemma's true size (`metrics/fullsize.json`)."""

from __future__ import annotations

from aireal.core.statistics import interval
from aireal.figures.grounding import GROUNDING_WORDING

from .table import Table

WORDS = {
    "en": {
        "head": ("is the sentence grounded in the heatmap?", "Korean", "control", "English", "control"),
        "control": "control",
        "note": "After LoRA, on {n} test overlays of {groups} sources ({causal} in the last row); 95% intervals over "
        "sources. A sentence that contradicts its record is generated once more with the next likeliest region, which "
        "was right for {again} of the overlays; {base} show the base caption instead.",
    },
    "ko": {
        "head": ("히트맵에 근거한 문장인가", "한국어", "대조군", "영어", "대조군"),
        "control": "대조",
        "note": "LoRA 후 테스트 오버레이 {n}장(출처 {groups}개), 대괄호는 출처 단위 95% 구간이며 "
        "마지막 줄은 {causal}장입니다. 기록과 어긋나는 문장은 다른 칸으로 한 번 더 쓰게 하며, "
        "{again}는 이때 맞았고 {base}는 기본 설명으로 바뀌었습니다.",
    },
}


TRUE_SIZE = {
    "en": "PaliGemma's true size by the same code ({model}; {device}): {parameters:,} parameters, {share:.2%} of them "
    "trained at rank {rank}. A training step on {rows} overlay took {step:.0f} s, {tokens} tokens {generation:.0f} s; "
    "peak memory was {peak:.1f} GiB.",
    "ko": "같은 코드로 실제 크기를 돌린 결과입니다({model}, {device}). 매개변수 {parameters:,}개 가운데 "
    "{share:.2%}를 학습했고(rank {rank}), 오버레이 {rows}장으로 한 학습 단계에 {step:.0f}초, "
    "토큰 {tokens}개 생성에 {generation:.0f}초, 최대 메모리 {peak:.1f} GiB가 들었습니다.",
}
SHAPE_KO = {"shape of google/paligemma-3b-pt-224, random weights": "google/paligemma-3b-pt-224의 구조, 무작위 가중치"}


def true_size(metrics: dict, language: str) -> str:
    """A sentence on what `aireal release fullsize-check` measured; empty where it was not run."""
    if not (report := metrics.get("fullsize")):
        return ""
    model = SHAPE_KO.get(report["model"], report["model"]) if language == "ko" else report["model"]
    values = report | {"model": model, "share": report["trainable_share"], "peak": report["peak_memory_gib"]}
    return "\n" + TRUE_SIZE[language].format(**(values | report["seconds"])) + "\n"


def grounding_table(metrics: dict, language: str) -> Table:
    """A row for each test, with its value and its control for Korean and English sentences; – where a test was not
    run."""
    report, words = metrics["paligemma"], WORDS[language]
    tests = report["grounding"]
    columns = [(spoken, kind) for spoken in ("ko", "en") for kind in ("value", "control")]
    rows = [
        [
            f"{text} ({words['control']}: {control})",
            *(_cell(tests[spoken][name], kind, name) for spoken, kind in columns),
        ]
        for name, (text, control) in GROUNDING_WORDING[language].items()
    ]
    region, causal = tests["ko"]["region"], tests["ko"]["causal"]
    note = words["note"].format(
        n=region["n"] if region else 0,
        groups=region["groups"] if region else 0,
        causal=causal["n"] if causal else 0,
        again=_of_both(report["after"], "regenerated"),
        base=_of_both(report["after"], "base_caption"),
    )
    return Table(words["head"], rows, [note])


def _of_both(after: dict, name: str) -> str:
    """A rate of Korean and of English sentences, in the order of the columns; once where both are equal."""
    rates = (interval(after[spoken]["shown"][name], 100, "%") for spoken in ("ko", "en"))
    return " / ".join(dict.fromkeys(rates))


def _cell(test: dict | None, kind: str, name: str) -> str:
    return "–" if test is None else interval(test[kind], 100, "" if name == "causal" else "%")
