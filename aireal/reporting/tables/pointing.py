"""Rows of the explanations' table on the tests with a known answer, rendered from `metrics/pointing.json`."""

from __future__ import annotations

from aireal.core.statistics import interval
from aireal.explain.faithfulness.positive_evidence import LIME

WORDS = {
    "en": {
        "confident": "Mosaics of one picture of a class and three of the other, all called right with high confidence: "
        "positive evidence for the odd one's class that lies in its quarter ({n})",
        "all": "The same with all test pictures, also those that are called wrong ({n})",
        "half": "Photographs one half of which went through a generator's autoencoder: positive evidence for class "
        "fake that lies in that half ({n})",
        "heatmap": "heatmap {share}",
        "lime": "LIME {share}",
        "control": "where the half is only saved again as a JPEG: {shares}",
        "counts": "{n}; LIME: {lime}",
        "figure": "Share of the positive evidence in the odd one's quarter and in the replaced half, for each heatmap "
        "method and LIME",
    },
    "ko": {
        "confident": "한 클래스 한 장과 다른 클래스 세 장을 이어 붙인 모자이크에서, 그 한 장의 클래스를 가리키는 "
        "근거가 제자리에 놓인 비율 (확신을 갖고 맞힌 이미지, {n})",
        "all": "틀린 이미지까지 모든 테스트 이미지로 했을 때 ({n})",
        "half": "절반만 생성 모델의 오토인코더를 거친 사진에서, 가짜를 가리키는 근거가 그 절반에 놓인 비율 ({n})",
        "heatmap": "히트맵 {share}",
        "lime": "LIME {share}",
        "control": "그 절반을 다시 저장하기만 했을 때: {shares}",
        "counts": "{n}장, LIME {lime}장",
        "figure": "히트맵 방법과 LIME별로, 근거가 제자리 칸과 바뀐 절반에 놓인 비율",
    },
}
COUNT = {"en": "{n}", "ko": "{n}장"}


def pointing_rows(record: dict | None, language: str) -> list[tuple[str, str, str]]:
    """Rows (measure, value, by chance) of pointing game and half-and-half, for the heatmap in use and LIME.

    Args:
        record: metrics/pointing.json; None where it was not measured, which gives no rows.
    """
    if not record:
        return []
    words, mosaics, halves = WORDS[language], record["mosaics"], record["halves"]
    rows = [
        (words[pool].format(n=_counts(shown, language)), _shares(shown, "share", words), f"{mosaics['chance']:.0%}")
        for pool in ("confident", "all")
        if (shown := _shown(mosaics[pool].get("rows", ())))
    ]
    if halves:
        shown = _shown(halves["rows"])
        control = words["control"].format(shares=_shares(shown, "encoded_again", words))
        rows.append((words["half"].format(n=_counts(shown, language)), _shares(shown, "share", words), control))
    return rows


def pointing_figure(record: dict | None, language: str, images: str = "readme_images") -> str:
    """The figure's line in Markdown, with `images` as the link to its folder; empty where it was not measured."""
    return f"\n![{WORDS[language]['figure']}]({images}/pointing.png)\n" if record else ""


def _shown(rows: list[dict]) -> dict[str, dict]:
    """The rows of the heatmap in use and of LIME, if it was run, by "heatmap" and "lime"."""
    return {"lime" if row["name"] == LIME else "heatmap": row for row in rows if row["chosen"] or row["name"] == LIME}


def _shares(shown: dict[str, dict], key: str, words: dict) -> str:
    return ", ".join(words[name].format(share=interval(row[key], 100, "%")) for name, row in shown.items())


def _counts(shown: dict[str, dict], language: str) -> str:
    if "lime" not in shown:
        return COUNT[language].format(n=shown["heatmap"]["n"])
    return WORDS[language]["counts"].format(n=shown["heatmap"]["n"], lime=shown["lime"]["n"])
