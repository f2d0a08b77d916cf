"""The README's bullets on what was measured about the explanations, one number each."""

from __future__ import annotations

from aireal.core.statistics import interval
from aireal.explain.faithfulness.occlusion import CONTROLS

WORDS = {
    "en": {
        "region": "**Heatmap**: hiding the region that the sentence names leaves the verdict less probable than hiding "
        "a random area of its size and shape in {value} of the comparisons ({n} test pictures, {areas} areas each; a "
        "place chosen blindly: {chance}).",
        "lime": "**LIME**: the same holds of the five superpixels with the largest weights for the verdict in {value} "
        "({n} pictures; a place chosen blindly: {chance}).",
        "mosaics": "**Pointing game**, mosaics of one picture of a class and three of the other: the share of the "
        "heatmap's positive evidence in the odd one's quarter is {value} (by chance: {chance}).",
        "certain": "{confident} for pictures with right and confident verdicts, and {all} for any pictures",
        "halves": "**Half-and-half**: in each of {n} photographs, one half went through a generator's autoencoder. "
        "That half holds {value} of the heatmap's evidence for AI; a half that was only saved again as a JPEG holds "
        "{chance}. Maps without such evidence count as 50% ({flat} of {n}).",
        "sentences": "**Sentences**: PaliGemma names the region of the heatmap's peak in {value} of {n} test overlays "
        "(always the most frequent region: {chance}); a sentence that contradicts its record is never shown.",
    },
    "ko": {
        "region": "**히트맵**: 문장이 지목한 영역을 가리면 같은 크기와 모양의 무작위 영역을 가렸을 때보다 판정 확률이 "
        "더 낮아지는 경우가 {value}입니다(테스트 {n}장, 이미지마다 무작위 {areas}곳과 비교, 아무 곳이나 고르면 "
        "{chance}).",
        "lime": "**LIME**: LIME이 판정의 근거로 꼽은 슈퍼픽셀 다섯 개로 같은 비교를 하면 {value}입니다({n}장, 아무 "
        "곳이나 고르면 {chance}).",
        "mosaics": "**포인팅 게임**: 한 클래스 한 장과 다른 클래스 세 장을 2×2로 이어 붙였을 때, 히트맵에서 그 "
        "한 장의 클래스를 뒷받침하는 근거 가운데 그 한 장에 놓인 비율은 {value}입니다(우연이면 {chance}).",
        "certain": "판정이 맞고 확실한 이미지에서는 {confident}, 모든 이미지에서 고르면 {all}",
        "halves": "**반반 이미지**: 사진의 절반만 생성 모델의 오토인코더를 거치면, AI를 가리키는 히트맵의 근거 "
        "가운데 {value}가 그 절반에 놓입니다(그 절반을 다시 저장하기만 하면 {chance}. "
        "{n}장 중 {flat}장은 그런 근거가 없어 비율을 50%로 계산합니다).",
        "sentences": "**문장**: PaliGemma는 테스트 오버레이 {n}장 가운데 {value}에서 히트맵 최고점의 위치를 "
        "맞혔습니다(가장 흔한 위치만 말하면 {chance}). 기록과 어긋나는 문장은 보여 주지 않습니다.",
    },
}
BLINDLY = "50%"
HALF = {"value": "share", "chance": "encoded_again"}  # its share by chance is measured, too


def measured_bullets(metrics: dict, language: str) -> str:
    """At most five bullets in Markdown; what was not measured is left out."""
    known = _known_answers(metrics.get("pointing"), language)
    found = {**_occlusions(metrics), **known, **_sentences(metrics, language)}
    return "".join(f"- {words.format(**found[name])}\n" for name, words in WORDS[language].items() if name in found)


def _occlusions(metrics: dict) -> dict[str, dict]:
    """Of all test pictures where `aireal measure` took them all, else of notebook 04's."""
    record = metrics.get("explanations_all") or metrics.get("explanations")
    tests = {area: record["all"][area] for area in ("region", "lime")} if record else {}
    return {
        area: {"value": interval(test["beats"], 100, "%"), "n": test["n"], "areas": CONTROLS, "chance": BLINDLY}
        for area, test in tests.items()
        if test
    }


def _known_answers(record: dict | None, language: str) -> dict[str, dict]:
    """Of the heatmap in use: pointing game (also with confident pictures, as in the paper, where there are enough) and
    half-and-half."""
    if not record:
        return {}
    mosaics, halves = record["mosaics"], record["halves"]
    found = {}
    rows = {pool: row for pool in ("confident", "all") if (row := _in_use(mosaics[pool]))}
    if shares := {pool: interval(row["share"], 100, "%") for pool, row in rows.items()}:
        value = WORDS[language]["certain"].format(**shares) if len(shares) == 2 else next(iter(shares.values()))
        found["mosaics"] = {"value": value, "chance": f"{mosaics['chance']:.0%}"}
    if row := _in_use(halves or {}):
        found["halves"] = {name: interval(row[key], 100, "%") for name, key in HALF.items()}
        found["halves"] |= {"n": row["n"], "flat": row["flat"]}
    return found


def _in_use(part: dict) -> dict | None:
    return next((row for row in part.get("rows", ()) if row["chosen"]), None)


def _sentences(metrics: dict, language: str) -> dict[str, dict]:
    if not (report := metrics.get("paligemma")):
        return {}
    rates = report["after"][language]
    chance = f"{rates['commonest_region']['value']:.1%}"
    return {"sentences": {"value": interval(rates["region"], 100, "%"), "n": rates["n"], "chance": chance}}
