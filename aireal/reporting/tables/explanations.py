"""The table of the explanations' faithfulness, rendered from `metrics/`."""

from __future__ import annotations

from aireal.core.statistics import interval
from aireal.explain.faithfulness.occlusion import CONTROLS
from aireal.explain.faithfulness.sanity import LIMIT
from aireal.explain.lime.lime_image import LEAST_R2

from .pointing import pointing_rows
from .table import Table

WORDS = {
    "en": {
        "head": ("measure", "value", "by chance, or at random places"),
        "heatmap": "{method} at {layer}: ROAD, higher for a better order of the pixels ({n} validation images)",
        "control": "best control {value}",
        "region": "Named region occluded: fall of P(verdict), in points ({n} test images)",
        "lime": "Five superpixels with LIME's largest weights for the verdict occluded: fall of P(verdict), in points "
        "({n} test images)",
        "beats_region": "Random areas that lower P(verdict) less than the named region: mean share of {areas} an image",
        "beats_lime": "Random areas that lower P(verdict) less than these superpixels: mean share of {areas} an image",
        "half": "50% for a place chosen blindly",
        "agreement": "Heatmap and LIME: IoU of their strongest fifths ({n})",
        "contradicted": "LIME counts the heatmap's peak as evidence against the verdict ({n})",
        "settled": "Stable LIME lists: a second run is expected to give a similar one ({n}; {samples})",
        "rankable": "LIME lists that are stable and have an R² of at least {least}, enough for a ranking",
        "samples": "median: {samples} samples, R² {r2:.2f}",
        "sanity": "Rank correlation of the heatmap with that of randomised weights ({n} images; limit {limit})",
        "yes": "The heatmap beats both controls.",
        "no": "These images do not show that the heatmap beats its controls: read it as a hint only.",
        "note": "Brackets: 95% intervals over sources.",
    },
    "ko": {
        "head": ("질문", "결과", "우연 또는 무작위 위치"),
        "heatmap": "{layer}의 {method} 히트맵이 대조군보다 중요한 곳을 잘 찾는가 (ROAD, 검증 이미지 {n}장)",
        "control": "가장 나은 대조군 {value}",
        "region": "문장이 지목한 영역을 가렸을 때 판정 확률의 하락 (%p, 테스트 이미지 {n}장)",
        "lime": "LIME이 판정의 근거로 꼽은 슈퍼픽셀 다섯 개를 가렸을 때 판정 확률의 하락 (%p, 테스트 이미지 {n}장)",
        "beats_region": "지목한 영역보다 판정 확률을 덜 떨어뜨린 무작위 영역 (이미지마다 {areas}곳 중, 평균)",
        "beats_lime": "슈퍼픽셀 다섯 개보다 판정 확률을 덜 떨어뜨린 무작위 영역 (이미지마다 {areas}곳 중, 평균)",
        "half": "아무 곳이나 고르면 50%",
        "agreement": "히트맵과 LIME의 가장 강한 20%가 겹치는 정도 (IoU, {n}장)",
        "contradicted": "LIME이 히트맵의 최고점을 판정에 반대되는 자리로 본 이미지 ({n}장)",
        "settled": "다시 만들어도 비슷할 LIME 목록 ({n}장, {samples})",
        "rankable": "순위를 믿을 만한 LIME 목록 (안정적이고 R² ≥ {least})",
        "samples": "중앙값: 표본 {samples}장, R² {r2:.2f}",
        "sanity": "가중치를 무작위로 바꾼 신경망의 히트맵과의 순위 상관 ({n}장, 한계 {limit})",
        "yes": "히트맵은 두 대조군보다 낫습니다.",
        "no": "히트맵이 대조군보다 낫다고 할 만한 차이는 없습니다. 참고로만 읽어 주세요.",
        "note": "대괄호는 출처 단위의 95% 구간입니다.",
    },
}


def explanation_table(metrics: dict, language: str) -> Table:
    """Heatmap score, occlusion tests, LIME's stability and the tests with a known answer.

    The note says whether the heatmap beats its controls.

    Metrics of `python -m aireal measure` (the whole test set, more validation pictures) precede those of notebook 04.
    """
    words, used, scored = WORDS[language], metrics["heatmap"]["winner"], metrics.get("heatmap_all", metrics["heatmap"])
    heatmap = next(row for row in scored["rows"] if {"method": row["method"], "layer": row["layer"]} == used)
    measured = metrics.get("explanations_all", metrics["explanations"])
    rows = [_heatmap(heatmap, scored, words), *_occlusions(measured["all"], words), *_lists(measured, words)]
    if "sanity" in metrics:
        last = metrics["sanity"]["steps"][-1]["correlation"]
        rows.append((words["sanity"].format(n=metrics["sanity"]["n"], limit=LIMIT), interval(last), "–"))
    rows += pointing_rows(metrics.get("pointing"), language)
    return Table(
        words["head"], rows, [words["yes" if heatmap["difference"]["low"] > 0 else "no"] + " " + words["note"]]
    )


def _heatmap(row: dict, scored: dict, words: dict) -> tuple[str, str, str]:
    control = max((r for r in scored["rows"] if r["control"]), key=lambda r: r["road"]["value"])
    measure = words["heatmap"].format(**row, n=scored["n"])
    return measure, interval(row["road"]), words["control"].format(value=interval(control["road"]))


def _occlusions(part: dict, words: dict) -> list[tuple[str, str, str]]:
    rows = []
    for area in ("region", "lime"):
        if test := part[area]:
            rows += [
                (words[area].format(n=test["n"]), interval(test["drop"], 100), interval(test["random"], 100)),
                (words[f"beats_{area}"].format(areas=CONTROLS), interval(test["beats"], 100, "%"), words["half"]),
            ]
    if iou := part["agreement"]:
        rows.append((words["agreement"].format(n=iou["n"]), interval(iou), f"{iou['chance']:.3f}"))
    if share := part.get("contradicted"):
        rows.append((words["contradicted"].format(n=share["n"]), interval(share, 100, "%"), "–"))
    return rows


def _lists(measured: dict, words: dict) -> list[tuple[str, str, str]]:
    lists = measured["lists"]
    if not lists:
        return []
    samples = words["samples"].format(samples=lists["median_samples"], r2=lists["median_r2"])
    return [
        (words["settled"].format(n=lists["n"], samples=samples), interval(lists["settled"], 100, "%"), "–"),
        (words["rankable"].format(least=LEAST_R2), interval(lists["rankable"], 100, "%"), "–"),
    ]
