"""The tables of captions: data.csv (a row an overlay) is read, data_answer_add.{csv,xlsx,jsonl} (a row a sentence) is
written.

`core.spreadsheet` describes the CSV and Excel files; JSONL holds texts as they are. The same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from aireal.captions.language.parsing import CUES, Parsed
from aireal.captions.language.validate import ValidSentence
from aireal.core.errors import quoted
from aireal.core.files import atomic_path
from aireal.core.inside import Inside
from aireal.core.json_text import has_fields, json_line, parse_json
from aireal.core.read_table import Row, read_table
from aireal.core.spreadsheet import write_table
from aireal.evidence.record import EvidenceRecord
from aireal.evidence.value_types import misfit

NEEDED = ("image", "split", "overlay", "caption_ko", "caption_en", "evidence")
_PREDICT = "run the prediction (notebook 04) first"
_AUGMENT = "augment the captions (notebook 05) first"


@dataclass(frozen=True)
class CaptionRow:
    """One row of data.csv: an image, its overlay, its evidence and its base captions by language."""

    image: str
    split: str
    overlay: str
    record: EvidenceRecord
    captions: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One row of data_answer_add: a sentence about one image, its author and its evidence.

    Attributes:
        author: 'base', 'offline', 'mock' or the id of the Claude model.
        request_id: of the request to Claude; empty for other authors.
        probability: in percent.
        evidence: the evidence record as JSON.
        prompt_hash: SHA-256 of the whole question to Claude; empty for other authors.
        parse: what the parser read in the sentence, as JSON (`parsed_json`).
    """

    image: str
    overlay: str
    split: str
    language: str
    sentence: str
    author: str
    request_id: str
    label: str
    probability: float
    region: str
    evidence: str
    prompt_hash: str = ""
    parse: str = ""

    @classmethod
    def of(
        cls, row: CaptionRow, sentence: ValidSentence, author: str, request_id: str = "", prompt_hash: str = ""
    ) -> Answer:
        """The table's row for a sentence that the validator accepted."""
        record, parsed = row.record, sentence.parsed
        return cls(
            row.image,
            row.overlay,
            row.split,
            parsed.language,
            sentence.text,
            author,
            request_id,
            record.label,
            record.probability,
            record.region,
            record.to_json(),
            prompt_hash,
            parsed_json(parsed),
        )

    @property
    def record(self) -> EvidenceRecord:
        return EvidenceRecord.from_dict(parse_json(self.evidence))


COLUMNS = tuple(field.name for field in fields(Answer))
NEEDED_ANSWER = {name: Any for name in (field.name for field in fields(Answer) if field.default is MISSING)}


def parsed_json(parsed: Parsed) -> str:
    """What a sentence claims, as JSON: class, number (in percent), region, cues (those that are named), language."""
    cues = {kind: value for kind in CUES if (value := getattr(parsed, kind)) is not None}
    claims = {"class": parsed.label, "number": parsed.probability, "region": parsed.region, "cues": cues}
    return json.dumps(claims | {"language": parsed.language}, ensure_ascii=False)


# --- reading ---------------------------------------------------------------------------------------------------------


class Rows:
    """The rows of data.csv. Each iteration reads the file anew, so that only one row is in memory.

    Rows of pictures without a heatmap have no overlay to write about, so they are passed over.

    Raises:
        ValueError: the file or a column is missing (at once); or the evidence of a row cannot be read, or its overlay
            lies outside of the table's folder (on reaching it).
    """

    def __init__(self, path: str | Path, without_heatmap: bool = False):
        """Check the columns.

        Args:
            without_heatmap: whether rows of pictures without a heatmap are among them; their `overlay` is "".
        """
        self.path, self.without_heatmap = Path(path), without_heatmap
        next(self._values(), None)

    def _values(self) -> Iterator[Row]:
        return read_table(self.path, NEEDED, _PREDICT)

    def __iter__(self) -> Iterator[CaptionRow]:
        places = Inside(self.path.parent)
        for row in self._values():
            values = row.cells
            if values["overlay"]:  # a flat picture has none
                _require_inside(self.path, row.place, values["overlay"], places)
            try:
                record = EvidenceRecord.from_dict(parse_json(values["evidence"]))
            except ValueError:
                raise ValueError(
                    f"{self.path} {row.place}: the evidence of {quoted(values['image'])} cannot be read; "
                    "predict the image again"
                ) from None
            if record.region is None and not self.without_heatmap:
                continue
            captions = {"ko": values["caption_ko"], "en": values["caption_en"]}
            yield CaptionRow(values["image"], values["split"], values["overlay"], record, captions)


def _require_inside(table: Path, place: str, overlay: str, places: Inside) -> None:
    """Refuse an overlay outside of the table's folder: it would be sent, taught and reported."""
    try:
        places.path(overlay)
    except ValueError as error:
        raise ValueError(f"{table} {place}: the overlay {error}; predict the image again") from None


def read_rows(path: str | Path) -> list[CaptionRow]:
    """Read the rows of data.csv that `Rows` yields.

    Raises:
        ValueError: the file or a column is missing, or the evidence of a row cannot be read.
    """
    return list(Rows(path))


def read_answers(path: str | Path) -> list[Answer]:
    """Read what `write_answers` wrote, from its .csv or its .jsonl.

    Tables of earlier versions are read too: columns that have a default in `Answer` may be missing, and columns that
    `Answer` does not have are left out.

    Raises:
        ValueError: the file or a column is missing, or a line is no row of answers.
    """
    path = Path(path)
    return _read_jsonl(path) if path.suffix == ".jsonl" else _read_csv(path)


def _read_jsonl(path: Path) -> list[Answer]:
    if not path.is_file():
        raise ValueError(f"{path} is missing: {_AUGMENT}")
    answers = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                answers.append(_answer(parse_json(line, utf8=True)))
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: this is no row of answers; augment the captions again"
                ) from None
    return answers


def _read_csv(path: Path) -> list[Answer]:
    answers = []
    for row in read_table(path, tuple(NEEDED_ANSWER), _AUGMENT, optional=COLUMNS):
        try:
            answers.append(_answer(row.cells | {"probability": float(row.cells["probability"])}))
        except ValueError:
            raise ValueError(f"{path} {row.place}: the probability is no number; augment the captions again") from None
    return answers


def _answer(values: Any) -> Answer:
    """The answer of a row.

    Raises:
        ValueError: a column is missing or of another type.
    """
    if not has_fields(values, NEEDED_ANSWER):
        raise ValueError("a column is missing or of another type")
    answer = Answer(**{name: values[name] for name in COLUMNS if name in values})
    if name := misfit(answer):
        raise ValueError(f"{name} is of another type")
    return answer


# --- writing ---------------------------------------------------------------------------------------------------------


def write_answers(answers: Iterable[Answer], path: str | Path) -> list[Path]:
    """Write the CSV at `path` and an .xlsx and a .jsonl beside it; return the three paths. Iterates once."""
    path = Path(path)
    lines = path.with_suffix(".jsonl")
    # the CSV gets its name last: where it lies, a stage counts as done
    with closing(_kept_as_lines(answers, lines)) as rows:
        return [*write_table(rows, path, COLUMNS), lines]


def _kept_as_lines(answers: Iterable[Answer], path: Path) -> Iterator[dict]:
    """The answers as dictionaries; after the last one the file of JSON lines with all of them is complete."""
    with atomic_path(path) as partial, partial.open("wb") as lines:
        for answer in answers:
            values = vars(answer)
            lines.write(json_line(values))
            yield values
