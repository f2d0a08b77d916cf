"""An audit's report in words: the summary of what a classifier may cheat with, and the printed tables."""

from __future__ import annotations

import textwrap

from aireal.config import LABELS
from aireal.core.file_names import shown

from .provenance_marks import marks_in_words

WIDTH = 120
MAX_LINES = 8  # of a list, before "and N more"
FAMILY_WORDS = {
    "container": "how the files are stored",
    "size": "the pictures' size",
    "overlay": "a mark or frame at a fixed place",
    "bytes": "the files' length",
    "colour": "simple colour statistics",
    "frequency": "simple frequency and noise statistics",
    "together": "everything the audit measures, taken together,",
}
FAMILY_NAMES = {  # in tables and figures
    "container": "file format and metadata",
    "size": "size",
    "overlay": "a mark at a fixed place",
    "bytes": "file length",
    "colour": "colour statistics",
    "frequency": "frequency and noise statistics",
    "together": "all together",
}
# a picture's content cannot explain these, but can explain the other families
SHORTCUTS = ("container", "size", "overlay")
FACTS_OF = {"container": ("format", "mode", "metadata", "JPEG quality", "subsampling"), "size": ("size",)}
REMEDIES = {
    "container": "write both classes through the same encoder with the same settings",
    "size": "bring both classes to the same sizes by the same crop and scaling",
    "overlay": "cut or cover the mark in both classes",
    "bytes": "put both classes through the same scaling and compression and audit again",
    "colour": (
        "compare classes of the same subjects and light, or put both through the same colour handling, and audit again"
    ),
    "frequency": "put both classes through the same scaling and compression and audit again",
    "together": "put both classes through the same scaling, compression and colour handling and audit again",
}
MARKS = "what the files say of themselves (a shortcut for whoever trains on the files, not on pixels)"
LIMITS = (
    "The audit sees file properties, sizes, simple statistics and marks at fixed places; it does not see subjects, "
    "styles or moving marks, so it cannot show that a classifier is honest, only that these ways of cheating are "
    "closed or open."
)


def summarise(report: dict) -> str:
    """One paragraph: what a classifier may cheat with, or that nothing was found, and what the audit cannot see."""
    sentences = _suspicions(report) if report["suspected"] else _no_suspicion(report)
    if leaks := len(report["leaks"]):
        sentences.append(
            f"Test figures may be too good as well: {leaks} near-duplicates or sources lie in more than one split."
        )
    if report["sources"]["packages"] and not report["sources"]["packages_of_both_classes"]:
        sentences.append(
            "No package holds both classes, so anything a package's makers did to all their pictures cannot be told "
            "from the class."
        )
    return " ".join([*sentences, LIMITS])


def _suspicions(report: dict) -> list[str]:
    suspected = report["suspected"]
    shortcuts = [name for name in suspected if name in SHORTCUTS]
    statistics = [name for name in suspected if name not in SHORTCUTS]
    sentences = ["A classifier trained on this dataset may be cheating."]
    if not shortcuts:
        sentences = [
            "No shortcut was found in files, sizes or fixed marks, but a classifier trained on this dataset may lean "
            "on simple statistics."
        ]
    sentences += [_suspicion(name, report) for name in shortcuts + statistics]
    if statistics:
        sentences.append(
            "Such statistics may be a trace of processing (scaling, compression, noise) or simply what the pictures "
            "show; the audit cannot tell which."
        )
    return [*sentences, "What to do: " + "; ".join(dict.fromkeys(REMEDIES[name] for name in suspected)) + "."]


def _suspicion(name: str, report: dict) -> str:
    family = report["together"] if name == "together" else report["families"][name]
    words = FAMILY_WORDS[name]
    evidence = [value_in_words(value) for value in report["values"] if value["fact"] in FACTS_OF.get(name, ())][:2]
    evidence = evidence or [telling_in_words(feature) for feature in family.get("telling", [])[:2]]
    evidence = evidence or ["weak traces add up"]
    return (
        f"{words[0].upper()}{words[1:]} can alone tell the classes apart with {_auroc(family)}: {'; '.join(evidence)}."
    )


def _no_suspicion(report: dict) -> list[str]:
    strongest = max(report["families"], key=lambda name: report["families"][name]["auroc"]["value"])
    sentences = [
        "Nothing was found that a classifier could cheat with: "
        f"the most telling family is {FAMILY_WORDS[strongest]}, with {_auroc(report['families'][strongest])}."
    ]
    sources = min(report["sources_read"].values())
    if sources < 50:
        sentences.append(
            f"With {sources} sources in the smaller class the intervals are wide, and a weak shortcut may have gone "
            "unnoticed."
        )
    return sentences


def _auroc(family: dict) -> str:
    estimate = family["auroc"]
    return f"AUROC {estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def telling_in_words(feature: dict) -> str:
    """One entry of a family's "telling", e.g. "bytes a pixel: median 0.36 in 0_real, 2.1 in 1_fake"."""
    real, fake = (feature[name] for name in LABELS)
    if feature["kind"] == "share":
        return f"{feature['feature']}: {percent(real)} of {LABELS[0]}, {percent(fake)} of {LABELS[1]}"
    return f"{feature['feature']}: median {real:.3g} in {LABELS[0]}, {fake:.3g} in {LABELS[1]}"


def value_in_words(value: dict) -> str:
    """One entry of "values", e.g. "98% of 0_real are JPEG, 100% of 1_fake are PNG"."""
    return ", ".join(_shares_in_words(name, value[name]) for name in LABELS)


def _shares_in_words(name: str, shares: dict[str, float]) -> str:
    """The two most frequent values of a class, e.g. "97% of 0_real are JPEG, 3% PNG"."""
    if not shares:
        return f"none of {name}"
    (value, share), *rest = list(shares.items())[:2]
    return ", ".join([f"{percent(share)} of {name} are {value}", *(f"{percent(s)} {v}" for v, s in rest)])


def percent(share: float) -> str:
    """Whole percent; one decimal where rounding would make it 0% or 100% although it is not."""
    return f"{100 * share:.0f}%" if share in (0, 1) or 0.005 <= share < 0.995 else f"{100 * share:.1f}%"


def print_findings(report: dict) -> int:
    """Print sources, scores, differing values, problems and the summary.

    Returns:
        The exit status: 1 if something is suspected or splits share pictures, else 0.
    """
    _print_sources(report["sources"])
    _print_scores(report)
    for title, lines in (
        ("values that differ", [value_in_words(value) for value in report["values"]]),
        (MARKS, marks_in_words(report["marks"], report["images"])),
        ("problems", report["problems"]),
        ("notes", report["notes"]),
        ("left out", [f"{file['path']}: {file['reason']}" for file in report["left_out"]]),
    ):
        if lines:
            more = [f"and {len(lines) - MAX_LINES} more"] * (len(lines) > MAX_LINES)
            print(f"\n{title}:", *map(shown, lines[:MAX_LINES]), *more, sep="\n  ")
    print("\n" + textwrap.fill(shown(report["verdict"]), WIDTH))
    return 1 if report["suspected"] or report["leaks"] else 0


def _print_scores(report: dict) -> None:
    print(f"\n{'told apart by':<12}{'AUROC':>7}{'95% interval':>16}   {'':<13}{'most telling feature'}")
    for name, family in {**report["families"], "together": report["together"]}.items():
        estimate = family["auroc"]
        telling = "" if name == "together" else "the same in all files"
        if family.get("telling"):
            telling = telling_in_words(family["telling"][0])
        mark = ("SHORTCUT" if name in SHORTCUTS else "look closer") if family["suspected"] else ""
        interval = f"[{estimate['low']:.2f}, {estimate['high']:.2f}]"
        print(f"{name:<13}{estimate['value']:>6.2f}    {interval}   {mark:<13}{telling}".rstrip())


def _print_sources(sources: dict) -> None:
    print(f"{'images (sources)':<56}{LABELS[0]:>16}{LABELS[1]:>16}")
    for split, row in sources["splits"].items():
        cells = (f"{row[name]['images']:>8} ({row[name]['sources']})".rjust(16) for name in LABELS)
        print(f"{split:<56}" + "".join(cells))
    for title in ("packages", "generators"):
        table = sources[title]
        for value, row in list(table.items())[:MAX_LINES]:
            counts = [sum(pair[label] for pair in row.values()) for label in (0, 1)]
            print(f"  {title[:-1]} {shown(value)}"[:55].ljust(56) + "".join(f"{count:>16}" for count in counts))
        if len(table) > MAX_LINES:
            print(f"  and {len(table) - MAX_LINES} more {title}")
