"""The table of the dataset audit, rendered from `metrics/audit.json`."""

from __future__ import annotations

from collections.abc import Sequence

from aireal.dataset.audit.findings import FAMILY_NAMES

from .metrics import format_estimate
from .table import Table

AUDIT = {
    "en": {
        "head": ("features", "AUROC", "shortcut suspected"),
        "yes": "yes",
        "no": "no",
        "names": FAMILY_NAMES,
        "changes": {},
        "note": "Small classifiers that see only these features, cross-validated on {images} pictures. When the "
        "{n} test pictures are stored in another format or size, this many verdicts of the network flip: {flips}.",
    },
    "ko": {
        "head": ("구분에 쓴 것", "AUROC", "의심"),
        "yes": "예",
        "no": "아니요",
        "names": {
            "container": "파일 형식과 메타데이터",
            "size": "크기",
            "overlay": "고정된 자리의 표시",
            "bytes": "파일 길이",
            "colour": "색 통계",
            "frequency": "주파수·잡음 통계",
            "together": "전부",
        },
        "changes": {"half size": "절반 크기"},
        "suspected": "{names}만 보아도 두 클래스가 어느 정도 구분되므로, 이 데이터셋으로 학습한 분류기는 "
        "그런 차이에 기댈 수 있습니다.",
        "clean": "의심되는 특징은 없었습니다.",
        "all": "점검 결과의 전문은 [영어 페이지](results.md#what-fools-it-and-what-it-may-be-cheating-with)에 "
        "있습니다.",
        "note": "이런 특징만 보는 작은 분류기들의 교차 검증 결과이며, 이미지 {images}장을 썼습니다. "
        "테스트 이미지 {n}장을 다시 저장했을 때 신경망의 판정이 뒤집힌 수: {flips}.",
    },
}


def audit_table(metrics: dict, language: str) -> Table:
    """The AUROC of each family of cheap features, and the verdicts that flip when a picture's format changes."""
    report, words = metrics["audit"], AUDIT[language]
    families = {**report["families"], "together": report["together"]}
    rows = [
        [words["names"][name], format_estimate(f["auroc"]), words["yes" if f["suspected"] else "no"]]
        for name, f in families.items()
    ]
    swap = report["format_swap"]
    flips = ", ".join(f"{count} ({words['changes'].get(name, name)})" for name, count in swap["flipped"].items())
    return Table(
        words["head"], rows, [words["note"].format(images=sum(report["images"].values()), flips=flips, n=swap["n"])]
    )


def audit_block(metrics: dict, language: str) -> str:
    """The audit's table in Markdown with the audit's verdict; in Korean with a summary of it."""
    verdict = metrics["audit"]["verdict"] if language == "en" else _verdict_ko(metrics["audit"]["suspected"])
    return f"{audit_table(metrics, language).markdown()}\n> {verdict}\n"


def _verdict_ko(suspected: Sequence[str]) -> str:
    words = AUDIT["ko"]
    names = ", ".join(words["names"][name] for name in suspected)
    return f"{words['suspected'].format(names=names) if suspected else words['clean']} {words['all']}"
