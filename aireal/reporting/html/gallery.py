"""The pictures of a report: the test set's (notebook 04), the demonstration's (notebook 07), or those of `aireal explain`."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

from tqdm import tqdm

from aireal.captions.table import CaptionRow, Rows
from aireal.config import DatasetRoot
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES, EvidenceRecord
from aireal.explain.trust import overall, trust
from aireal.figures.panel_text import verdict_line
from aireal.stages.explain_files import read_lines

from .thumbnails import figure, side_for, thumbnail

MOST_PANELS = 60  # whole figures of about 80 kB each: of more pictures the page shows picture and heatmap alone


@dataclass(frozen=True)
class GalleryEntry:
    """One picture. `truth` is "real", "fake" or None; `generator` is empty where it is not known; `sentences` and `sources` (who wrote them) have
    the languages as keys; pictures that are missing are None."""

    kind: str  # "test", "demo" or "explained"
    name: str
    record: EvidenceRecord
    truth: str | None
    generator: str
    sentences: dict[str, str]
    sources: dict[str, str]
    picture: Path | None
    overlay: Path | None
    panel: Path | None = None


def test_entries(data: DatasetRoot) -> list[GalleryEntry]:
    """The rows of data.csv; those that `measure` has completed with their completed records. None where nothing was predicted.

    Raises:
        ValueError: data.csv cannot be read.
    """
    if not data.table.is_file():
        return []
    items = {item.path: item for item in load_items(data, "test")}
    measured = _measured(data.products / "explanations.jsonl")
    return [_test_entry(data, row, items.get(row.image), measured.get(row.image)) for row in Rows(data.table)]


def _test_entry(
    data: DatasetRoot, row: CaptionRow, item: Item | None, completed: EvidenceRecord | None
) -> GalleryEntry:
    record = completed if completed and _same_measurement(completed, row.record) else row.record
    truth = CLASSES[item.label] if item else None
    return GalleryEntry(
        "test",
        row.image,
        record,
        truth,
        item.generator if item and item.label else "",
        row.captions,
        {"ko": "base", "en": "base"},
        data.root / row.image,
        data.products / row.overlay,
    )


def _same_measurement(completed: EvidenceRecord, record: EvidenceRecord) -> bool:
    """Whether both come from the same classifier and heatmap: a journal may hold records of an earlier one."""
    return (
        math.isclose(completed.probability_fake, record.probability_fake, abs_tol=1e-4)
        and completed.region == record.region
    )


def _measured(path: Path) -> dict[str, EvidenceRecord]:
    """Completed records by path, the last of each, of the journal that `measure_test_set` keeps; half a line is left out."""
    found = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
            found[line["path"]] = EvidenceRecord.from_dict(line["record"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def demo_entries(data: DatasetRoot, out: Path, images: list[dict]) -> list[GalleryEntry]:
    """The pictures of metrics/demo.json, with what notebook 07 left in `out`."""
    known = {Path(item.path).name: item for item in load_items(data) if item.split == "proposal"} if images else {}
    return [_demo_entry(data, out, image, known.get(image["image"])) for image in images]


def _demo_entry(data: DatasetRoot, out: Path, image: dict, item: Item | None) -> GalleryEntry:
    number = image["number"]
    kept = out / "demo" / f"{number}_picture.png"
    picture = kept if kept.is_file() else data.root / item.path if item else None
    truth = image["truth"] if image["truth"] in ("real", "fake") else None
    sources = {language: image[f"source_{language}"] for language in ("ko", "en")}
    return GalleryEntry(
        "demo",
        image["image"],
        _record(image),
        truth,
        item.generator if item and item.label else "",
        *_spoken(image, sources),
        picture,
        out / "demo" / f"{number}_overlay.png",
        out / "readme_images" / f"{number}_panel.png",
    )


def explained_entries(folder: Path, lines: Path) -> tuple[list[GalleryEntry], list[dict]]:
    """What `aireal explain` wrote: the pictures, and {"path", "error"} of the files that could not be used.

    Raises:
        ValueError: there are no such lines.
    """
    found = read_lines(lines)
    if not found:
        raise ValueError(
            f"{lines} holds nothing that was explained: run `python -m aireal explain PICTURES --out {folder}` first"
        )
    names = _short_names([line["path"] for line in found])
    entries = []
    for name, line in zip(names, found):
        if "error" not in line:
            overlay = folder / line["overlay"] if line.get("overlay") else None
            entries.append(
                GalleryEntry(
                    "explained",
                    name,
                    _record(line),
                    None,
                    "",
                    *_spoken(line, line.get("sentence_source") or {}),
                    Path(line["path"]),
                    overlay,
                    folder / line["panel"],
                )
            )
    return entries, [{"path": name, "error": line["error"]} for name, line in zip(names, found) if "error" in line]


def _short_names(paths: list[str]) -> list[str]:
    """Without the folders that all share: nobody who gets the report needs to know where they lay."""
    whole = [os.path.abspath(path) for path in paths]
    shared = os.path.commonpath([os.path.dirname(path) for path in whole])
    return [Path(os.path.relpath(path, shared)).as_posix() for path in whole]


def _record(values: dict) -> EvidenceRecord:
    known = {field.name: values[field.name] for field in fields(EvidenceRecord) if field.name in values}
    return EvidenceRecord.from_dict(known | {"lime": known.get("lime") or (), "image": values.get("image", "")})


def _spoken(values: dict, sources: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    return {language: text for language in ("ko", "en") if (text := values.get(f"sentence_{language}"))}, sources


def as_json(entries: list[GalleryEntry]) -> list[dict]:
    """What the page's script needs of each picture, thumbnails included."""
    side, panels = side_for(len(entries)), MOST_PANELS
    out = []
    for entry in tqdm(entries, desc="thumbnails", unit="image", leave=False):
        shown = figure(entry.panel) if entry.panel and panels > 0 else None
        panels -= shown is not None
        out.append(
            {
                **_said(entry),
                "picture": entry.picture and thumbnail(entry.picture, side),
                "overlay": entry.overlay and thumbnail(entry.overlay, side),
                "panel": shown,
            }
        )
    return out


def _said(entry: GalleryEntry) -> dict:
    record = entry.record
    statements = trust(record)
    summary = overall(statements)
    correct = "no_truth" if entry.truth is None else "right" if entry.truth == record.label else "wrong"
    return {
        "set": entry.kind,
        "name": entry.name,
        "verdict": record.label,
        "p": f"{record.probability:.2f}",
        "fake": round(record.probability_fake, 4),
        "uncertain": record.uncertain,
        "truth": entry.truth,
        "correct": correct,
        "generator": entry.generator or ("photographs" if entry.truth == "real" else "not_stated"),
        "trust": summary.level,
        "region": record.region,
        "peak": [round(place, 4) for place in record.peak],
        "line": {language: verdict_line(record, language) for language in ("ko", "en")},
        "sentence": entry.sentences,
        "source": entry.sources,
        "statements": [[s.level, s.ko, s.en] for s in (summary, *statements)],
    }
