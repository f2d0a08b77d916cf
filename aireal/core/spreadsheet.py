"""Tables as spreadsheets hold them: cells that run nothing, and workbooks written row by row whose bytes depend on the rows alone."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

FORMULA = re.compile("'*[=+@\\-\t\r]")  # apostrophes too, so that guarding can be undone
LONGEST_SHEET = 1_048_576  # rows that a sheet of Excel holds, the header among them
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip archive can hold
_WIDE = ("sentence", "caption_ko", "caption_en")


def escape_formula(value: str) -> str:
    """A text as a spreadsheet may hold it: never a formula, no control characters (OWASP, CSV injection)."""
    value = ILLEGAL_CHARACTERS_RE.sub("", value)
    return f"'{value}" if FORMULA.match(value) else value


class Sheet:
    """A workbook that is written row by row: header frozen, sentences wrapped, probabilities with two decimals.

    What does not fit on one sheet of Excel goes on the next.
    """

    def __init__(self, title: str, columns: Sequence[str]):
        self.book, self.title, self.columns, self.rows = Workbook(write_only=True), title[:28], list(columns), 0
        self._wrapped = Alignment(wrap_text=True, vertical="top")

    def append(self, values: Sequence) -> None:
        """Add a row; texts are to be guarded."""
        if self.rows % (LONGEST_SHEET - 1) == 0:
            self._begin()
        self.rows += 1
        self.sheet.append([self._cell(name, value) for name, value in zip(self.columns, values, strict=True)])

    def save(self, path: Path) -> None:
        """Write the workbook."""
        if not self.rows:
            self._begin()
        with tempfile.TemporaryFile() as archive, path.open("wb") as target:
            self.book.save(archive)
            _without_times(archive, target)

    def discard(self) -> None:
        """Close an unfinished workbook."""
        for sheet in self.book.worksheets:
            if not sheet.closed:
                sheet.close()

    def _begin(self) -> None:
        number = len(self.book.worksheets) + 1
        self.sheet = self.book.create_sheet(self.title if number == 1 else f"{self.title} {number}")
        self.sheet.freeze_panes = "A2"
        for index, name in enumerate(self.columns, start=1):
            self.sheet.column_dimensions[get_column_letter(index)].width = (
                80 if name in _WIDE else 40 if name == "evidence" else 16
            )
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
    """The same workbook without the moment it was made: in its properties and in the zip archive's entries."""
    with zipfile.ZipFile(source_file) as source, zipfile.ZipFile(target_file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.file_size = source.getinfo(name).file_size  # so that the size is known to need zip64 or not
            with source.open(name) as old, target.open(entry, "w") as new:
                if name == "docProps/core.xml":
                    new.write(re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", old.read()))
                else:
                    shutil.copyfileobj(old, new, 1 << 20)
