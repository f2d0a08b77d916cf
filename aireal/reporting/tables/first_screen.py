"""The README's first screen: a picture with its explanation, and what to expect of `make demo`."""

from __future__ import annotations

from aireal.core.statistics import interval

from .demonstration import chosen_pictures

ALT = {
    "en": "A picture, its Grad-CAM heatmap, LIME's superpixels, and the sentence about it",
    "ko": "이미지, Grad-CAM 히트맵, LIME 슈퍼픽셀, 그리고 설명 문장",
}
TIME = {
    "en": "`make demo` took {minutes:.0f} minutes after installation and at most {memory:.1f} GiB of memory ({device}, "
    "{precision} precision); a second run skips finished stages.",
    "ko": "설치가 끝난 뒤 `make demo`는 {minutes:.0f}분 걸렸고 메모리를 최대 {memory:.1f} GiB 썼으며({device}, "
    "{precision} 정밀도), 다시 실행하면 끝난 단계는 건너뜁니다.",
}
NO_TIME = {
    "en": "The time of `make demo` was not measured in one undisturbed run; a second run skips finished stages.",
    "ko": "`make demo`에 걸리는 시간은 방해 없는 한 번의 실행으로 재지 못했습니다. "
    "다시 실행하면 끝난 단계는 건너뜁니다.",
}
SCORE = {
    "en": " The score to expect at its end: a test AUROC of {auroc} for {name}.",
    "ko": " 마지막에 나오는 점수는 {name}의 테스트 AUROC {auroc}입니다.",
}
ELSEWHERE = {
    "en": " On pictures from elsewhere it is {auroc}; 0.5 is guessing.",
    "ko": " 샘플 밖에서 모은 외부 이미지에서는 {auroc}이며, 무작위로 판정하면 0.5입니다.",
}
TESTS = {
    "en": " The tests of `make test` took {minutes:.0f} minutes ({passed:,} tests).",
    "ko": " `make test`의 테스트는 {minutes:.0f}분 걸렸습니다({passed:,}개).",
}


def overview(metrics: dict, language: str) -> str:
    """The figure of the demonstration's first picture in Markdown; empty without a demonstration."""
    pictures = chosen_pictures(metrics, 1)
    if not pictures:
        return ""
    kind = "overview" if pictures[0].get("overview") else "panel"
    return f"![{ALT[language]}](readme_images/{pictures[0]['number']}_{kind}.png)\n"


def time_and_score(metrics: dict, language: str) -> str:
    """What `make demo` took and the score at its end, and what `make test` took; what was not measured is left out."""
    text = NO_TIME[language]
    if report := metrics.get("pipeline"):
        minutes, memory = report["wall_seconds"] / 60, report["peak_memory_gib"]
        machine = {"device": report["device"], "precision": report["precision"]}
        text = TIME[language].format(minutes=minutes, memory=memory, **machine)
    if (best := metrics.get("resnet34")) and best["test"]["auroc"]["value"] is not None:
        text += SCORE[language].format(auroc=interval(best["test"]["auroc"]), name=best["architecture"])
        if (found := metrics.get("external")) and found["metrics"]["auroc"]["value"] is not None:
            text += ELSEWHERE[language].format(auroc=interval(found["metrics"]["auroc"]))
    if tests := metrics.get("tests"):
        text += TESTS[language].format(minutes=tests["wall_seconds"] / 60, passed=tests["passed"])
    return text + "\n"
