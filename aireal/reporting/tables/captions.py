"""The table of the training sentences' authors and diversity, rendered from `metrics/captions.json`."""

from __future__ import annotations

import pandas as pd

from .table import Table

WORDS = {
    "en": {
        "head": (
            "author",
            "language",
            "sentences",
            "distinct sentences",
            "distinct-1",
            "distinct-2",
            "self-BLEU",
            "similarity of an image's sentences",
        ),
        "authors": {"base": "base caption", "offline": "offline grammar"},
        "languages": {"en": "English", "ko": "Korean"},
        "note": "Distinct-n is the share of n-grams that are new, self-BLEU the likeness of one author's sentences "
        "(1: identical); {measured}Class, number and region must be the record's, so much of a sentence is fixed. "
        "Rejected by the check: {rejected}. {cost}",
        "measured": "these columns are measured on {n:,} sentences of each author. ",
        "free": "No sentence here was written by Claude, and nothing was spent.",
        "spent": "Cost: ${usd:.2f}.",
    },
    "ko": {
        "head": (
            "작성자",
            "언어",
            "문장",
            "서로 다른 문장",
            "distinct-1",
            "distinct-2",
            "self-BLEU",
            "한 이미지의 문장끼리 닮은 정도",
        ),
        "authors": {"base": "기본 설명", "offline": "오프라인 문법"},
        "languages": {"en": "영어", "ko": "한국어"},
        "note": "distinct-n은 새로운 n-gram의 비율, self-BLEU는 한 작성자의 문장들이 서로 닮은 정도입니다"
        "(1이면 똑같음). {measured}클래스, 확률, 위치는 기록과 같아야 하므로 문장의 상당 부분은 정해져 있습니다. "
        "검사에서 빠진 문장: {rejected}개. {cost}",
        "measured": "이 값들은 작성자마다 문장 {n:,}개로 쟀습니다. ",
        "free": "여기에는 Claude가 쓴 문장이 없으며 비용도 들지 않았습니다.",
        "spent": "비용: ${usd:.2f}.",
    },
}


def caption_table(metrics: dict, language: str) -> Table:
    """A row for each author and language; the note has the rejected sentences and the cost."""
    report, words = metrics["captions"], WORDS[language]
    rows = [
        (
            words["authors"].get(d["author"], d["author"]),
            words["languages"][d["language"]],
            f"{d['sentences']:,}",
            f"{d['different']:.0%}",
            f"{d['distinct-1']:.3f}",
            f"{d['distinct-2']:.3f}",
            f"{d['self-BLEU']:.2f}",
            "–" if pd.isna(d["similarity"]) else f"{d['similarity']:.2f}",
        )
        for d in report["diversity"]
    ]
    cost = (
        words["free"]
        if set(report["authors"]) <= set(words["authors"])
        else words["spent"].format(usd=report["cost_usd"] or 0)
    )
    numbers = {d["measured"] for d in report["diversity"]}
    measured = words["measured"].format(n=numbers.pop()) if len(numbers) == 1 else ""  # an older record has several
    return Table(words["head"], rows, [words["note"].format(measured=measured, rejected=report["rejected"], cost=cost)])
