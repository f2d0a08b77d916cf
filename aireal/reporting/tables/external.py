"""How good the classifier is, said plainly: on the sample's test, and on pictures from elsewhere where
`metrics/external.json` holds them (`python -m aireal evaluate`)."""

from __future__ import annotations

from aireal.classifier.one_class import one_class_note
from aireal.core.statistics import interval

from .metrics import error_rate, format_estimate
from .table import Table

WEAK = 0.6  # an AUROC below this is called little better than a coin toss, however narrow its interval
COIN = {  # whether the interval begins above 0.5
    "en": {True: "little better than a coin toss", False: "not measurably better than a coin toss"},
    "ko": {True: "동전 던지기보다 별로 낫지 않으니", False: "동전 던지기보다 낫다고 할 근거가 없으니"},
}
PLAIN = {
    "en": {
        "test": "**How good is a verdict?** AUROC is {auroc} on the {n} pictures of the sample's test",
        "one_class": "**How good is a verdict?** {note}",
        "external_one_class": " Pictures from elsewhere{sources}: {note} ",
        "called": "Of these, {share} were called what they are.",
        "external": ", and {auroc} on {n} pictures from elsewhere{sources}. ",
        "unknown": ". On pictures from elsewhere it is not in `metrics/` yet; `python -m aireal evaluate DIR` measures "
        "it. Until then, take a verdict on a picture of your own as a guess.",
        "optimistic": "Those were used for choosing between recipes, so that figure is optimistic. ",
        "right": "Of the pictures from elsewhere, {real} of the photographs and {fake} of the AI images were called "
        "what they are. ",
        "coin": "For a picture of your own, a verdict is {coin}: never rely on it.",
        "hint": "For a picture of your own this means: of an AI image and a photograph, the AI image gets the higher "
        "probability in about {pairs} of 100 such pairs (50 is a coin toss), so a verdict is a hint and never a proof.",
    },
    "ko": {
        "test": "**판정을 얼마나 믿을 수 있나요?** 샘플의 테스트 이미지 {n}장에서 AUROC는 {auroc}입니다",
        "one_class": "**판정을 얼마나 믿을 수 있나요?** {note}",
        "external_one_class": " 외부 이미지{sources}: {note} ",
        "called": "이 가운데 맞게 판정된 비율은 {share}입니다.",
        "external": ". 외부 이미지 {n}장에서는 {auroc}입니다{sources}. ",
        "unknown": ". 외부 이미지에 대한 값은 아직 `metrics/`에 없으며 "
        "`python -m aireal evaluate DIR`로 잽니다. 그때까지 내 이미지에 대한 판정은 추측으로만 여겨 주세요.",
        "optimistic": "학습 방법을 고를 때 이 이미지를 썼으므로 실제보다 좋게 나왔을 수 있습니다. ",
        "right": "외부 이미지 가운데 사진은 {real}, AI 이미지는 {fake}가 맞게 판정되었습니다. ",
        "coin": "내 이미지에 대한 판정은 {coin} 믿고 쓰지 마세요.",
        "hint": "내 이미지로 말하면, AI 이미지 한 장과 사진 한 장을 비교할 때 100쌍 가운데 약 {pairs}쌍에서 "
        "AI 이미지의 확률이 더 높습니다(50쌍이면 동전 던지기). 판정은 참고일 뿐 증거가 아닙니다.",
    },
}
TABLE = {
    "head": ("", "the sample's test", "pictures from elsewhere"),
    "pictures": "pictures",
    "rows": {
        "auroc": "AUROC",
        "average_precision": "average precision",
        "accuracy_real": "accuracy on photographs, at the frozen threshold",
        "accuracy_fake": "accuracy on AI images, at the frozen threshold",
        "ece": "ECE",
    },
    "uncertain": "verdicts marked uncertain",
    "error": "error of the other verdicts",
    "note": "Pictures from elsewhere{sources}; 95% intervals over {unit}; {device}, seed {seed}, torch {torch}. "
    "Calibration, threshold and uncertain band are those of the sample's validation.",
    "optimistic": " These pictures were used for choosing between recipes, so their figures are optimistic and no "
    "test.",
}


def plain_words(metrics: dict, language: str) -> str:
    """A few sentences: AUROC on test and elsewhere, the share of right verdicts elsewhere, and what that means for a
    picture of somebody's own.

    Where the pictures are of one class, a sentence says that there is no AUROC. Without a classifier's metrics the
    text is empty.
    """
    if "resnet34" not in metrics:
        return ""
    words, test = PLAIN[language], metrics["resnet34"]["test"]
    text = words["test"].format(auroc=interval(test["auroc"]), n=test["n"])
    if note := one_class_note(test, language):
        text = words["one_class"].format(note=note).removesuffix(".")  # what follows begins with the full stop
    if not (report := metrics.get("external")):
        return text + words["unknown"] + "\n"
    found = report["metrics"]
    if note := one_class_note(found, language):
        return (
            text
            + "."
            + words["external_one_class"].format(sources=_sources(report), note=note)
            + words["called"].format(share=interval(found["accuracy"], 100, "%"))
            + "\n"
        )
    text += words["external"].format(auroc=interval(found["auroc"]), n=found["n"], sources=_sources(report))
    if report["used_for_choosing"]:
        text += words["optimistic"]
    meaning = "coin" if found["auroc"]["low"] <= 0.5 or found["auroc"]["value"] < WEAK else "hint"
    real, fake = (interval(found[name], 100, "%") for name in ("accuracy_real", "accuracy_fake"))
    text += words["right"].format(real=real, fake=fake)
    pairs, coin = round(100 * found["auroc"]["value"]), COIN[language][found["auroc"]["low"] > 0.5]
    return text + words[meaning].format(pairs=pairs, coin=coin) + "\n"


def _sources(report: dict) -> str:
    return f" ({', '.join(report['sources'])})" if report["sources"] else ""


def external_table(metrics: dict, language: str = "en") -> Table:
    """The figures of the sample's test beside those of pictures from elsewhere; English only.

    Args:
        metrics: with `resnet34` and `external`.
    """
    test, report = metrics["resnet34"], metrics["external"]
    found, band = report["metrics"], test["selective"]
    rows = [
        (TABLE["pictures"], f"{test['test']['n']:,}", f"{found['n']:,}"),
        *(
            (name, format_estimate(test["test"][key]), format_estimate(found[key]))
            for key, name in TABLE["rows"].items()
        ),
        (
            TABLE["uncertain"],
            format_estimate(error_rate(band["coverage"]), True),
            format_estimate(report["uncertain"], True),
        ),
        (TABLE["error"], _percent(band["error_certain"]), _percent(report["error_certain"])),
    ]
    note = TABLE["note"].format(
        sources=_sources(report),
        unit="groups of pictures" if report["grouped"] else "pictures",
        device=report["device"],
        seed=report["seed"],
        torch=report["versions"]["torch"],
    )
    return Table(TABLE["head"], rows, [note + (TABLE["optimistic"] if report["used_for_choosing"] else "")])


def _percent(estimate: dict) -> str:
    """The rate in percent; – where all verdicts are uncertain."""
    return "–" if estimate["value"] is None else format_estimate(estimate, True)


def external_block(metrics: dict) -> str:
    """The table in Markdown, or the command that measures it."""
    if {"external", "resnet34"} <= set(metrics):
        return external_table(metrics).markdown()
    return "Not in `metrics/` yet: `python -m aireal evaluate DIR` measures it.\n"
