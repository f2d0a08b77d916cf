"""What cannot be computed where pictures are of one class, in words."""

from __future__ import annotations

ONE_CLASS = {
    "en": (
        {"real": "photographs", "fake": "AI images"},
        "The {n} test pictures hold no {missing}, so there is no AUROC, no average precision and no accuracy on "
        "{missing}.",
    ),
    "ko": (
        {"real": "사진이", "fake": "AI 이미지가"},
        "테스트 이미지 {n}장에 {missing} 없으므로 AUROC, 평균 정밀도, 그 종류의 정확도는 잴 수 없습니다.",
    ),
}


def missing_class(metrics: dict) -> str | None:
    """ "real" or "fake" where the pictures of `with_intervals` had none of it, else None."""
    return next((name for name in ("real", "fake") if metrics[f"accuracy_{name}"]["value"] is None), None)


def one_class_note(metrics: dict, language: str = "en") -> str:
    """The sentence that says what of `with_intervals` is None, and why; empty where both classes were there."""
    names, sentence = ONE_CLASS[language]
    missing = missing_class(metrics)
    return sentence.format(n=metrics["n"], missing=names[missing]) if missing else ""
