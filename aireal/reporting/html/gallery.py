"""The pictures of a report: the test set's (notebook 04), the demonstration's (notebook 07), or those of `aireal
explain`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

from tqdm import tqdm

from aireal.captions.language.grammar import LANGUAGES
from aireal.captions.table import CaptionRow, Rows
from aireal.config import DatasetRoot
from aireal.core.file_names import recorded_path, shown
from aireal.core.imagefile import ImageError, read_bytes, sha256
from aireal.core.inside import Inside
from aireal.core.journal import read_entries
from aireal.core.json_text import has_fields, parse_json
from aireal.dataset.manifest import Item, load_items
from aireal.evidence.record import CLASSES, EvidenceRecord
from aireal.explain.trust import overall, trust
from aireal.figures.html.views import describe_peak, region_path
from aireal.figures.panel_text import verdict_line
from aireal.provenance.wording import full_line
from aireal.stages.explain_files import read_lines

from .thumbnails import figure, side_for, thumbnail

MOST_PANELS = 60  # whole figures of about 80 kB each; further pictures have photograph and heatmap alone


@dataclass(frozen=True)
class GalleryEntry:
    """One picture. `truth` is "real", "fake" or None; `generator` is empty where it is unknown; `sentences` and
    `sources` (their authors) have the languages as keys; `picture`, `overlay` and `panel` are None where there is no
    file."""

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
    """The rows of data.csv, with the completed record where `aireal measure` made one; empty where nothing was
    predicted.

    Raises:
        ValueError: data.csv cannot be read, or names a picture outside of the root.
    """
    if not data.table.is_file():
        return []
    items = {item.path: item for item in load_items(data, "test")}
    completed = _completed_records(data.products / "explanations.jsonl")
    rows = Rows(data.table, without_heatmap=True)
    return [_test_entry(data, row, items.get(row.image), completed.get(row.image)) for row in rows]


def _test_entry(
    data: DatasetRoot, row: CaptionRow, item: Item | None, completed: EvidenceRecord | None
) -> GalleryEntry:
    record = completed if completed and _same_measurement(completed, row.record) else row.record
    truth = CLASSES[item.label] if item else None
    try:
        picture = Inside(data.root).path(row.image)
    except ValueError as error:
        raise ValueError(f"{data.table}: the picture {error}; predict the test set again") from None
    return GalleryEntry(
        "test",
        row.image,
        record,
        truth,
        item.generator if item and item.label else "",
        row.captions,
        {"ko": "base", "en": "base"},
        picture,
        data.products / row.overlay if row.overlay else None,
    )


def classifier_of_rows(data: DatasetRoot) -> str:
    """The fingerprint of the classifier that the rows of data.csv are of, by the journal beside it; "" without one."""
    entries = read_entries(data.table.with_suffix(".jsonl"))
    told = entries[-1].get("classifier") if entries else None
    return told.split()[0] if isinstance(told, str) and told else ""


def _same_measurement(completed: EvidenceRecord, record: EvidenceRecord) -> bool:
    """Whether both come from the same classifier and heatmap; a journal may hold records of an earlier one."""
    return (
        math.isclose(completed.probability_fake, record.probability_fake, abs_tol=1e-4)
        and completed.region == record.region
    )


def _completed_records(path: Path) -> dict[str, EvidenceRecord]:
    """The last completed record by path, of the journal that `measure_test_set` keeps; an unreadable line is
    skipped."""
    records = {}
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            line = parse_json(text)
            if has_fields(line, {"path": str, "record": dict}):
                records[line["path"]] = EvidenceRecord.from_dict(line["record"])
        except ValueError:
            continue
    return records


def demo_entries(data: DatasetRoot, out: Path, images: list[dict]) -> list[GalleryEntry]:
    """The pictures of metrics/demo.json, with the files that notebook 07 wrote into `out`."""
    items = {Path(item.path).name: item for item in load_items(data) if item.split == "proposal"} if images else {}
    return [_demo_entry(data, out, image, items.get(image["image"])) for image in images]


def _demo_entry(data: DatasetRoot, out: Path, image: dict, item: Item | None) -> GalleryEntry:
    number = image["number"]
    copied = out / "demo" / f"{number}_picture.png"
    return GalleryEntry(
        "demo",
        image["image"],
        _record(image),
        image["truth"] if image["truth"] in CLASSES else None,
        item.generator if item and item.label else "",
        _sentences(image),
        {language: image[f"source_{language}"] for language in LANGUAGES},
        copied if copied.is_file() else data.root / item.path if item else None,
        out / "demo" / f"{number}_overlay.png",
        out / "readme_images" / f"{number}_panel.png",
    )


def explained_entries(folder: Path, lines: Path) -> tuple[list[GalleryEntry], list[dict]]:
    """The results of `aireal explain`: the pictures, and {"path", "error"} of the files that could not be used.

    A picture is shown only if it is still the one that was explained, and a figure only if it lies in the folder: lines
    from somebody else could name a private file.

    Raises:
        ValueError: there are no such lines, or one cannot be read.
    """
    results = read_lines(lines)
    if not results:
        raise ValueError(
            f"{lines} holds no explained picture. Run `python -m aireal explain PICTURES --out {folder}` first."
        )
    names = _short_names([result["path"] for result in results])
    named = list(zip(names, results))
    places = Inside(folder)
    entries = [_explained_entry(places, name, result) for name, result in named if "error" not in result]
    return entries, [{"path": name, "error": str(result["error"])} for name, result in named if "error" in result]


def _explained_entry(places: Inside, name: str, result: dict) -> GalleryEntry:
    try:
        record = _record(result)
        overlay = places.path(result["overlay"]) if result.get("overlay") else None
        panel = places.path(result["panel"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = error if isinstance(error, ValueError) else "a line that this version does not write"
        raise ValueError(f"the result of {shown(name)} cannot be shown ({why}); explain the picture again") from None
    return GalleryEntry(
        "explained",
        name,
        record,
        None,
        "",
        _sentences(result),
        result.get("sentence_source") or {},
        _same_picture(Path(recorded_path(result)), result.get("sha256")),
        overlay,
        panel,
    )


def _same_picture(path: Path, digest: str | None) -> Path | None:
    """The path if its file has this SHA-256, else None."""
    try:
        return path if sha256(read_bytes(path)) == digest else None
    except ImageError:
        return None


def _short_names(paths: list[str]) -> list[str]:
    """The paths without the folders that all share, which are nobody else's business."""
    absolute = [os.path.abspath(path) for path in paths]
    shared = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(os.path.relpath(path, shared)).as_posix() for path in absolute]


def _record(values: dict) -> EvidenceRecord:
    known = {field.name: values[field.name] for field in fields(EvidenceRecord) if field.name in values}
    return EvidenceRecord.from_dict(known | {"lime": known.get("lime") or (), "image": values.get("image", "")})


def _sentences(values: dict) -> dict[str, str]:
    return {language: text for language in LANGUAGES if (text := values.get(f"sentence_{language}"))}


def as_json(entries: list[GalleryEntry]) -> list[dict]:
    """The data of each picture for the page's script, thumbnails included."""
    side, panels_left = side_for(len(entries)), MOST_PANELS
    pictures = []
    for entry in tqdm(entries, desc="thumbnails", unit="image", leave=False):
        panel = figure(entry.panel) if entry.panel and panels_left > 0 else None
        panels_left -= panel is not None
        images = {
            "picture": entry.picture and thumbnail(entry.picture, side),
            "overlay": entry.overlay and thumbnail(entry.overlay, side),
            "panel": panel,
        }
        pictures.append(_facts(entry) | images)
    return pictures


def _facts(entry: GalleryEntry) -> dict:
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
        "marks": region_path(record, 100, 100),
        "peak": dict(zip(LANGUAGES, describe_peak(record))),
        "line": {language: verdict_line(record, language) for language in LANGUAGES},
        "sentence": entry.sentences,
        "source": entry.sources,
        "statements": [[s.level, s.ko, s.en] for s in (summary, *statements)],
        "file": dict(zip(LANGUAGES, full_line(record.provenance))) if record.provenance else None,
    }
