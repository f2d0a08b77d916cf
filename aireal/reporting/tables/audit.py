"""The table of the dataset audit, rendered from `metrics/audit.json`."""

from __future__ import annotations

from .metrics import format_estimate
from .table import Table

AUDIT = {
    "en": {
        "head": ("told apart by", "AUROC", "suspected"),
        "yes": "yes",
        "no": "no",
        "names": {
            "container": "file format and metadata",
            "size": "size",
            "overlay": "a mark at a fixed place",
            "bytes": "file length",
            "colour": "colour statistics",
            "frequency": "frequency and noise statistics",
            "together": "all together",
        },
        "changes": {},
        "note": "Small classifiers that see only such features, {images} pictures, out of fold. Stored anew, the "
        "network's verdict flips on "
        "{flips} of {n} test pictures.",
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
        "note": "이런 특징만 보는 작은 분류기들의 교차 검증 결과이며, 이미지 {images}장을 썼습니다. "
        "테스트 이미지 {n}장을 다시 저장했을 때 신경망의 판정이 뒤집힌 수: {flips}.",
    },
}


def audit_table(found: dict, language: str) -> Table:
    """What each family of cheap features tells of the class, and the format swap."""
    report, words = found["audit"], AUDIT[language]
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


def audit_block(found: dict, language: str) -> str:
    """The audit's table in Markdown, and in English its own paragraph."""
    return audit_table(found, language).markdown() + (f"\n> {found['audit']['verdict']}\n" if language == "en" else "")
