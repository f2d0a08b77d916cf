"""Read the tables that people give us: CSV as Excel, LibreOffice, pandas and editors write it, and Excel workbooks.

One reader for all of them. A fault is one sentence that names the file, the line and the cure.
"""

from __future__ import annotations

import contextlib
import csv
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import openpyxl

from .errors import first_line
from .spreadsheet import LONGEST_SHEET, unescape_formula
from .table_encoding import SAVE_AGAIN, WORKBOOK, encoding_of

# of tables; what a file really is, its content tells. Of .xls and what follows, the cure is said.
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".numbers", ".parquet")
_DELIMITERS = ",;\t| "
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's hint in the first line
_WORDS = re.compile(f"[{_DELIMITERS}]")
_PADDED = re.compile(r'" +(?:[,;|\t\r\n]|$)|[,;|\t] +"')  # blanks between a quote and a delimiter
_DATA = re.compile(r"-?\d+([.,]\d+)?|.*[/\\].*|.*\.\w{3,4}( .*)?")  # a number, or a path: no name of a column


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        place: "line 7" (of a text; that in which the row begins) or "row 7" (of a workbook), for messages.
        cells: column → text.
    """

    place: str
    cells: dict[str, str]


def read_table(
    path: Path,
    needed: Sequence[str],
    advice: str,
    *,
    optional: Sequence[str] = (),
    aliases: Mapping[str, str] | None = None,
    trim: bool = False,
) -> Iterator[Row]:
    """Read the rows of a CSV or an Excel workbook one by one. Rows without any content are passed over.

    Args:
        needed: columns that the table must have, in lower case; a table may write them in any case.
        advice: what the user can do about a table that cannot be used; it ends the message of the error.
        optional: further columns that are used. Columns in neither list may be there in any number.
        aliases: other names of a column → the column. A column's own name goes before them.
        trim: remove blanks around each cell. Headers are always trimmed.

    Raises:
        ValueError: the file or a needed column is missing, a column is there twice, or the table cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: {advice}")
    names = {**(aliases or {}), **{name: name for name in (*needed, *optional)}}
    records, unit = _open(path, names, trim)
    _, header = next(records, (0, None))
    if header is None:
        raise ValueError(f"{path} is empty: {advice}")
    columns = _columns(path, header, needed, names, advice)
    for number, cells in records:
        place = f"{unit} {number}"
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise ValueError(
                f"{path} {place} has {len(cells)} cells, but the header {len(columns)}; "
                'put "..." around a text that holds the delimiter'
            )
        cells += [""] * (len(columns) - len(cells))
        row = {name: cell.strip() if trim else cell for name, cell in zip(columns, cells) if name}
        if any(cell.strip() for cell in row.values()):
            yield Row(place, {name: unescape_formula(cell) for name, cell in row.items()})


def header_of(path: Path, known: Iterable[str]) -> set[str]:
    """The names of a table's columns in lower case; empty if there is no such file.

    Args:
        known: names of columns that it may have; they tell the delimiter.

    Raises:
        ValueError: the file cannot be read as a table at all.
    """
    if not path.is_file():
        return set()
    _, header = next(_open(path, {name: name for name in known}, True)[0], (0, []))
    return {_plain(name) for name in header}


# --- the header ------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """A column's name without blanks and marks around it, in lower case and composed letters; numpy writes `# path`."""
    return unicodedata.normalize("NFKC", name).strip("\ufeff\u200b# \t\r\n").casefold()


def _columns(path: Path, header: list[str], needed: Sequence[str], names: Mapping[str, str], advice: str) -> list[str]:
    """The name of each column, "" for those that have none.

    Raises:
        ValueError: a needed column is missing, or one that is used is there twice.
    """
    columns = [_plain(name) for name in header]
    for column in dict.fromkeys(names.values()):
        if column not in columns:
            places = [place for place, name in enumerate(columns) if names.get(name) == column]
            if len(places) > 1:
                found = ", ".join(columns[place] for place in places)
                raise ValueError(f"{path}: which column is the {column} is not clear ({found}); call one {column}")
            for place in places:
                columns[place] = column
        elif columns.count(column) > 1:
            raise ValueError(f"{path} has the column {column} {columns.count(column)} times; remove all but one")
    if missing := [name for name in needed if name not in columns]:
        if any(_DATA.fullmatch(name) for name in columns):
            raise ValueError(
                f"{path} has no header, for its first line is {', '.join(header)[:80]!r}; "
                f"put a line with the names of the columns ({', '.join(needed)}) above it"
            )
        found = ", ".join(name for name in columns if name) or "none"
        raise ValueError(f"{path} has no column {' and no column '.join(missing)}, only {found[:200]}: {advice}")
    return columns


# --- records of a text and of a workbook -----------------------------------------------------------------------------


def _open(path: Path, names: Mapping[str, str], trim: bool) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """(number and cells of each record, beginning with the header; what the number counts)."""
    encoding = encoding_of(path)
    if encoding == WORKBOOK:
        return _workbook(path), "row"
    return _text(path, encoding, names, trim), "line"


def _text(path: Path, encoding: str, names: Mapping[str, str], trim: bool) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding, newline="") as file:
        skipped, delimiter, header = 0, None, ""
        for line in file:
            if hint := _SEPARATOR_LINE.fullmatch(line):
                delimiter = hint[1]
            elif line.strip(f"{_DELIMITERS}\ufeff\r\n") and not _is_comment(line, names):
                header = line
                break
            skipped += 1
        if not header:
            return
        delimiter, padded = delimiter or _delimiter(header, names), _PADDED.search(header)
        # `strict` finds a quote that is never closed, but takes no blank after a closing one
        reader = csv.reader(
            chain([header], file), delimiter=delimiter, skipinitialspace=bool(trim or padded), strict=not padded
        )
        start = 1
        try:
            for cells in reader:
                yield skipped + start, [cell.strip() for cell in cells] if padded else cells
                start = reader.line_num + 1
        except csv.Error as error:
            what = "a cell is too long" if "field larger" in str(error) else "the quotes of this row do not pair"
            raise ValueError(
                f"{path} line {skipped + start}: {what} ({error}); mend the row, or {SAVE_AGAIN} again"
            ) from None


def _is_comment(line: str, names: Mapping[str, str]) -> bool:
    """Whether a line above the header is a remark that begins with # and names no known column."""
    return line.lstrip("\ufeff ").startswith("#") and not any(_plain(word) in names for word in _WORDS.split(line))


def _delimiter(header: str, names: Mapping[str, str]) -> str:
    """The delimiter that finds most of the known columns in the header, or else most columns; a blank if no other."""

    def found(delimiter: str) -> tuple[int, bool, int]:
        try:
            columns = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))
        except csv.Error:  # longer than the reader's limit; reading the rows says so
            columns = []
        return sum(_plain(column) in names for column in columns), delimiter != " ", len(columns)

    return max(_DELIMITERS, key=found)


def _workbook(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the only visible sheet that has content; formulas have the values that Excel stored."""
    with path.open("rb") as file:  # openpyxl refuses a path by its suffix
        with _damage(path):
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            filled = [s for s in book.worksheets if s.sheet_state == "visible" and next(_filled(s), None)]
        if len(filled) > 1:
            sheets = ", ".join(sheet.title for sheet in filled)
            raise ValueError(f"{path} has several sheets with content ({sheets}); keep one, or {SAVE_AGAIN}")
        for rows in map(_filled, filled):
            width = None
            while True:  # the rows are parsed as they are asked for, so that damage may show at any of them
                with _damage(path):
                    number, cells = next(rows, (0, []))
                if not number:
                    break
                width = len(cells) if width is None else width
                yield number, cells[:width]  # cells beside the table are notes


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Raise ValueError in place of the many kinds of errors that a damaged workbook makes openpyxl raise."""
    try:
        with warnings.catch_warnings():  # openpyxl warns of features that do not matter here
            warnings.simplefilter("ignore", UserWarning)
            yield
    except Exception as error:
        raise ValueError(f"{path} is a damaged workbook ({first_line(error)}); {SAVE_AGAIN}") from None


def _filled(sheet) -> Iterator[tuple[int, list[str]]]:
    """The rows with content. Those that are left out between them cost time, too: a row may have any number."""
    sheet.reset_dimensions()  # some programs write wrong ones, and openpyxl reads no cell outside of them
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > LONGEST_SHEET:
            raise ValueError(f"a row has a number above {LONGEST_SHEET:,}")
        if any(value is not None for value in values):
            yield number, [_cell(value) for value in values]


def _cell(value: object) -> str:
    """A cell's value as a CSV would hold it: 1.0 is 1."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
