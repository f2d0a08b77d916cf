"""Tables for spreadsheets: CSV and Excel files whose cells run nothing and whose bytes depend on the rows alone.

The CSV is UTF-8 with a byte order mark, so that Excel shows Korean. A text that a spreadsheet would run as a formula
gets an apostrophe before it (OWASP, CSV injection), which `read_table` removes. Rows are read and written one at a
time, so that memory does not grow with the length of a table.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from .files import atomic_path

FORMULA = re.compile("'*[=+@\\-\t\r]")  # apostrophes too, so that the escape can be undone
LONGEST_SHEET = 1_048_576  # rows that a sheet of Excel holds, the header among them
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
_WIDE = ("sentence", "caption_ko", "caption_en")


def escape_formula(value: str) -> str:
    """A text as a spreadsheet may hold it: never a formula, no control characters (OWASP, CSV injection)."""
    value = ILLEGAL_CHARACTERS_RE.sub("", value)
    return f"'{value}" if FORMULA.match(value) else value


def unescape_formula(value: str) -> str:
    """The text that `escape_formula` escaped."""
    return value[1:] if value.startswith("'") and FORMULA.match(value) else value


def read_table(path: Path, needed: Sequence[str], advice: str) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV as dictionaries of texts.

    Args:
        needed: columns that the table must have.
        advice: what the user can do about a table that cannot be read; it ends the message of the error.

    Raises:
        ValueError: the file or a needed column is missing, or the file is no UTF-8 CSV.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: {advice}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            table = csv.DictReader(file, restval="", strict=True)
            if missing := [name for name in needed if name not in (table.fieldnames or ())]:
                raise ValueError(f"{path} lacks the column {', '.join(missing)}: {advice}")
            for row in table:
                yield {name: unescape_formula(value) for name, value in row.items() if name is not None}
        except (csv.Error, UnicodeDecodeError):
            raise ValueError(f"{path} is no UTF-8 table: {advice}") from None


def write_table(rows: Iterable[dict], path: str | Path, columns: Sequence[str] | None = None) -> list[Path]:
    """Write dictionaries as a CSV at `path` and an .xlsx beside it, and return both paths.

    Neither file appears before both are complete.

    Args:
        columns: their names in order; the keys of the first row when None. `probability` is written with two decimals.
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
                cells = [escape_formula(cell) if isinstance(cell := row.get(name), str) else cell for name in columns]
                table.writerow([_csv_cell(name, cell) for name, cell in zip(columns, cells, strict=True)])
                sheet.append(cells)
            sheet.save(partial_sheet)
        finally:
            sheet.discard()
    return [path, sheet_path]


def _csv_cell(name: str, cell: object) -> object:
    return f"{cell:.2f}" if name == "probability" else cell


class Sheet:
    """A workbook that is written row by row: header frozen, sentences wrapped, probabilities with two decimals.

    Rows that do not fit on one sheet of Excel go on the next.
    """

    def __init__(self, title: str, columns: Sequence[str]):
        self.workbook, self.title = Workbook(write_only=True), title[:28]
        self.columns, self.row_count = list(columns), 0
        self._wrapped = Alignment(wrap_text=True, vertical="top")

    def append(self, values: Sequence) -> None:
        """Add a row. Texts must be escaped (`escape_formula`)."""
        if self.row_count % (LONGEST_SHEET - 1) == 0:
            self._begin_sheet()
        self.row_count += 1
        self.sheet.append([self._cell(name, value) for name, value in zip(self.columns, values, strict=True)])

    def save(self, path: Path) -> None:
        """Write the workbook."""
        if not self.row_count:
            self._begin_sheet()
        with tempfile.TemporaryFile() as archive, path.open("wb") as target:
            self.workbook.save(archive)
            _without_times(archive, target)

    def discard(self) -> None:
        """Close an unfinished workbook."""
        for sheet in self.workbook.worksheets:
            if not sheet.closed:
                sheet.close()

    def _begin_sheet(self) -> None:
        number = len(self.workbook.worksheets) + 1
        self.sheet = self.workbook.create_sheet(self.title if number == 1 else f"{self.title} {number}")
        self.sheet.freeze_panes = "A2"
        for index, name in enumerate(self.columns, start=1):
            width = 80 if name in _WIDE else 40 if name == "evidence" else 16
            self.sheet.column_dimensions[get_column_letter(index)].width = width
        header = [WriteOnlyCell(self.sheet, name) for name in self.columns]
        for cell in header:
            cell.font = Font(bold=True)
        self.sheet.append(header)

    def _cell(self, name: str, value: object) -> object:
        if name not in _WIDE and name != "probability":
            return value
        cell = WriteOnlyCell(self.sheet, value)
        if name == "probability":
            cell.number_format = "0.00"
        else:
            cell.alignment = self._wrapped
        return cell


def _without_times(source_file, target_file) -> None:
    """Copy a workbook without its times: the one in its properties and those of the zip archive's entries."""
    with zipfile.ZipFile(source_file) as source, zipfile.ZipFile(target_file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.file_size = source.getinfo(name).file_size  # tells whether the entry needs zip64
            with source.open(name) as reader, target.open(entry, "w") as writer:
                if name == "docProps/core.xml":
                    properties = reader.read()
                    writer.write(re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", properties))
                else:
                    shutil.copyfileobj(reader, writer, 1 << 20)
