"""Tables for people: CSV and Excel files whose cells run nothing and whose bytes depend on the rows alone.

The CSV is UTF-8 with a byte order mark, so that Excel shows Korean. A text that a spreadsheet would run as a formula
gets an apostrophe before it (OWASP, CSV injection), which `read_table` removes. Rows are written one at a time, so that
memory does not grow with the length of a table.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.workbook.child import INVALID_TITLE_REGEX

from .files import atomic_path

# As OWASP lists them: ASCII and full-width signs, tab, line ends, also behind blanks; apostrophes too, so that the
# escape can be undone.
FORMULA = re.compile(r"'*(?:\s*[=+@\-\uff1d\uff0b\uff20\uff0d]|[\t\r\n])")
_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")  # surrogates have no UTF-8; XML has not the other two
LONGEST_SHEET = 1_048_576  # rows that a sheet of Excel holds, the header among them
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
_WIDE = ("sentence", "caption_ko", "caption_en")


def escape_formula(value: str) -> str:
    """A text as a spreadsheet may hold it: never a formula, no control characters (OWASP, CSV injection).

    What no file can hold, such as the bytes of a file name that are not UTF-8, becomes the replacement character.
    """
    value = _UNWRITABLE.sub("\ufffd", ILLEGAL_CHARACTERS_RE.sub("", value))
    return f"'{value}" if FORMULA.match(value) else value


def unescape_formula(value: str) -> str:
    """The text that `escape_formula` escaped."""
    return value[1:] if value.startswith("'") and FORMULA.match(value) else value


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
        sheet = Sheet(path.stem, columns)
        file.write(_line(map(escape_formula, columns)))
        try:
            for row in chain([] if first is None else [first], rows):
                cells = _escaped(row, columns)
                file.write(_line(_csv_cell(name, cell) for name, cell in zip(columns, cells, strict=True)))
                sheet.append(cells)
            sheet.save(partial_sheet)
        finally:
            sheet.discard()
    return [path, sheet_path]


def write_csv(rows: Iterable[dict], path: str | Path, columns: Sequence[str]) -> Path:
    """Write dictionaries as a CSV alone, all of it or nothing, and return its path."""
    path = Path(path)
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(_line(map(escape_formula, columns)))
        file.writelines(_line(_escaped(row, columns)) for row in rows)
    return path


def _escaped(row: dict, columns: Sequence[str]) -> list:
    return [escape_formula(cell) if isinstance(cell := row.get(name), str) else cell for name in columns]


def _line(cells: Iterable) -> str:
    """A line of a CSV. Its writer quotes the line ends that it writes itself: with \\n alone, a \\r inside a cell would
    begin a row of its own in Excel."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_cell(name: str, cell: object) -> object:
    return f"{cell:.2f}" if name == "probability" else cell


class Sheet:
    """A workbook that is written row by row: header frozen, sentences wrapped, probabilities with two decimals.

    Rows that do not fit on one sheet of Excel go on the next.
    """

    def __init__(self, title: str, columns: Sequence[str]):
        self.workbook, self.title = Workbook(write_only=True), INVALID_TITLE_REGEX.sub("_", title)[:28]
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
        header = [WriteOnlyCell(self.sheet, escape_formula(name)) for name in self.columns]
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
