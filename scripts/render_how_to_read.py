"""Render the examples of docs/how_to_read*.md: `python scripts/render_how_to_read.py [--check] [METRICS]`.

METRICS is the folder of demo.json and external.json, metrics/ unless another is named. A publication renders the pages
from outputs/metrics/ first, because it copies the figures that they show.

The better example is the published picture with the most good checks, the worse one that with the most poor ones.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

from aireal.core.files import write_atomic
from aireal.core.statistics import interval
from aireal.evidence.record import EvidenceRecord
from aireal.explain.trust import overall, trust
from aireal.figures.panel import MARKER
from aireal.reporting.readme import update
from aireal.reporting.tables.metrics import read_metrics
from aireal.stages.elsewhere import OPTIMISTIC

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = {"en": REPOSITORY / "docs" / "how_to_read.md", "ko": REPOSITORY / "docs" / "how_to_read.ko.md"}
ADVICE = {  # (check, level) → what a reader does with it, in English and Korean
    ("verdict", "good"): (
        "Sure, judged by the sample. On pictures from elsewhere the same says little: read on.",
        "샘플을 기준으로는 확실합니다. 외부 이미지에서는 이것만으로 알 수 없으니 계속 읽으세요.",
    ),
    ("verdict", "poor"): (
        "Take the verdict as “I do not know”, whatever the rest says.",
        "나머지 줄이 어떻든 이 판정은 “모른다”로 읽으세요.",
    ),
    ("region", "good"): (
        "The verdict needs the place that the sentence names: you may repeat the sentence.",
        "판정은 문장이 말한 곳에 달려 있습니다. 문장을 그대로 옮겨도 됩니다.",
    ),
    ("region", "fair"): (
        "The place matters a little. Other places may matter as much.",
        "그곳은 조금 중요합니다. 다른 곳도 그만큼 중요할 수 있습니다.",
    ),
    ("region", "poor"): (
        "The classifier does not need that place. Do not repeat the sentence as the reason.",
        "분류기는 그곳이 없어도 같은 판정을 합니다. 문장을 이유로 옮기지 마세요.",
    ),
    ("superpixels", "good"): (
        "The verdict needs the pieces that speak for it (third picture).",
        "판정은 세 번째 그림에서 판정을 뒷받침하는 조각들에 달려 있습니다.",
    ),
    ("superpixels", "fair"): ("The pieces matter a little.", "그 조각들은 조금 중요합니다."),
    ("superpixels", "poor"): (
        "The pieces matter no more than others. Do not point at them.",
        "그 조각들은 다른 조각보다 중요하지 않습니다. 이유로 들지 마세요.",
    ),
    ("agreement", "good"): (
        "Two methods that work differently show the same place.",
        "서로 다른 두 방법이 같은 곳을 가리킵니다.",
    ),
    ("agreement", "fair"): ("Two methods agree in part.", "두 방법이 일부만 같은 곳을 가리킵니다."),
    ("agreement", "poor"): (
        "The two methods disagree. Believe the lines about masking, not the colours.",
        "두 방법의 결과가 서로 어긋납니다. 색이 아니라 가렸을 때의 변화(%p)를 적은 줄을 믿으세요.",
    ),
    ("agreement", "contradicted"): (
        "For LIME the hottest place speaks for the other class: do not repeat the sentence.",
        "LIME은 가장 빨간 곳을 다른 클래스의 근거로 봅니다. 문장을 그대로 옮기지 마세요.",
    ),
    ("list", "good"): ("You may name the first pieces of the list.", "목록의 앞쪽 조각을 이유로 들어도 됩니다."),
    ("list", "fair"): ("Read the list without its order.", "목록은 순서 없이 읽으세요."),
    ("list", "poor"): ("Leave the list out.", "목록은 빼고 읽으세요."),
}
TRUTH = {
    ("fake", True): (
        "In truth it is an AI image: the verdict is right.",
        "실제로도 AI 이미지입니다. 판정은 맞았습니다.",
    ),
    ("fake", False): (
        "In truth it is an AI image: the verdict is wrong.",
        "실제로는 AI 이미지입니다. 판정은 틀렸습니다.",
    ),
    ("real", True): ("In truth it is a photograph: the verdict is right.", "실제로도 사진입니다. 판정은 맞았습니다."),
    ("real", False): ("In truth it is a photograph: the verdict is wrong.", "실제로는 사진입니다. 판정은 틀렸습니다."),
}
NOTE = (
    "The checks could not know that. They judge the explanation, not the truth.",
    "판정이 맞았는지는 점검으로 알 수 없습니다. 점검은 설명을 평가할 뿐 진실을 알려 주지 않습니다.",
)
ELSEWHERE = (
    "On pictures from elsewhere, {error} of the verdicts that are *not* marked uncertain were wrong (brackets: 95% "
    "interval{optimistic}). *Sure* means sure by the sample alone.",
    "외부 이미지에서는 *불확실* 표시가 없는 판정도 {error}가 틀렸습니다(대괄호는 95% 구간{optimistic}). 표시가 없으면 "
    "샘플을 기준으로 확실하다는 뜻일 뿐입니다.",
)
ALT = ("All that is shown about the picture {image}", "{image}에 대해 보여 주는 모든 것")
LANGUAGES = ("en", "ko")


def choose(entries: list[dict]) -> tuple[dict, dict]:
    """The entries of the better and of the worse example, which differ where there are several; ties go by number."""
    counts = {entry["number"]: _levels(entry) for entry in entries}
    good = max(
        entries, key=lambda e: (counts[e["number"]].count("good"), -counts[e["number"]].count("poor"), -e["number"])
    )
    rest = [entry for entry in entries if entry is not good] or entries
    bad = max(rest, key=lambda e: (counts[e["number"]].count("poor"), -counts[e["number"]].count("good"), -e["number"]))
    return good, bad


def record_of(entry: dict) -> EvidenceRecord:
    """The evidence record of an entry, which holds texts beside it."""
    names = {field.name for field in fields(EvidenceRecord)}
    return EvidenceRecord.from_dict({name: value for name, value in entry.items() if name in names})


def _levels(entry: dict) -> list[str]:
    return [statement.level for statement in trust(record_of(entry))]


def example(entry: dict, language: str) -> str:
    """One example as Markdown: the panel, the sentence, each check with what a reader does with it, and the truth."""
    place, record = LANGUAGES.index(language), record_of(entry)
    statements = trust(record)
    alt = ALT[place].format(image=record.image)
    lines = [f"![{alt}](../readme_images/{entry['number']}_panel.png)", "", f"> {entry[f'sentence_{language}']}", ""]
    for statement in (overall(statements), *statements):
        contradicted = statement.key == "agreement" and record.peak_contradicted
        advice = ADVICE.get((statement.key, "contradicted" if contradicted else statement.level))
        text = f"{MARKER[statement.level][0]} {getattr(statement, language)}"
        lines.append(f"- {text} **{advice[place]}**" if advice else f"- {text}")
    truth = TRUTH.get((entry["truth"], entry["truth"] == record.label))
    return "\n".join([*lines, *(["", f"{truth[place]} {NOTE[place]}"] if truth else []), ""])


def elsewhere(external: dict, language: str) -> str:
    """How often sure verdicts are wrong on pictures from elsewhere; empty where none were measured."""
    error = external.get("error_certain") or {}
    if error.get("value") is None:
        return ""
    place = LANGUAGES.index(language)
    optimistic = dict(zip(("ko", "en"), OPTIMISTIC))[language] if external.get("used_for_choosing") else ""
    return ELSEWHERE[place].format(error=interval(error, 100, "%"), optimistic=optimistic) + "\n"


def render(page: Path, language: str, metrics: Path) -> str:
    """A page with the figure of sure verdicts and both examples; its other text stays."""
    found = read_metrics(metrics)
    good, bad = choose(found["demo"]["images"])
    blocks = {"good_example": example(good, language), "bad_example": example(bad, language)}
    blocks["elsewhere"] = elsewhere(found.get("external", {}), language)
    return update(page.read_text(encoding="utf-8"), blocks)


def main(metrics: Path, check: bool) -> int:
    """Write both pages, or with `check` only say whether they are up to date; return the exit status."""
    stale = 0
    for language, page in PAGES.items():
        text = render(page, language, metrics)
        if not check:
            write_atomic(page, text.encode())
            print(page)
        elif page.read_text(encoding="utf-8") != text:
            print(f"docs/{page.name} is stale: run python scripts/render_how_to_read.py", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:] if argument != "--check"]
    sys.exit(main(folders[0] if folders else REPOSITORY / "metrics", "--check" in sys.argv[1:]))
