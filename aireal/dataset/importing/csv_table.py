"""Tables of paths and labels, among them the manifest of a dataset root."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from aireal.core.errors import quoted
from aireal.core.file_names import find_by_name, shown
from aireal.core.inside import Inside
from aireal.core.read_table import Row, header_of, read_table
from aireal.dataset.labels import ACCEPTED, label_of
from aireal.evidence.record import CLASSES

from .source import OPTIONAL_COLUMNS, SPLIT_NAMES, PictureEntry, Survey

# other names that people give to the columns
_NAMES = {
    "path": "file_name filename file filepath file_path image image_path img img_path 경로 파일 파일명 파일경로 이미지",
    "label": "labels class target 라벨 레이블 정답 분류",
    "licence": "license",
}
ALIASES = {alias: column for column, aliases in _NAMES.items() for alias in aliases.split()}
LABEL_NAMES = {"label"} | {alias for alias, column in ALIASES.items() if column == "label"}
# columns of yes and no, one of which or both may stand for the label: the name → the label that yes means
YES_MEANS = dict.fromkeys("ai is_ai generated is_generated ai_generated synthetic is_synthetic fake is_fake".split(), 1)
YES_MEANS |= dict.fromkeys("real is_real human is_human photo is_photo".split(), 0)
_YES_NO = {"true": 1, "yes": 1, "y": 1, "t": 1, "false": 0, "no": 0, "n": 0, "f": 0}
_ADVICE = f"it needs path and label, and may have {', '.join(OPTIONAL_COLUMNS)}"
_AS_TEXT = re.compile(r'="(.*)"')  # how exports keep Excel from taking 0012 for a number


def is_table(path: Path) -> bool:
    """Whether a file is a table with the columns path and label, as a dataset root's manifest.csv is.

    Raises:
        ValueError: the file cannot be read as a table at all.
    """
    return {"path", "label"} <= header_of(path, ("path", "label"))


def csv_entries(path: Path, real_label: str | None = None, base: Path | None = None) -> Iterator[PictureEntry]:
    """The rows of a table (`read_table`: CSV in the encodings and with the delimiters that people have, or .xlsx).

    Columns: path (or file_name, image ...), label and, optionally, split, group, generator and licence. Columns of yes
    and no (`is_ai`; `real` and `fake`) may stand for the label. Rows of a dataset root's split `proposal` are skipped,
    because its demonstration pictures stay out of every training. Paths are relative to the table's folder.

    Args:
        base: the folder that all pictures lie in; None for the table's own, so that somebody else's table can name no
            private file.
        real_label: the label that means real, every other being fake; None: `label_of` reads them.

    Raises:
        ValueError: a column is missing, a label or split is invalid, or a path leads out of `base`; the message names
            file and line.
    """
    places = Inside(base or path.parent, path.parent, absolute=True)
    header = header_of(path, ALIASES)
    yes_no = () if header & LABEL_NAMES or real_label is not None else tuple(header & YES_MEANS.keys())
    needed = ("path", *yes_no) if yes_no else ("path", "label")
    for row in read_table(path, needed, _ADVICE, optional=OPTIONAL_COLUMNS, aliases=ALIASES, trim=True):
        if yes_no:
            row.cells["label"] = _label_of_yes_no(path, row, yes_no)
        if row.cells.get("split", "").casefold() != "proposal":
            yield _entry(path, row, real_label, places)


def _label_of_yes_no(path: Path, row: Row, columns: tuple[str, ...]) -> str:
    """ "0" or "1" by columns of yes and no; "" where all are empty.

    Raises:
        ValueError: a cell is neither yes nor no, or the columns contradict each other.
    """
    labels = set()
    for column in columns:
        if cell := row.cells[column]:
            yes = _YES_NO.get(cell.casefold(), label_of(cell) if cell[0] in "01" else None)
            if yes is None:
                raise ValueError(f"{path} {row.place}: {column} is {quoted(cell)}; write 1 or 0, true or false")
            labels.add(YES_MEANS[column] if yes else 1 - YES_MEANS[column])
    if len(labels) > 1:
        raise ValueError(f"{path} {row.place}: {' and '.join(sorted(columns))} contradict each other; mend the row")
    return str(labels.pop()) if labels else ""


def _entry(path: Path, row: Row, real_label: str | None, places: Inside) -> PictureEntry:
    cells = {name: _AS_TEXT.sub(r"\1", cell) for name, cell in row.cells.items()}
    label, split = _label(cells["label"], real_label), cells.get("split", "").casefold()
    if not cells["path"]:
        raise ValueError(f"{path} {row.place}: there is no path; write it, or remove the row")
    if not cells["label"]:
        raise ValueError(f"{path} {row.place}: there is no label; write 0 or real, 1 or fake, or remove the row")
    if label is None:
        raise ValueError(f"{path} {row.place}: label {quoted(cells['label'])} is none of {ACCEPTED}; replace it")
    if split and split not in SPLIT_NAMES:
        raise ValueError(
            f"{path} {row.place}: split {quoted(split)} is none of train, val, test (or empty); replace it"
        )
    picture = find_by_name(path.parent, cells["path"])
    try:
        places.path(str(picture.absolute()))
    except ValueError:
        raise ValueError(
            f"{path} {row.place}: {shown(cells['path'])} lies outside of {shown(places.folder)}; if the table is "
            "yours, name the folder that holds all its pictures with --base"
        ) from None
    given = {column: cells.get(column, "") for column in ("group", "generator", "licence")}
    return PictureEntry(cells["path"], picture, label, SPLIT_NAMES.get(split, ""), **given)


def _label(value: str, real_label: str | None) -> int | None:
    if real_label is None or not value:
        return label_of(value)
    value, real_label = (re.sub(r"[.,]0+$", "", text.strip().casefold()) for text in (value, real_label))  # 1.0 is 1
    return int(value != real_label)


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
