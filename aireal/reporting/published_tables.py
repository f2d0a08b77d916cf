"""`release publish`: the tables of the published run, and twenty of their rows as a page, in `dataset/published/`.

A run writes its tables into the dataset root, where Git ignores them, so that no run leaves changed files behind. The
folder holds copies of those of the published run. GitHub shows the page, README.md, when somebody opens the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from aireal.captions.language.grammar import LANGUAGES
from aireal.config import DatasetRoot
from aireal.core.file_names import shown
from aireal.core.files import MACHINE_PATH, write_atomic
from aireal.figures.panel_text import verdict_line

from .html.gallery import GalleryEntry, test_entries
from .html.thumbnails import square_webp

ROWS, SIDE = 20, 256  # rows of the page; px a side of its pictures, 40 of which have about 300 kB
TABLES = {  # name: what a row of it is
    "data.csv": "a test picture: verdict, probability, region, cues, captions, name of its overlay, evidence record",
    "data.xlsx": "the same for Excel",
    "data_answer_add.csv": "a sentence: its author, language, picture and evidence record, and what the parser read",
    "data_answer_add.xlsx": "the same for Excel",
    "data_answer_add.jsonl": "the same, a JSON object a line",
}
PAGE = """# The tables of the published run

이 폴더에는 게시된 실행의 표가 있습니다. 실행하면 같은 이름의 표가 `dataset/`에 생기며, Git은 그것을 무시합니다.

A run of the profile `sample` writes these tables into `dataset/`, where Git ignores them. `aireal release publish`
copied those of the published run here. Your own runs do not change them.

| file | a row is |
| --- | --- |
{tables}

The overlays that the tables name (`gradcam/*.png`) are made by a run.
[How the sentences are made](../../docs/captions.md), [what an evidence record holds](../../docs/evidence_record.md).

## {shown} of {count} rows

These rows stand at equal distances in `data.csv`, the first and the last among them, of the rows that have an overlay.
They were not chosen by their results: {right} of these {shown} verdicts are right, and {right_of_all} of all {count}.
Left is the picture as the classifier sees it, right the same with the heatmap.

{rows}
"""


def publish_tables(data: DatasetRoot, folder: Path) -> list[Path]:
    """Copy the tables of a run into a folder, beside a page of twenty rows with pictures; return what was written.

    What an earlier publication left there is removed. Nothing is written before everything could be read.

    Args:
        data: dataset root with the tables and overlays of a finished run among its products.
        folder: two folders below the repository's top, for the links of the page.

    Raises:
        ValueError: a table, picture or overlay is missing or unreadable, or a table holds a path of this machine.
    """
    files = {name: _table(data.products / name) for name in TABLES}
    entries = test_entries(data)
    chosen = evenly_spaced([entry for entry in entries if entry.overlay])
    if not chosen:
        raise ValueError("No row of data.csv has an overlay to show. Run `make demo` first.")
    for number, entry in enumerate(chosen, 1):
        files[f"images/{number:02}_picture.webp"] = _thumbnail(entry, entry.picture)
        files[f"images/{number:02}_overlay.webp"] = _thumbnail(entry, entry.overlay)
    files["README.md"] = _page(chosen, entries).encode()
    for left in [*folder.glob("data*"), *folder.glob("images/*.webp")]:
        left.unlink()
    return [write_atomic(folder / name, content) for name, content in files.items()]


def evenly_spaced(entries: Sequence[GalleryEntry], count: int = ROWS) -> list[GalleryEntry]:
    """`count` entries at equal distances, the first and the last among them; all of them where there are fewer."""
    if len(entries) <= count:
        return list(entries)
    return [entries[place * (len(entries) - 1) // (count - 1)] for place in range(count)]


def _table(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"There is no {path.name} among the run's products. Run `make demo` first.")
    content = path.read_bytes()
    match = None if path.suffix == ".xlsx" else MACHINE_PATH.search(content.decode("utf-8"))
    if match:
        raise ValueError(f"{path.name} holds a path of this machine ({shown(match[0][:60])}). Store names, not paths.")
    return content


def _thumbnail(entry: GalleryEntry, path: Path | None) -> bytes:
    content = square_webp(path, SIDE) if path else None
    if content is None:
        raise ValueError(f"The picture or the overlay of {shown(entry.name)} cannot be read. Run `make demo` again.")
    return content


def _page(chosen: Sequence[GalleryEntry], entries: Sequence[GalleryEntry]) -> str:
    return PAGE.format(
        tables="\n".join(f"| [{name}]({name}) | {what} |" for name, what in TABLES.items()),
        shown=len(chosen),
        count=len(entries),
        right=_count_right(chosen),
        right_of_all=_count_right(entries),
        rows="\n\n".join(_row(number, entry) for number, entry in enumerate(chosen, 1)),
    )


def _count_right(entries: Sequence[GalleryEntry]) -> int:
    return sum(entry.truth == entry.record.label for entry in entries)


def _row(number: int, entry: GalleryEntry) -> str:
    """One row as a block of HTML without an empty line: in it, no character of a name or a sentence is Markdown."""
    name = _text(entry.name)
    pictures = " ".join(
        f'<img src="images/{number:02}_{kind}.webp" width="45%" alt="{alt}{name}">'
        for kind, alt in (("picture", ""), ("overlay", "heatmap over "))
    )
    right = {None: "", entry.record.label: " · right"}.get(entry.truth, " · <b>wrong</b>")
    sentences = "".join(f"<br>{_text(entry.sentences[language])}" for language in reversed(LANGUAGES))
    return (
        f"<h3>{number}. <code>{name}</code></h3>\n<p>{pictures}</p>\n"
        f"<p><b>{_text(verdict_line(entry.record, 'en'))}</b>{right}{sentences}</p>"
    )


def _text(text: str) -> str:
    return escape(" ".join(shown(text).split()))
