"""An audit's report in words: the paragraph that says what a classifier may be cheating with, and the table above it."""

from __future__ import annotations

import textwrap

from aireal import LABELS

WIDTH = 120
SHOWN = 8  # lines of a list before "and N more"
WHAT = {
    "container": "how the files are stored",
    "size": "the pictures' size",
    "overlay": "a mark or frame at a fixed place",
    "bytes": "the files' length",
    "colour": "simple colour statistics",
    "frequency": "simple frequency and noise statistics",
    "together": "everything the audit measures, taken together,",
}
SHORTCUTS = ("container", "size", "overlay")  # nothing a picture shows can explain these; the other families it can
VALUES_OF = {"container": ("format", "mode", "metadata", "JPEG quality", "subsampling"), "size": ("size",)}
REMEDIES = {
    "container": "write both classes through the same encoder with the same settings",
    "size": "bring both classes to the same sizes by the same crop and scaling",
    "overlay": "cut or cover the mark in both classes",
    "bytes": "put both classes through the same scaling and compression and audit again",
    "colour": "compare classes of the same subjects and light, or put both through the same colour handling, and audit again",
    "frequency": "put both classes through the same scaling and compression and audit again",
    "together": "put both classes through the same scaling, compression and colour handling and audit again",
}
LIMITS = (
    "The audit sees file properties, sizes, simple statistics and marks at fixed places; it does not see subjects, styles or moving marks, "
    "so it cannot show that a classifier is honest, only that these ways of cheating are closed or open."
)


def verdict(report: dict) -> str:
    """What the dataset's classifier may be cheating with, or that nothing was found, and what the audit cannot see; one paragraph."""
    suspected = report["suspected"]
    parts = []
    if suspected:
        shortcuts, statistics = [n for n in suspected if n in SHORTCUTS], [n for n in suspected if n not in SHORTCUTS]
        parts.append(
            "A classifier trained on this dataset may be cheating."
            if shortcuts
            else "No shortcut was found in files, sizes or fixed marks, but a classifier trained on this dataset may lean on simple statistics."
        )
        parts += [_sentence(name, report) for name in shortcuts + statistics]
        if statistics:
            parts.append(
                "Such statistics may be a trace of processing (scaling, compression, noise) or simply what the pictures show; "
                "the audit cannot tell which."
            )
        parts.append("What to do: " + "; ".join(dict.fromkeys(REMEDIES[name] for name in suspected)) + ".")
    else:
        nearest = max(report["families"], key=lambda name: report["families"][name]["auroc"]["value"])
        parts.append(
            "Nothing was found that a classifier could cheat with: "
            f"the most telling family is {WHAT[nearest]}, with {_auroc(report['families'][nearest])}."
        )
        few = min(report["sources_read"].values())
        if few < 50:
            parts.append(
                f"With {few} sources in the smaller class the intervals are wide, and a weak shortcut may have gone unnoticed."
            )
    if leaks := len(report["leaks"]):
        parts.append(
            f"Test figures may be too good as well: {leaks} near-duplicates or sources lie in more than one split."
        )
    if report["sources"]["packages"] and not report["sources"]["packages_of_both_classes"]:
        parts.append(
            "No package holds both classes, so anything a package's makers did to all their pictures cannot be told from the class."
        )
    return " ".join([*parts, LIMITS])


def _sentence(name: str, report: dict) -> str:
    family, what = (report["together"] if name == "together" else report["families"][name]), WHAT[name]
    evidence = [in_words(value) for value in report["values"] if value["fact"] in VALUES_OF.get(name, ())][:2]
    evidence = (
        evidence or [telling_in_words(found) for found in family.get("telling", [])[:2]] or ["weak traces add up"]
    )
    return f"{what[0].upper()}{what[1:]} can alone tell the classes apart with {_auroc(family)}: {'; '.join(evidence)}."


def _auroc(family: dict) -> str:
    estimate = family["auroc"]
    return f"AUROC {estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def telling_in_words(found: dict) -> str:
    """One entry of a family's "telling", e.g. "bytes a pixel: median 0.36 in 0_real, 2.1 in 1_fake"."""
    values = [found[name] for name in LABELS]
    if found["kind"] == "share":
        return f"{found['feature']}: {percent(values[0])} of {LABELS[0]}, {percent(values[1])} of {LABELS[1]}"
    return f"{found['feature']}: median {values[0]:.3g} in {LABELS[0]}, {values[1]:.3g} in {LABELS[1]}"


def in_words(value: dict) -> str:
    """One entry of "values", e.g. "98% of 0_real are JPEG, 100% of 1_fake are PNG"."""
    parts = []
    for name in LABELS:
        shares = list(value[name].items())[:2]
        parts.append(
            ", ".join(
                f"{percent(share)} of {name} are {what}" if k == 0 else f"{percent(share)} {what}"
                for k, (what, share) in enumerate(shares)
            )
            or f"none of {name}"
        )
    return ", ".join(parts)


def percent(share: float) -> str:
    """Whole percent, but never 0% or 100% of what is not quite that."""
    return f"{100 * share:.0f}%" if share in (0, 1) or 0.005 <= share < 0.995 else f"{100 * share:.1f}%"


def print_report(report: dict) -> int:
    """Print sources, scores, differing values and problems, and at the end the paragraph; return the exit status (1: something is
    suspected, or splits share pictures)."""
    _print_sources(report["sources"])
    print(f"\n{'told apart by':<12}{'AUROC':>7}{'95% interval':>16}   {'':<13}{'most telling feature'}")
    for name, family in {**report["families"], "together": report["together"]}.items():
        estimate = family["auroc"]
        telling = (
            telling_in_words(family["telling"][0])
            if family.get("telling")
            else ("" if name == "together" else "the same in all files")
        )
        mark = ("SHORTCUT" if name in SHORTCUTS else "look closer") if family["suspected"] else ""
        print(
            f"{name:<13}{estimate['value']:>6.2f}    [{estimate['low']:.2f}, {estimate['high']:.2f}]   {mark:<13}{telling}".rstrip()
        )
    for title, lines in (
        ("values that differ", [in_words(v) for v in report["values"]]),
        ("problems", report["problems"]),
        ("notes", report["notes"]),
        ("left out", [f"{f['path']}: {f['reason']}" for f in report["left_out"]]),
    ):
        if lines:
            more = [f"and {len(lines) - SHOWN} more"] * (len(lines) > SHOWN)
            print(f"\n{title}:", *lines[:SHOWN], *more, sep="\n  ")
    print("\n" + textwrap.fill(report["verdict"], WIDTH))
    return 1 if report["suspected"] or report["leaks"] else 0


def _print_sources(sources: dict) -> None:
    print(f"{'images (sources)':<56}{LABELS[0]:>16}{LABELS[1]:>16}")
    for split, row in sources["splits"].items():
        print(
            f"{split:<56}" + "".join(f"{row[name]['images']:>8} ({row[name]['sources']})".rjust(16) for name in LABELS)
        )
    for title in ("packages", "generators"):
        table = sources[title]
        for value, row in list(table.items())[:SHOWN]:
            counts = [sum(pair[label] for pair in row.values()) for label in (0, 1)]
            print(f"  {title[:-1]} {value}"[:55].ljust(56) + "".join(f"{count:>16}" for count in counts))
        if len(table) > SHOWN:
            print(f"  and {len(table) - SHOWN} more {title}")
