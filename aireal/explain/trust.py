"""How far to trust an explanation: the measurements of an evidence record in plain words, Korean and English.

Each check has a level: how well the explanation fits the behaviour of the classifier. No level means that the verdict
is right, or that the masked pixels are a trace of AI.
"""

from __future__ import annotations

from dataclasses import dataclass

from aireal.captions.language.grammar import particles
from aireal.evidence.record import EvidenceRecord, Occlusion
from aireal.explain.lime.lime_image import LEAST_R2

LEVELS = ("poor", "fair", "good")  # from worst to best; "unknown" marks checks that were not measured
CHECKS = {
    "verdict": ("판정", "verdict"),
    "region": ("영역", "region"),
    "superpixels": ("LIME 조각", "LIME's superpixels"),
    "agreement": ("일치", "agreement"),
    "list": ("LIME 목록", "LIME's list"),
}

# The share of random areas that matter less than the named area. Its mean is 0.5 for an area that is chosen blindly.
BEATS_GOOD = 0.9  # at most one of 16 random areas matters as much: a blind choice gets there 2 times in 17
BEATS_FAIR = 0.6  # a blind choice gets there 7 times in 17; a lower share cannot be told from that of a blind choice
SMALLEST_DROP = 1.0  # percentage points; a smaller drop may be beyond chance, but a verdict does not rest on it

# IoU of the strongest fifths of two maps: about 0.11 for two random maps, a little more where the fifths are connected.
IOU_GOOD = 0.33  # half of each fifth lies in the other
IOU_FAIR = 0.15  # a quarter of each fifth; a lower IoU is little more than chance

NO_HEATMAP = (  # in place of a heatmap, wherever one would stand
    "이 그림에는 두드러지는 곳이 없어 히트맵이 없습니다. 판정은 그대로입니다.",
    "There is no heatmap, because no place in this picture stands out. The verdict is not affected.",
)

R2_GOOD = 0.5  # LIME's list explains at least half of the variance of P(fake); below LEAST_R2 it cannot be ranked


@dataclass(frozen=True)
class Statement:
    """The result of one check in words.

    Attributes:
        level: "good", "fair", "poor" or "unknown".
        ko, en: the sentence in Korean and in English.
        key: the check, one of CHECKS, or "heatmap" (there is none), "missing" or "overall".
    """

    level: str
    ko: str
    en: str
    key: str


def trust(record: EvidenceRecord) -> list[Statement]:
    """A statement for each measured check; if checks are missing, one of level "unknown" names them at the end.

    A record without a region has a further statement of level "unknown", which says that there is no heatmap.

    Changes of the probability are in percentage points with one decimal, negative where the probability falls. A better
    measurement never gets a worse level.
    """
    by_check = {
        "verdict": _verdict(record),
        "region": _occlusion("region", record.region_removal),
        "superpixels": _occlusion("superpixels", record.lime_removal),
        "agreement": _agreement(record),
        "list": _list(record.lime_r2, record.lime_settled),
    }
    statements = [statement for statement in by_check.values() if statement]
    if record.region is None:
        statements.append(Statement("unknown", *NO_HEATMAP, "heatmap"))
    missing = [CHECKS[key] for key, statement in by_check.items() if statement is None]
    if missing:
        ko, en = (", ".join(names) for names in zip(*missing))
        statements.append(Statement("unknown", f"재지 않은 항목: {ko}.", f"Not measured: {en}.", "missing"))
    return statements


def overall(statements: list[Statement]) -> Statement:
    """One statement that summarises those of `trust`.

    Its level is "poor" (do not rely on it) where two or more checks are poor; an uncertain verdict counts as one. It is
    "unknown" where only the verdict was measured, "good" where every check was measured and is good, else "fair".
    """
    levels = {statement.key: statement.level for statement in statements}
    if list(levels.values()).count("poor") >= 2:
        return Statement("poor", "이 설명은 믿지 마세요.", "Do not rely on this explanation.", "overall")
    if set(levels) <= {"verdict", "heatmap", "missing"}:
        return Statement("unknown", "이 설명은 점검되지 않았습니다.", "This explanation was not checked.", "overall")
    if set(levels.values()) == {"good"}:
        return Statement("good", "모든 점검 결과가 좋습니다.", "All checks are good.", "overall")
    ko, en = "항목마다 결과가 다릅니다. 하나씩 읽어 주세요.", "The checks differ: read them one by one."
    return Statement("fair", ko, en, "overall")


def _verdict(record: EvidenceRecord) -> Statement:
    p = f"{record.probability:.2f}%"
    if record.uncertain:
        ko = f"판정 확률 {p}는 분류기의 불확실 구간 안이라 틀릴 수 있습니다."
        en = f"The verdict's probability, {p}, is in the classifier's uncertain band: it may be wrong."
        return Statement("poor", ko, en, "verdict")
    ko = f"판정 확률 {p}는 분류기의 불확실 구간 밖입니다."
    en = f"The verdict's probability, {p}, is outside the classifier's uncertain band."
    return Statement("good", ko, en, "verdict")


MASKED_AREA = {
    "region": ("지목한 영역", "the named region"),
    "superpixels": ("판정을 가장 뒷받침하는 LIME 조각 다섯 개", "the five superpixels that support the verdict most"),
}
OCCLUSION = {  # outcome: (level, Korean, English); {change} of {area}, and mean change {elsewhere} of random areas
    "no drop": (
        "poor",
        "{area}을(를) 가려도 확률이 낮아지지 않습니다: {change}%p (다른 곳 {elsewhere}%p).",
        "Masking {area} does not lower the probability: {change} pp (elsewhere {elsewhere}).",
    ),
    "as elsewhere": (
        "poor",
        "{area}을(를) 가린 영향이 다른 곳보다 크지 않습니다: {change}%p (다른 곳 {elsewhere}%p).",
        "Masking {area} has no special effect: {change} pp (elsewhere {elsewhere}).",
    ),
    "small drop": (
        "fair",
        "{area}을(를) 가려도 확률이 조금만 낮아집니다: {change}%p (다른 곳 {elsewhere}%p).",
        "Masking {area} hardly changes the probability: {change} pp (elsewhere {elsewhere}).",
    ),
    "more than most": (
        "fair",
        "{area}을(를) 가리면 확률이 낮아지지만 비슷한 곳도 있습니다: {change}%p (다른 곳 {elsewhere}%p).",
        "Masking {area} lowers the probability more than masking most other places does: "
        "{change} pp (elsewhere {elsewhere}).",
    ),
    "clear drop": (
        "good",
        "{area}을(를) 가리면 확률이 낮아집니다: {change}%p (다른 곳 {elsewhere}%p).",
        "Masking {area} lowers the probability: {change} pp (elsewhere {elsewhere}).",
    ),
}


def _occlusion(key: str, test: Occlusion | None) -> Statement | None:
    if test is None:
        return None
    change, elsewhere = (round(-100 * drop, 1) for drop in (test.drop, test.random))
    if change >= 0:
        outcome = "no drop"
    elif test.beats < BEATS_FAIR:
        outcome = "as elsewhere"
    elif -change < SMALLEST_DROP:
        outcome = "small drop"
    else:
        outcome = "more than most" if test.beats < BEATS_GOOD else "clear drop"
    level, *templates = OCCLUSION[outcome]
    numbers = {"change": signed(change, 1), "elsewhere": signed(elsewhere, 1)}
    ko, en = (template.format(area=area, **numbers) for template, area in zip(templates, MASKED_AREA[key]))
    return Statement(level, particles(ko), en, key)


def signed(value: float, decimals: int, plus: str = "+") -> str:
    """`−0.4`, `+0.4` and, without a sign, `0.0`; with a true minus, which is as wide as the plus."""
    text = f"{abs(value):.{decimals}f}"
    return text if not float(text) else ("−" if value < 0 else plus) + text


def _agreement(record: EvidenceRecord) -> Statement | None:
    iou, chance = record.agreement, record.agreement_chance
    if iou is None or chance is None:
        return None
    if record.peak_contradicted:  # the sentence names that place as a reason for the verdict
        level, ko = "poor", "LIME은 히트맵의 최고점을 판정과 반대되는 근거로 봅니다"
        en = "LIME counts the heatmap's peak as evidence against the verdict"
    elif iou >= max(IOU_GOOD, chance):
        level, ko = "good", "히트맵과 LIME의 가장 강한 20%가 많이 겹칩니다"
        en = "The strongest 20% of heatmap and LIME largely overlap"
    elif iou >= max(IOU_FAIR, chance):
        level, ko = "fair", "히트맵과 LIME의 가장 강한 20%가 일부 겹칩니다"
        en = "The strongest 20% of heatmap and LIME partly overlap"
    else:
        level, ko = "poor", "히트맵과 LIME이 서로 다른 곳을 가리킵니다"
        en = "Heatmap and LIME point to different places"
    numbers = f"(IoU {iou:.2f}, {{}} {chance:.2f})."
    return Statement(level, f"{ko} {numbers.format('우연이면')}", f"{en} {numbers.format('by chance')}", "agreement")


def _list(r2: float | None, settled: bool | None) -> Statement | None:
    if r2 is None or settled is None:
        return None
    number = f"R² {signed(r2, 2, plus='')}"
    if r2 < LEAST_R2:
        level = "poor"
        ko = f"{number}은(는) 순위를 매기기에 너무 낮습니다. LIME 목록은 참고만 하세요."
        en = f"{number} is too low for a ranking: read LIME's list as a hint only."
    elif not settled:
        level = "fair"
        ko = f"LIME 목록은 다시 만들면 달라질 수 있습니다 ({number})."
        en = f"LIME's list may differ if it is computed again ({number})."
    elif round(r2, 2) < R2_GOOD:  # as it is written
        level = "fair"
        ko = f"LIME 목록은 다시 만들어도 비슷하지만, 확률 변화의 절반도 설명하지 못합니다 ({number})."
        en = f"LIME's list is stable but explains less than half of the variation ({number})."
    else:
        level = "good"
        ko = f"LIME 목록은 다시 만들어도 비슷하고, 확률 변화의 절반 이상을 설명합니다 ({number})."
        en = f"LIME's list is stable and explains at least half of the variation ({number})."
    return Statement(level, particles(ko), en, "list")
