"""Tables as people have them: read, or one sentence that names file, line and cure."""

from __future__ import annotations

import io
import re
import zipfile

import openpyxl
import pandas as pd
import pytest

from aireal.dataset.importing.disk import open_disk
from helpers.images import write
from helpers.importing import fill, items, run_import

ROWS = [("사진/가을.jpg", 0), ("그림/바다.png", 1), ("사진/여행 2.jpg", 0), ("그림/고양이.png", 1)]
PLAIN = "path,label\n" + "".join(f"{path},{label}\n" for path, label in ROWS)
WITHOUT_HEADER = PLAIN.partition("\n")[2]
have = pytest.mark.people_have


def read(path) -> list[tuple[str, int]]:
    """(path, label) of the pictures that a table names."""
    return [(entry.file, entry.label) for entry in open_disk(path, None, 7).read()]


def workbook(sheets: dict[str, list], first_row: int = 1) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for number, row in enumerate(rows, first_row):
            for column, value in enumerate(row, 1):
                sheet.cell(number, column, value)
    book.save(content)
    return content.getvalue()


def with_dimension(content: bytes, dimension: str) -> bytes:
    """The workbook, whose only sheet says that its cells are these."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(changed, "w") as copy:
        for name in book.namelist():
            text = re.sub(rb'<dimension ref="[^"]*"', f'<dimension ref="{dimension}"'.encode(), book.read(name))
            copy.writestr(name, text)
    return changed.getvalue()


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.encode("cp949"), marks=have("a CSV that Korean Excel saved (cp949)", "read", "as it is")),
        pytest.param(PLAIN.encode("utf-8-sig"), marks=have("a CSV UTF-8 with a byte order mark", "read", "as it is")),
        pytest.param(
            PLAIN.replace(",", "\t").encode("utf-16"),
            marks=have("a table saved as Unicode text (UTF-16, tabs)", "read", "as it is"),
        ),
        pytest.param(PLAIN.encode("utf-16-be"), marks=have("UTF-16 without a mark", "read", "as it is")),
        pytest.param(
            PLAIN.replace(",", ";").encode(),
            marks=have("a CSV with semicolons", "read", "the header tells the delimiter"),
        ),
        pytest.param(
            PLAIN.replace("사진/여행 2.jpg", '"사진/여행 2.jpg"').replace(",", "  ").encode(),
            marks=have("a list with blanks between path and label", "read", "where the header has blanks, too"),
        ),
        pytest.param(
            ("sep=;\r\n" + PLAIN.replace(",", ";")).encode("cp949"),
            marks=have("a first line sep=;", "read", "its delimiter is used"),
        ),
        pytest.param(
            PLAIN.replace("\n", "\r").encode(), marks=have("line ends of an old Macintosh", "read", "as they are")
        ),
        pytest.param(PLAIN.replace("\n", "\r\n", 2).encode(), marks=have("mixed line ends", "read", "as they are")),
        pytest.param(
            pd.DataFrame(ROWS, columns=["file_name", "label"]).to_csv().encode(),
            marks=have("file_name instead of path, and a column of row numbers", "read", "the numbers are passed over"),
        ),
        pytest.param(
            PLAIN.replace(",0", ",0.0").replace(",1", ",1.0").encode(),
            marks=have("labels 0.0 and 1.0", "read", "as 0 and 1"),
        ),
        pytest.param(
            PLAIN.replace(",0", ", Human ").replace(",1", ",AI").encode(),
            marks=have("labels AI and human, with blanks", "read", "AI is fake, human is real"),
        ),
        pytest.param(
            PLAIN.replace(",0", ",진짜").replace(",1", ",가짜").replace("path,label", "파일명,정답").encode("cp949"),
            marks=have("labels 진짜 and 가짜, and Korean headers", "read", "가짜 is fake, 진짜 is real"),
        ),
        pytest.param(
            (PLAIN + ",\n  ,  \n\n").encode(),
            marks=have("empty rows at the end of a table", "passed over", "without a word"),
        ),
        pytest.param(
            ("\n,\n" + PLAIN).encode(), marks=have("empty rows above the header", "passed over", "without a word")
        ),
        pytest.param(
            "\n".join(['"path" , "label"', *(f'"{path}" , "{label}"' for path, label in ROWS)]).encode(),
            marks=have("blanks between quotes and commas", "read", "the blanks are dropped"),
        ),
        pytest.param(
            PLAIN.replace("path,label", "\u200b PATH ,Label ").encode(),
            marks=have("headers in capitals, with blanks and invisible signs", "read", "as path and label"),
        ),
        pytest.param(
            ("path,label\n" + "".join(f'="{path}",="{label}"\n' for path, label in ROWS)).encode(),
            marks=have('cells written ="..." to keep Excel from changing them', "read", "the text inside"),
        ),
        pytest.param(
            workbook({"Sheet1": [("path", "label"), *ROWS], "Sheet2": []}, first_row=3),
            marks=have("an Excel workbook (.xlsx), whatever its suffix", "read", "its only sheet with content"),
        ),
        pytest.param(
            with_dimension(workbook({"t": [("path", "label"), *ROWS]}), "A1"),
            marks=have("a workbook whose program wrote wrong dimensions", "read", "all its cells"),
        ),
        pytest.param(
            workbook({"t": [("path", "label"), (*ROWS[0], None, "blurred?"), *ROWS[1:]]}),
            marks=have("a workbook with notes beside the table", "read", "the notes are passed over"),
        ),
        pytest.param(
            workbook({"t": [("", "image", "label"), *((n, path, float(k)) for n, (path, k) in enumerate(ROWS))]}),
            marks=have("a workbook that pandas wrote, with row numbers", "read", "the numbers are passed over"),
        ),
        pytest.param(
            PLAIN.replace("label", "is_ai").replace(",0", ",False").replace(",1", ",True").encode(),
            marks=have("a column is_ai, generated or is_real of True and False", "read", "by the column's name"),
        ),
        pytest.param(
            PLAIN.replace("label", "real,fake").replace(",0", ",1,0").replace(",1\n", ",0,1\n").encode(),
            marks=have("a column for each class, with 1 where the picture is of it", "read", "by the columns' names"),
        ),
        pytest.param(
            ("# export of 2024-05-01, by hand\n" + PLAIN).encode(),
            marks=have("a line above the header that begins with #", "passed over", "without a word"),
        ),
        pytest.param(
            PLAIN.replace(",0", ",0.00E+00").replace(",1", ",1.000000e+00").replace("path", "# path").encode(),
            marks=have("a table that numpy wrote (# before the header, 1.00e+00)", "read", "as 0 and 1"),
        ),
    ],
)
def test_a_table_that_people_have_is_read(tmp_path, content):
    assert read(write(tmp_path / "list.csv", content)) == ROWS


@pytest.mark.parametrize(
    "name, content",
    [
        pytest.param(
            "list.csv",
            PLAIN.replace("사진", "写真").replace("가을", "さくら").replace("그림", "画像").encode("cp932", "ignore"),
            marks=have(
                "a CSV in another old encoding",
                "refused",
                'line 2 is not in UTF-8 (it may be cp932); save it as "CSV UTF-8"',
            ),
        ),
        pytest.param(
            "list.csv",
            WITHOUT_HEADER.encode(),
            marks=have("a table without a header", "refused", "has no header, for its first line is"),
        ),
        pytest.param(
            "train.txt",
            WITHOUT_HEADER.replace(",", " ").encode(),
            marks=have(
                "a list.txt of path and label without a header",
                "refused",
                "put a line with the names of the columns (path, label)",
            ),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("path,label", "path,label,label").encode(),
            marks=have("a column that is there twice", "refused", "has the column label 2 times; remove all but one"),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("path,label", "filename,filepath,label").encode(),
            marks=have(
                "two columns that may be the path",
                "refused",
                "which column is the path is not clear (filename, filepath)",
            ),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("path,label", "name,score").encode(),
            marks=have(
                "no column for path or label", "refused", "has no column path and no column label, only name, score"
            ),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("바다.png,1", "바다.png,maybe").encode(),
            marks=have("a label that means nothing", "refused", "line 3: label 'maybe' is none of 0, 1, real, fake"),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("바다.png,1", "바다.png").encode(),
            marks=have("a row without a label", "refused", "line 3: there is no label; write 0 or real, 1 or fake"),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("바다", "바다, 밤").encode(),
            marks=have("a comma in a path without quotes", "refused", "line 3 has 3 cells, but the header 2"),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("그림/바다", '"그림/바다').encode(),
            marks=have("a quote that is never closed", "refused", "line 3: the quotes of this row do not pair"),
        ),
        pytest.param(
            "list.csv",
            PLAIN.replace("바다", "바\0다").encode(),
            marks=have("NUL bytes in a table", "refused", "line 3 holds a NUL byte, so the file is damaged"),
        ),
        pytest.param(
            "list.csv", b"\n,,\n", marks=have("a table without content", "refused", "is empty: it needs path and label")
        ),
        pytest.param(
            "list.xlsx",
            workbook({"train": [("path", "label"), *ROWS], "test": [("path", "label"), *ROWS]}),
            marks=have(
                "a workbook with several sheets", "refused", "several sheets with content (train, test); keep one"
            ),
        ),
        pytest.param(
            "list.xlsx",
            workbook({"t": [("path", "label"), *ROWS]})[:-80],
            marks=have("a damaged workbook", "refused", "is a damaged workbook or archive; copy it again"),
        ),
        pytest.param(
            "list.xlsx",
            workbook({"t": [("path", "label"), ROWS[0], (None, 1)]}),
            marks=have("a row of a workbook without a path", "refused", "row 3: there is no path"),
        ),
        pytest.param(
            "list.csv",
            archive("mimetype", "content.xml"),
            marks=have("an OpenDocument table (.ods)", "refused", "is an OpenDocument file (.ods)"),
        ),
        pytest.param(
            "list.numbers",
            archive("Index/Document.iwa"),
            marks=have("an Apple Numbers file", "refused", "is an Apple Numbers file; export it as CSV"),
        ),
        pytest.param(
            "list.csv",
            archive("list.csv"),
            marks=have("a zip archive called .csv", "refused", "is a zip archive, not a table; unpack it"),
        ),
        pytest.param(
            "list.csv",
            b'{"path": "a.jpg", "label": 0}\n{"path": "b.jpg", "label": 1}\n',
            marks=have("JSON or JSON Lines called .csv", "refused", 'is JSON, not a table; save it as "CSV UTF-8"'),
        ),
        pytest.param(
            "list.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            marks=have(
                "an old Excel workbook, or one with a password",
                "refused",
                "is an old Excel workbook (.xls), or one with a password",
            ),
        ),
        pytest.param(
            "list.csv",
            b"\n<!DOCTYPE html><html><body>429</body></html>",
            marks=have("a web page called .csv", "refused", "is a web page or XML, not a table"),
        ),
        pytest.param(
            "list.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n",
            marks=have("a Git LFS pointer instead of the table", "refused", "run `git lfs pull`"),
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence_with_the_cure(tmp_path, request, name, content):
    shown = request.node.get_closest_marker("people_have").args[2]
    with pytest.raises(ValueError) as refused:
        open_disk(write(tmp_path / name, content), None, 7)
    message = str(refused.value)
    assert shown in message
    assert message.startswith(str(tmp_path / name)), "the file is named"
    assert "\n" not in message


@pytest.mark.parametrize(
    "cells, sentence",
    [
        pytest.param(
            "1,1",
            "line 2: fake and real contradict each other",
            marks=have(
                "a picture that is of both classes by its row", "refused", "contradict each other; mend the row"
            ),
        ),
        pytest.param("maybe,", "line 2: real is 'maybe'; write 1 or 0, true or false", id="neither yes nor no"),
        pytest.param(",", "line 2: there is no label", id="empty"),
    ],
)
def test_a_column_for_each_class_that_says_nothing_is_refused(tmp_path, cells, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_disk(write(tmp_path / "list.csv", f"path,real,fake\na.jpg,{cells}\n".encode()), None, 7)


@have("a table of the command line's own file names that begin with = or @", "read", "the pictures are found")
def test_pictures_whose_names_look_like_formulas_are_imported(tmp_path):
    names = ["=1+1.png", "@a.png", "-b.png", "+c.png"] + [f"{n}.png" for n in range(16)]
    fill(tmp_path, 0, 20)
    for number, name in enumerate(names[:4]):
        (tmp_path / f"{16 + number}.png").rename(tmp_path / name)
    lines = ["path,label", *(f"{name},{number % 2}" for number, name in enumerate(names))]
    write(tmp_path / "list.csv", "\n".join(lines).encode())
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 0
    assert {item.file for item in items(tmp_path / "root")} == set(names)


@have("a list of files that could not be imported, in Korean Excel", "read", "Korean intact, no name a formula")
def test_the_list_of_what_was_left_out_opens_in_excel(tmp_path):
    fill(tmp_path / "in/real", 0, 6)
    fill(tmp_path / "in/fake", 6, 6)
    write(tmp_path / "in/real/사진.jpg", b"x")
    write(
        tmp_path / "list.csv",
        (
            "path,label\n=1+1.jpg,0\nin/real/사진.jpg,0\n"
            + "".join(f"in/{'fake' if n >= 6 else 'real'}/{n}.png,{int(n >= 6)}\n" for n in range(12))
        ).encode(),
    )
    assert run_import(tmp_path / "list.csv", tmp_path / "root") == 1
    content = (tmp_path / "root/import_left_out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert b"\n'=1+1.jpg," in content
    assert "\nin/real/사진.jpg,".encode() in content
