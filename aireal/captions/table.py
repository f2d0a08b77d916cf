"""The tables: data.csv (one row an overlay) is read, data_answer_add.{csv,xlsx,jsonl} (one row a sentence) is written.

The same rows give the same bytes. CSV is UTF-8 with a byte order mark, so that Excel shows Korean; a text that a
spreadsheet would run as a formula gets an apostrophe before it there (OWASP, CSV injection); JSONL holds it as it is.
Rows are read and written one by one, so that a table's length costs no memory.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import chain
from pathlib import Path

from aireal.core.files import atomic_path
from aireal.core.spreadsheet import FORMULA, Sheet, escape_formula
from aireal.evidence.record import EvidenceRecord

from .language import parsing

NEEDED = ("image", "split", "overlay", "caption_ko", "caption_en", "evidence")


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
    """One row of data_answer_add: a sentence about one image, who wrote it, and what it was written from.

    `author` is 'base', 'offline', 'mock' or the id of the Claude model; `request_id` and `prompt_hash` (SHA-256 of all that was asked) are
    empty unless Claude wrote it; `probability` is in percent; `evidence` is the record as JSON; `enriched` marks a sentence with words
    outside the vocabulary (`gate.enriched`); `parse` is what the parser read in the sentence, as JSON (`parse_result`).
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
    enriched: bool = False
    parse: str = ""

    @classmethod
    def of(
        cls,
        row: CaptionRow,
        language: str,
        sentence: str,
        author: str,
        request_id: str = "",
        prompt_hash: str = "",
        enriched: bool = False,
    ) -> Answer:
        record = row.record
        return cls(
            row.image,
            row.overlay,
            row.split,
            language,
            sentence,
            author,
            request_id,
            record.label,
            record.probability,
            record.region,
            record.to_json(),
            prompt_hash,
            enriched,
            parse_result(sentence),
        )

    @property
    def record(self) -> EvidenceRecord:
        return EvidenceRecord.from_dict(json.loads(self.evidence))


COLUMNS = tuple(field.name for field in fields(Answer))


def parse_result(sentence: str) -> str:
    """What the parser reads in a sentence, as JSON: class, number (in percent), region, cues (those named), language; or why it refuses."""
    try:
        found = parsing.parse(sentence)
    except ValueError as error:
        return json.dumps({"refused": str(error)}, ensure_ascii=False)
    cues = {kind: value for kind in parsing.CUES if (value := getattr(found, kind)) is not None}
    result = {
        "class": found.label,
        "number": found.probability,
        "region": found.region,
        "cues": cues,
        "language": found.language,
    }
    return json.dumps(result, ensure_ascii=False)


# --- reading -----------------------------------------------------------------------------------------------------------


class Rows:
    """The rows of data.csv, read anew each time they are gone through, so that only one is in memory.

    Raises:
        ValueError: the file or a column is missing (at once), or a row's evidence cannot be read (when it is reached).
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        next(self._values(), None)

    def _values(self) -> Iterator[dict[str, str]]:
        return _read_csv(self.path, NEEDED, "run the prediction (notebook 04) first")

    def __iter__(self) -> Iterator[CaptionRow]:
        for number, values in enumerate(self._values(), start=2):
            try:
                record = EvidenceRecord.from_dict(json.loads(values["evidence"]))
            except (ValueError, TypeError, KeyError, AttributeError):
                where = f"{self.path}, line {number}"
                raise ValueError(
                    f"{where}: the evidence of {values['image']!r} cannot be read; predict the image again"
                ) from None
            captions = {"ko": values["caption_ko"], "en": values["caption_en"]}
            yield CaptionRow(values["image"], values["split"], values["overlay"], record, captions)


def read_rows(path: str | Path) -> list[CaptionRow]:
    """Read data.csv whole.

    Raises:
        ValueError: the file or a column is missing, or a row's evidence cannot be read; the sentence says which.
    """
    return list(Rows(path))


def read_answers(path: str | Path) -> list[Answer]:
    """Read what `write_answers` wrote, from its .csv or its .jsonl. Columns that have a default in `Answer` may be missing.

    Raises:
        ValueError: the file or a column is missing, or a line is not what it should be.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise ValueError(f"{path} is missing: augment the captions (notebook 05) first")
        with path.open(encoding="utf-8") as lines:
            return [_answer(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
    needed = [field.name for field in fields(Answer) if field.default is MISSING]
    answers = []
    for number, values in enumerate(_read_csv(path, needed, "augment the captions (notebook 05) first"), start=2):
        try:
            values |= {"probability": float(values["probability"]), "enriched": values.get("enriched") == "True"}
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: the probability is no number; augment the captions again"
            ) from None
        answers.append(Answer(**{name: values[name] for name in COLUMNS if name in values}))
    return answers


def _answer(line: str, where: str) -> Answer:
    try:
        return Answer(**json.loads(line))
    except (ValueError, TypeError):
        raise ValueError(f"{where}: this is no row of answers; augment the captions again") from None


def _read_csv(path: Path, needed: Sequence[str], advice: str) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise ValueError(f"{path} is missing: {advice}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            table = csv.DictReader(file, restval="", strict=True)
            if missing := [name for name in needed if name not in (table.fieldnames or ())]:
                raise ValueError(f"{path} lacks the column {', '.join(missing)}: {advice}")
            for values in table:
                yield {name: _unguard(value) for name, value in values.items() if name is not None}
        except (csv.Error, UnicodeDecodeError):
            raise ValueError(f"{path} is no UTF-8 table: {advice}") from None


def _unguard(value: str) -> str:
    return value[1:] if value.startswith("'") and FORMULA.match(value) else value


# --- writing -----------------------------------------------------------------------------------------------------------


def write_answers(rows: Iterable[Answer], path: str | Path) -> list[Path]:
    """Write the CSV at `path` and an .xlsx and a .jsonl beside it; return the three paths. `rows` is gone through once."""
    path = Path(path)
    with atomic_path(path.with_suffix(".jsonl")) as partial, partial.open("w", encoding="utf-8", newline="\n") as lines:

        def values() -> Iterator[dict]:
            for row in rows:
                found = vars(row)
                lines.write(json.dumps(found, ensure_ascii=False) + "\n")
                yield found

        written = write_table(values(), path, COLUMNS)
    return [*written, path.with_suffix(".jsonl")]


def write_table(rows: Iterable[dict], path: str | Path, columns: Sequence[str] | None = None) -> list[Path]:
    """Write dictionaries as a CSV at `path` and an .xlsx beside it; return both paths. None of them appears before both are whole.

    Args:
        columns: their names in order; the keys of the first row when None. A column `probability` is written with two decimals.
    """
    path, rows = Path(path), iter(rows)
    sheet_path = path.with_suffix(".xlsx")
    first = next(rows, None)
    columns = list(columns if columns is not None else first or ())
    with (
        atomic_path(path) as partial,
        atomic_path(sheet_path) as partial_sheet,
        partial.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        table, sheet = csv.writer(file, lineterminator="\n"), Sheet(path.stem, columns)
        table.writerow(columns)
        try:
            for row in chain([] if first is None else [first], rows):
                _write(row, columns, table, sheet)
            sheet.save(partial_sheet)
        finally:
            sheet.discard()
    return [path, sheet_path]


def _write(row: dict, columns: Sequence[str], table, sheet: Sheet) -> None:
    cells = [escape_formula(value) if isinstance(value := row.get(name), str) else value for name in columns]
    table.writerow(
        [f"{value:.2f}" if name == "probability" else value for name, value in zip(columns, cells, strict=True)]
    )
    sheet.append(cells)
