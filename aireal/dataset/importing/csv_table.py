"""CSV files of paths and labels, among them the manifest of a dataset root."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from aireal.core.file_names import find_by_name
from aireal.evidence.record import CLASSES

from .source import OPTIONAL_COLUMNS, SPLIT_NAMES, PictureEntry, Survey, label_of


def is_table(path: Path) -> bool:
    """Whether a file is a CSV with the columns path and label, as a dataset root's manifest.csv is."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return {"path", "label"} <= {word.strip().casefold() for word in file.readline().split(",")}


def csv_entries(path: Path, real_label: str | None = None) -> Iterator[PictureEntry]:
    """The rows of a CSV (comma, semicolon or tab).

    Columns: path, label and, optionally, split, group, generator and licence. Rows of a dataset root's split
    `proposal` are skipped, because its demonstration pictures stay out of every training.

    Args:
        real_label: the label that means real, every other being fake; None: `label_of` reads them.

    Raises:
        ValueError: a column is missing, or a label or split is invalid; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = _reader(path.name, file)
            for row in reader:
                if row.get("split") != "proposal":
                    cells = {key: (value or "").strip() for key, value in row.items() if not isinstance(value, list)}
                    yield _entry(path, reader.line_num, cells, real_label)
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not in UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path.name} is no CSV that can be read ({error}); save it again") from None


def _reader(table: str, file) -> csv.DictReader:
    """A reader with the delimiter of the header, and its columns in lower case."""
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
    names = [name.strip().casefold() for name in reader.fieldnames or ()]
    reader.fieldnames = ["licence" if name == "license" else name for name in names]
    if missing := {"path", "label"} - set(names):
        raise ValueError(
            f"{table} has no column {' and no column '.join(sorted(missing))}, only {', '.join(reader.fieldnames)}; "
            f"it needs path and label, and may have {', '.join(OPTIONAL_COLUMNS)}"
        )
    return reader


def _entry(path: Path, line: int, row: dict[str, str], real_label: str | None) -> PictureEntry:
    label, split = _label(row["label"], real_label), row.get("split", "").casefold()
    if label is None:
        raise ValueError(f"{path.name} line {line}: label {row['label']!r} is none of 0, 1, real, fake")
    if split and split not in SPLIT_NAMES:
        raise ValueError(f"{path.name} line {line}: split {split!r} is none of train, val, test (or empty)")
    if not row["path"]:
        raise ValueError(f"{path.name} line {line}: there is no path")
    picture = find_by_name(path.parent, row["path"])
    if "\\" in row["path"] and not picture.exists():
        picture = find_by_name(path.parent, row["path"].replace("\\", "/"))  # a table written on Windows
    given = {column: row.get(column, "") for column in ("group", "generator", "licence")}
    return PictureEntry(row["path"], picture, label, SPLIT_NAMES.get(split, ""), **given)


def _label(value: str, real_label: str | None) -> int | None:
    if real_label is None or not value:
        return label_of(value)
    return int(value.casefold() != real_label.strip().casefold())


def describe_table(survey: Survey) -> str:
    """One sentence on the table.

    Raises:
        ValueError: it names no pictures of one class or both.
    """
    if set(survey.labels) != {0, 1}:
        named = f"only {CLASSES[next(iter(survey.labels))]}" if survey.labels else "no"
        raise ValueError(f"the table names {named} pictures; both classes are needed")
    present = {
        "splits": bool(survey.splits.keys() - {""}),
        "groups": bool(survey.grouped),
        "generators": any(survey.generators),
    }
    columns = ", ".join(name for name, given in present.items() if given)
    extras = f"with {columns}" if columns else "without splits, groups and generators"
    return f"a table of {sum(survey.labels.values()):,} pictures, {extras}"
