"""Records, rows of data.csv and lists of sentences for the tests of captions."""

from __future__ import annotations

from aireal.captions.language.grammar import render
from aireal.captions.table import CaptionRow
from aireal.evidence.record import REGIONS, Cues, EvidenceRecord, LimeFeature


def evidence(
    label="fake",
    probability=98.67,
    region="top-left",
    colour="white",
    brightness="bright",
    texture="smooth",
    edges="moderate",
) -> EvidenceRecord:
    """A record of this class, number in percent, region and cues."""
    share = probability / 100 if label == "fake" else 1 - probability / 100
    return EvidenceRecord(
        "1.png", label, probability, share, region, (0.1, 0.1), Cues(colour, brightness, texture, edges)
    )


def make_record(i: int = 0) -> EvidenceRecord:
    """Records that differ in class, number, region and cues."""
    label = ("fake", "real")[i % 2]
    colour, brightness = (("white", "bright"), ("orange", "medium"), ("blue", "dark"))[i % 3]
    cues = Cues(colour, brightness, ("smooth", "rough")[i % 2], "soft", {"lightness": 71.5})
    probability = round(50 + (i * 7.31) % 50, 2)
    share = probability / 100 if label == "fake" else 1 - probability / 100
    return EvidenceRecord(
        f"사진_{i}.png", label, probability, share, REGIONS[i % 9], (0.1, 0.2), cues, (LimeFeature(3, 0.25),), 0.8
    )


def make_row(i: int = 0) -> CaptionRow:
    """A row of data.csv about `make_record(i)`."""
    record = make_record(i)
    captions = {language: render(record, language) for language in ("ko", "en")}
    return CaptionRow(record.image, ("train", "val", "test")[i % 3], f"gradcam/{i}.png", record, captions)


def as_table(row: CaptionRow) -> dict:
    """All columns of data.csv."""
    record = row.record
    return {
        "image": row.image,
        "split": row.split,
        "label_true": record.label,
        "label": record.label,
        "probability": record.probability,
        "probability_fake": record.probability_fake,
        "region": record.region,
        "peak_x": 0.1,
        "peak_y": 0.2,
        "colour": record.cues.colour,
        "brightness": record.cues.brightness,
        "texture": record.cues.texture,
        "edges": record.cues.edges,
        "caption_ko": row.captions["ko"],
        "caption_en": row.captions["en"],
        "overlay": row.overlay,
        "evidence": record.to_json(),
    }


def lines(text: str) -> list[str]:
    """The lines of a text without indentation. In the source, a backslash at the end of a line continues it."""
    return [" ".join(line.split()) for line in text.strip().splitlines()]
