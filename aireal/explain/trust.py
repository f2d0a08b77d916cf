"""How far to trust an explanation: the figures of an evidence record in plain words, Korean and English.

Each check has a level. It tells how well the explanation fits what the classifier does; no level tells that the verdict is right, or that what
was hidden is a trace of AI.
"""

from __future__ import annotations

from dataclasses import dataclass

from aireal.captions.language.grammar import particles
from aireal.evidence.record import EvidenceRecord, Occlusion
from aireal.explain.lime.lime_image import LEAST_R2

LEVELS = ("poor", "fair", "good")  # from worst to best; "unknown" is for what was not measured
CHECKS = {
    "verdict": ("판정", "verdict"),
    "region": ("영역", "region"),
    "superpixels": ("LIME 조각", "LIME's superpixels"),
    "agreement": ("일치", "agreement"),
    "list": ("LIME 목록", "LIME's list"),
}

# The share of random areas that matter less than the named one. It is 0.5 on average for an area that was chosen blindly.
BEATS_GOOD = 0.9  # of 16 random areas at most one matters as much: chosen blindly, an area gets there 2 times in 17
BEATS_FAIR = (
    0.6  # chosen blindly, it gets there 7 times in 17; below, the share cannot be told from that of a blind choice
)
SMALLEST_FALL = 1.0  # percentage points; a smaller fall may be beyond chance, but a verdict does not rest on it

# IoU of the strongest fifths of two maps; about 0.11 for two that are drawn at random, a little more where they hang together.
IOU_GOOD = 0.33  # half of either lies in the other
IOU_FAIR = 0.15  # a quarter of either; below, it is little more than chance gives

R2_GOOD = 0.5  # LIME's list holds at least half of what happens to the probability; below LEAST_R2 it cannot rank


@dataclass(frozen=True)
class Statement:
    """One line: its level ("good", "fair", "poor" or "unknown"), the line in Korean and in English, and the check it is about."""

    level: str
    ko: str
    en: str
    key: str


def trust(record: EvidenceRecord) -> list[Statement]:
    """One statement for each check that was measured; behind them one of level "unknown" that names the others, if there are any.

    Changes of probability are in percentage points with one decimal, negative where it falls. A better measurement never gets a worse level.
    """
    found = {
        "verdict": _verdict(record),
        "region": _removal("region", record.region_removal),
        "superpixels": _removal("superpixels", record.lime_removal),
        "agreement": _agreement(record.agreement, record.agreement_chance),
        "list": _list(record.lime_r2, record.lime_settled),
    }
    statements = [statement for statement in found.values() if statement]
    missing = [CHECKS[key] for key, statement in found.items() if statement is None]
    if missing:
        ko, en = (", ".join(names) for names in zip(*missing))
        statements.append(Statement("unknown", f"재지 않은 항목: {ko}.", f"Not measured: {en}.", "missing"))
    return statements


def overall(statements: list[Statement]) -> Statement:
    """The statements of `trust` in one.

    "poor", do not rely on it: two or more are poor, and an uncertain verdict is one of them. "unknown": nothing but the verdict was measured.
    "good": every check was made and is good. "fair", mixed: all else.
    """
    levels = {statement.key: statement.level for statement in statements}
    if list(levels.values()).count("poor") >= 2:
        return Statement("poor", "이 설명에 기대지 마세요.", "Do not rely on this explanation.", "overall")
    if set(levels) <= {"verdict", "missing"}:
        return Statement("unknown", "이 설명은 점검되지 않았습니다.", "This explanation was not checked.", "overall")
    if set(levels.values()) == {"good"}:
        return Statement("good", "모든 점검 결과가 좋습니다.", "Every check is good.", "overall")
    return Statement("fair", "항목마다 다릅니다. 하나씩 읽어 주세요.", "Mixed: read it line by line.", "overall")


def _verdict(record: EvidenceRecord) -> Statement:
    p = f"{record.probability:.2f}%"
    if record.uncertain:
        ko, en = (
            f"판정 확률 {p}는 분류기의 불확실 구간 안이라 틀릴 수 있습니다.",
            f"The verdict's {p} is in the classifier's uncertain band: it may be wrong.",
        )
        return Statement("poor", ko, en, "verdict")
    return Statement(
        "good",
        f"판정 확률 {p}는 분류기의 불확실 구간 밖입니다.",
        f"The verdict's {p} is outside the classifier's uncertain band.",
        "verdict",
    )


HIDDEN = {
    "region": ("지목한 영역", "the named region"),
    "superpixels": ("LIME이 꼽은 근거 다섯 조각", "LIME's five for the verdict"),
}
REMOVED = {  # what happened: (level, Korean, English) of {what}, the {change} and that of random areas, {other}
    "rises": (
        "poor",
        "{what}을(를) 가려도 확률이 낮아지지 않습니다: {change}%p (다른 곳 {other}%p).",
        "Hiding {what} does not lower the probability: {change} (elsewhere {other}).",
    ),
    "as elsewhere": (
        "poor",
        "다른 곳을 가려도 {what}만큼 변합니다: {change}%p (다른 곳 {other}%p).",
        "Hiding other places matters as much as {what}: {change} (elsewhere {other}).",
    ),
    "hardly": (
        "fair",
        "{what}을(를) 가려도 확률이 조금만 낮아집니다: {change}%p (다른 곳 {other}%p).",
        "Hiding {what} hardly matters: {change} points (elsewhere {other}).",
    ),
    "more than most": (
        "fair",
        "{what}을(를) 가리면 낮아지지만 비슷한 곳도 있습니다: {change}%p (다른 곳 {other}%p).",
        "Hiding {what} matters more than most places: {change} (elsewhere {other}).",
    ),
    "more": (
        "good",
        "{what}을(를) 가리면 확률이 낮아집니다: {change}%p (다른 곳 {other}%p).",
        "Hiding {what} lowers the probability: {change} points (elsewhere {other}).",
    ),
}


def _removal(key: str, removal: Occlusion | None) -> Statement | None:
    if removal is None:
        return None
    change, other = (round(-100 * fall, 1) for fall in (removal.drop, removal.random))
    if change >= 0:
        happened = "rises"
    elif removal.beats < BEATS_FAIR:
        happened = "as elsewhere"
    elif -change < SMALLEST_FALL:
        happened = "hardly"
    else:
        happened = "more than most" if removal.beats < BEATS_GOOD else "more"
    level, *templates = REMOVED[happened]
    ko, en = (
        t.format(what=what, change=signed(change, 1), other=signed(other, 1)) for t, what in zip(templates, HIDDEN[key])
    )
    return Statement(level, particles(ko), en, key)


def signed(value: float, decimals: int, plus: str = "+") -> str:
    """`−0.4`, `+0.4` and, without a sign, `0.0`; with a true minus, which is as wide as the plus."""
    text = f"{abs(value):.{decimals}f}"
    return text if not float(text) else ("−" if value < 0 else plus) + text


def _agreement(iou: float | None, chance: float | None) -> Statement | None:
    if iou is None or chance is None:
        return None
    numbers = f"(IoU {iou:.2f}, {{}} {chance:.2f})."
    level, ko, en = (
        ("good", "히트맵과 LIME의 가장 강한 20%가 많이 겹칩니다", "Heatmap and LIME share much of their strongest 20%")
        if iou >= max(IOU_GOOD, chance)
        else (
            "fair",
            "히트맵과 LIME의 가장 강한 20%가 일부 겹칩니다",
            "Heatmap and LIME share some of their strongest 20%",
        )
        if iou >= max(IOU_FAIR, chance)
        else ("poor", "히트맵과 LIME이 서로 다른 곳을 가리킵니다", "Heatmap and LIME point to different places")
    )
    return Statement(level, f"{ko} {numbers.format('우연이면')}", f"{en} {numbers.format('chance')}", "agreement")


def _list(r2: float | None, settled: bool | None) -> Statement | None:
    if r2 is None or settled is None:
        return None
    shown = f"R² {signed(r2, 2, plus='')}"
    level, ko, en = (
        (
            "poor",
            f"{shown}은(는) 순위를 매기기에 너무 낮습니다. LIME 목록은 참고만 하세요.",
            f"{shown} is too low to rank: read LIME's list as a hint only.",
        )
        if r2 < LEAST_R2
        else (
            "fair",
            f"LIME 목록은 다시 만들면 달라질 수 있습니다 ({shown}).",
            f"LIME's list may differ if it is made again ({shown}).",
        )
        if not settled
        else (
            "fair",
            f"LIME 목록은 다시 만들어도 비슷하지만, 변화의 절반도 설명하지 못합니다 ({shown}).",
            f"LIME's list is stable but explains less than half of the changes ({shown}).",
        )
        if r2 < R2_GOOD
        else (
            "good",
            f"LIME 목록은 다시 만들어도 비슷하고, 변화의 절반 이상을 설명합니다 ({shown}).",
            f"LIME's list is stable and explains at least half of the changes ({shown}).",
        )
    )
    return Statement(level, particles(ko), en, "list")
