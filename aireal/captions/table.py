"""The tables: data.csv (one row an overlay) is read, data_answer_add.{csv,xlsx,jsonl} (one row a sentence) is written.

The same rows give the same bytes. CSV is UTF-8 with a byte order mark, so that Excel shows Korean; a text that a
spreadsheet would run as a formula gets an apostrophe before it there (OWASP, CSV injection); JSONL holds it as it is.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment

from ..evidence import EvidenceRecord
from ..run import write_whole

NEEDED = ("image", "split", "overlay", "caption_ko", "caption_en", "evidence")
_FORMULA = re.compile("'*[=+@\\-\t\r]")  # apostrophes too, so that guarding can be undone
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip archive can hold


@dataclass(frozen=True)
class Row:
    """One row of data.csv: an image, its overlay, its evidence and its base captions by language."""

    image: str
    split: str
    overlay: str
    record: EvidenceRecord
    captions: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One row of data_answer_add: a sentence about one image, who wrote it, and what it was written from.

    `author` is 'base', 'offline' or the id of the Claude model; `request_id` is empty unless Claude wrote it;
    `probability` is in percent; `evidence` is the record as JSON.
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

    @classmethod
    def of(cls, row: Row, language: str, sentence: str, author: str, request_id: str = "") -> Answer:
        record = row.record
        return cls(
            row.image, row.overlay, row.split, language, sentence, author, request_id,
            record.label, record.probability, record.region, record.to_json())

    @property
    def record(self) -> EvidenceRecord:
        return EvidenceRecord.from_dict(json.loads(self.evidence))


def read_rows(path: str | Path) -> list[Row]:
    """Read data.csv.

    Raises:
        ValueError: the file or a column is missing, or a row's evidence cannot be read; the sentence says which.
    """
    table = _read_csv(Path(path), NEEDED, "run the prediction (notebook 04) first")
    rows = []
    for number, values in enumerate(table.to_dict("records"), start=2):
        try:
            record = EvidenceRecord.from_dict(json.loads(values["evidence"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            where = f"{path}, line {number}"
            raise ValueError(f"{where}: the evidence of {values['image']!r} cannot be read; predict the image again") from None
        captions = {"ko": values["caption_ko"], "en": values["caption_en"]}
        rows.append(Row(values["image"], values["split"], values["overlay"], record, captions))
    return rows


def write_answers(rows: Sequence[Answer], path: str | Path) -> list[Path]:
    """Write the CSV at `path` and an .xlsx and a .jsonl beside it; return the three paths."""
    path = Path(path)
    values = [asdict(row) for row in rows]
    written = write_table(values, path, [field.name for field in fields(Answer)])
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in values)
    return [*written, write_whole(path.with_suffix(".jsonl"), lines.encode())]


def read_answers(path: str | Path) -> list[Answer]:
    """Read what `write_answers` wrote, from its .csv or its .jsonl.

    Raises:
        ValueError: the file or a column is missing, or a line is not what it should be.
    """
    path, names = Path(path), [field.name for field in fields(Answer)]
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise ValueError(f"{path} is missing: augment the captions (notebook 05) first")
        with path.open(encoding="utf-8") as lines:
            return [_answer(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
    table = _read_csv(path, names, "augment the captions (notebook 05) first")
    return [Answer(**values | {"probability": float(values["probability"])}) for values in table[names].to_dict("records")]


def _answer(line: str, where: str) -> Answer:
    try:
        return Answer(**json.loads(line))
    except (ValueError, TypeError):
        raise ValueError(f"{where}: this is no row of answers; augment the captions again") from None


def write_table(rows: Iterable[dict], path: str | Path, columns: Sequence[str] | None = None) -> list[Path]:
    """Write dictionaries as a CSV at `path` and an .xlsx beside it, each atomically; return both paths.

    A column `probability` is written with two decimals.
    """
    path = Path(path)
    table = pd.DataFrame(list(rows), columns=columns)
    text = table.map(lambda value: _guard(value) if isinstance(value, str) else value)
    with_decimals = text.assign(probability=text["probability"].map("{:.2f}".format)) if "probability" in text else text
    csv = with_decimals.to_csv(index=False, lineterminator="\n").encode("utf-8-sig")
    return [write_whole(path, csv), write_whole(path.with_suffix(".xlsx"), _xlsx(text, path.stem))]


def _guard(value: str) -> str:
    """A text as a spreadsheet may hold it: never a formula, no control characters."""
    value = ILLEGAL_CHARACTERS_RE.sub("", value)
    return f"'{value}" if _FORMULA.match(value) else value


def _unguard(value: str) -> str:
    return value[1:] if value.startswith("'") and _FORMULA.match(value) else value


def _read_csv(path: Path, needed: Sequence[str], advice: str) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"{path} is missing: {advice}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError):  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path} is no UTF-8 table: {advice}") from None
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{path} lacks the column {', '.join(missing)}: {advice}")
    return table.map(_unguard)


def _xlsx(table: pd.DataFrame, title: str) -> bytes:
    """The table as an Excel sheet: header frozen, texts wrapped, probabilities with two decimals."""
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        table.to_excel(writer, index=False, sheet_name=title[:31])
        sheet = writer.sheets[title[:31]]
        sheet.freeze_panes = "A2"
        for column in sheet.columns:
            name, letter = column[0].value, column[0].column_letter
            wide = name in ("sentence", "caption_ko", "caption_en")
            sheet.column_dimensions[letter].width = 80 if wide else 40 if name == "evidence" else 16
            for cell in column[1:]:
                if wide:
                    cell.alignment = Alignment(wrap_text=True, vertical="top")
                if name == "probability":
                    cell.number_format = "0.00"
    return _without_times(buffer.getvalue())


def _without_times(archive: bytes) -> bytes:
    """The same workbook without the moment it was made: in its properties and in the zip archive's entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return buffer.getvalue()
