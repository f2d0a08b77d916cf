"""The README's table of what the explanations are worth, rendered from `metrics/`."""

from __future__ import annotations

from aireal.core.statistics import interval
from aireal.explain.faithfulness.sanity import LIMIT
from aireal.explain.lime.explain import LEAST_R2

from .table import Table

WORDS = {
    "en": {
        "head": ("asked", "found", "by chance, or at random places"),
        "heatmap": "Does {method} at {layer} find what matters better than the controls? (ROAD, {n} validation images)",
        "control": "best control {value}",
        "region": "Hiding the region that the sentence names: fall of P(verdict), in points ({n} test images)",
        "lime": "Hiding the five superpixels that LIME weighs most for the verdict ({n})",
        "beats_region": "Images whose named region matters more than the mean random area",
        "beats_lime": "Images whose five superpixels do",
        "half": "50% for a place chosen blindly",
        "agreement": "Heatmap and LIME: IoU of their strongest fifths ({n})",
        "settled": "LIME lists that would come out alike again ({n})",
        "rankable": "LIME lists that may be ranked (settled, R² ≥ {least})",
        "samples": "{samples} samples, R² {r2:.2f} in the median",
        "sanity": "Rank correlation of the heatmap with that of random weights ({n} images; limit {limit})",
        "yes": "The heatmap beats both controls.",
        "no": "The heatmap does not beat the controls beyond chance: read it as a hint only.",
        "note": "In brackets 95% intervals, of means over sources, of shares by Wilson.",
    },
    "ko": {
        "head": ("질문", "결과", "우연 또는 무작위 위치"),
        "heatmap": "{layer}의 {method} 히트맵이 대조군보다 중요한 곳을 잘 찾는가 (ROAD, 검증 이미지 {n}장)",
        "control": "가장 나은 대조군 {value}",
        "region": "문장이 지목한 영역을 가렸을 때 판정 확률의 하락 (%p, 테스트 이미지 {n}장)",
        "lime": "LIME이 판정의 근거로 꼽은 다섯 조각을 가렸을 때 ({n}장)",
        "beats_region": "지목한 영역이 무작위 영역 평균보다 더 중요했던 이미지",
        "beats_lime": "다섯 조각이 그러했던 이미지",
        "half": "아무 곳이나 고르면 50%",
        "agreement": "히트맵과 LIME의 가장 강한 20%가 겹치는 정도 (IoU, {n}장)",
        "settled": "다시 만들어도 비슷할 LIME 목록 ({n}장)",
        "rankable": "순위를 믿을 만한 LIME 목록 (안정적이고 R² ≥ {least})",
        "samples": "중앙값: 표본 {samples}장, R² {r2:.2f}",
        "sanity": "가중치를 무작위로 바꾼 신경망의 히트맵과의 순위 상관 ({n}장, 한계 {limit})",
        "yes": "히트맵은 두 대조군보다 낫습니다.",
        "no": "히트맵이 대조군보다 낫다고 할 만한 차이는 없습니다. 참고로만 읽어 주세요.",
        "note": "대괄호는 95% 구간입니다 (평균은 출처 단위 부트스트랩, 비율은 윌슨 구간).",
    },
}


def explanation_table(found: dict, language: str) -> Table:
    """The table and a sentence that says whether the heatmap in use beats its controls. Figures of the whole test set,
    and of heatmaps on more validation pictures, are taken where `python -m aireal measure` has made them, else those of
    notebook 04."""
    words, used, scored = WORDS[language], found["heatmap"]["winner"], found.get("heatmap_all", found["heatmap"])
    heatmap = next(row for row in scored["rows"] if {"method": row["method"], "layer": row["layer"]} == used)
    measured = found.get("explanations_all", found["explanations"])
    rows = [_heatmap(heatmap, scored, words), *_removals(measured["all"], words), *_lists(measured, words)]
    if "sanity" in found:
        last = found["sanity"]["steps"][-1]["correlation"]
        rows.append((words["sanity"].format(n=found["sanity"]["n"], limit=LIMIT), interval(last), "–"))
    return Table(
        words["head"], rows, [words["yes" if heatmap["difference"]["low"] > 0 else "no"] + " " + words["note"]]
    )


def _heatmap(row: dict, scored: dict, words: dict) -> tuple[str, str, str]:
    control = max((r for r in scored["rows"] if r["control"]), key=lambda r: r["road"]["value"])
    asked = words["heatmap"].format(**row, n=scored["n"])
    return asked, interval(row["road"]), words["control"].format(value=interval(control["road"]))


def _removals(part: dict, words: dict) -> list[tuple[str, str, str]]:
    rows = []
    for area in ("region", "lime"):
        if found := part[area]:
            rows += [
                (words[area].format(n=found["n"]), interval(found["drop"], 100), interval(found["random"], 100)),
                (words[f"beats_{area}"], interval(found["beats_random"], 100, "%"), words["half"]),
            ]
    if found := part["agreement"]:
        rows.append((words["agreement"].format(n=found["n"]), interval(found), f"{found['chance']:.3f}"))
    return rows


def _lists(measured: dict, words: dict) -> list[tuple[str, str, str]]:
    lists = measured["lists"]
    if not lists:
        return []
    samples = words["samples"].format(samples=lists["median_samples"], r2=lists["median_r2"])
    return [
        (words["settled"].format(n=lists["n"]), interval(lists["settled"], 100, "%"), samples),
        (words["rankable"].format(least=LEAST_R2), interval(lists["rankable"], 100, "%"), "–"),
    ]
