"""The table of whether PaliGemma's sentences are grounded in the heatmap (`metrics/paligemma.json`), and the cost of
PaliGemma's true size (`metrics/fullsize.json`)."""

from __future__ import annotations

from aireal.core.statistics import interval

from .table import Table

TESTS = ("region", "moved", "mirror", "swapped", "plain", "causal")
WORDS = {
    "en": {
        "head": ("is it grounded in the heatmap?", "Korean", "control", "English", "control"),
        "region": "names the cell of the heatmap's peak (control: a shuffled heatmap's)",
        "moved": "another heatmap over the picture: names its cell (control: still names the old cell)",
        "mirror": "overlay mirrored: left and right change (control: they do not)",
        "swapped": "wrong class in the prompt: copied (control: names the right class)",
        "plain": "no overlay: still names the cell (control: always names the most frequent cell)",
        "causal": "named cell occluded: fall of P(verdict), in points (control: random areas)",
        "note": "After LoRA, on {n} test overlays of {groups} sources ({causal} in the last row); 95% intervals over "
        "sources. A sentence that contradicts its record is generated once more with another cell, which was right for "
        "{again} of the overlays; {base} show the base caption instead.",
    },
    "ko": {
        "head": ("히트맵을 보고 말하는가", "한국어", "대조군", "영어", "대조군"),
        "region": "히트맵 정점의 칸을 말함 (대조: 뒤섞은 히트맵)",
        "moved": "다른 히트맵을 얹으면 그 칸을 말함 (대조: 여전히 예전 칸)",
        "mirror": "오버레이를 뒤집으면 좌우가 바뀜 (대조: 바뀌지 않음)",
        "swapped": "프롬프트의 틀린 클래스를 그대로 옮김 (대조: 원래 클래스)",
        "plain": "오버레이가 없어도 칸을 맞힘 (대조: 가장 흔한 칸)",
        "causal": "지목한 칸을 가렸을 때 판정 확률의 하락, %p (대조: 무작위 영역)",
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
    """A sentence on what `aireal fullsize-check` measured; empty where it was not run."""
    if not (report := metrics.get("fullsize")):
        return ""
    model = SHAPE_KO.get(report["model"], report["model"]) if language == "ko" else report["model"]
    values = report | {"model": model, "share": report["trainable_share"], "peak": report["peak_memory_gib"]}
    return "\n" + TRUE_SIZE[language].format(**(values | report["seconds"])) + "\n"


def grounding_table(metrics: dict, language: str) -> Table:
    """A row for each test, with its value and its control for Korean and English sentences; – where a test was not
    run."""
    report, words = metrics["paligemma"], WORDS[language]
    tests, shown = report["looks"], report["after"]["ko"]["shown"]
    columns = [(spoken, kind) for spoken in ("ko", "en") for kind in ("value", "control")]
    rows = [[words[name], *(_cell(tests[spoken][name], kind, name) for spoken, kind in columns)] for name in TESTS]
    region, causal = tests["ko"]["region"], tests["ko"]["causal"]
    note = words["note"].format(
        n=region["n"] if region else 0,
        groups=region["groups"] if region else 0,
        causal=causal["n"] if causal else 0,
        again=interval(shown["regenerated"], 100, "%"),
        base=interval(shown["base_caption"], 100, "%"),
    )
    return Table(words["head"], rows, [note])


def _cell(test: dict | None, kind: str, name: str) -> str:
    return "–" if test is None else interval(test[kind], 100, "" if name == "causal" else "%")
