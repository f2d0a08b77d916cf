"""data.csv is read, data_answer_add is written and read back."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import openpyxl
import pandas as pd
import pytest

from aireal.captions.augment import augment
from aireal.captions.language.validate import ValidSentence, validate
from aireal.captions.table import Answer, Rows, read_answers, read_rows, write_answers
from aireal.core.spreadsheet import write_table
from helpers.captions import as_table, make_record, make_row


def base_answer(i: int = 0) -> Answer:
    """The table's row for the English base caption."""
    row = make_row(i)
    return Answer.of(row, ValidSentence(row.captions["en"], validate(row.captions["en"], row.record, "en")[0]), "base")


def test_data_csv_reads_back_as_it_was(tmp_path):
    rows = [make_row(i) for i in range(9)]
    csv, xlsx = write_table([as_table(row) for row in rows], tmp_path / "data.csv")
    assert read_rows(csv) == rows
    assert csv.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the byte order mark for Korean"
    assert openpyxl.load_workbook(xlsx).active["A2"].value == "사진_0.png"


def test_answers_read_back_from_both_files(tmp_path):
    answers = augment([make_row(i) for i in range(3)], "offline", n=2, say=str).rows
    csv, xlsx, jsonl = write_answers(answers, tmp_path / "data_answer_add.csv")
    assert [path.suffix for path in (csv, xlsx, jsonl)] == [".csv", ".xlsx", ".jsonl"]
    assert read_answers(csv) == answers
    assert read_answers(jsonl) == answers
    assert answers[0].record == make_record(0)
    table = pd.read_excel(xlsx)
    assert list(table["sentence"]) == [answer.sentence for answer in answers]
    assert "확률" in table["sentence"][0]
    assert list(table["probability"]) == [answer.probability for answer in answers]


def test_the_same_rows_give_the_same_bytes_a_second_later(tmp_path):
    answers = augment([make_row(i) for i in range(2)], "offline", n=2, say=str).rows
    first = [path.read_bytes() for path in write_answers(answers, tmp_path / "a" / "data_answer_add.csv")]
    time.sleep(2.1)  # a zip archive keeps times to two seconds
    second = [path.read_bytes() for path in write_answers(answers, tmp_path / "b" / "data_answer_add.csv")]
    assert first == second


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1+1", "-1", "@SUM(A1)", "\t=1", "'=1"])
def test_no_cell_is_a_formula_and_the_text_survives(tmp_path, text):
    answer = replace(base_answer(), sentence=text)
    csv, xlsx, jsonl = write_answers([answer], tmp_path / "t.csv")
    for cell in (cell for row in openpyxl.load_workbook(xlsx).active.iter_rows() for cell in row):
        assert cell.data_type != "f"
        assert not str(cell.value).startswith(("=", "+", "@"))
    assert read_answers(jsonl)[0].sentence == text
    assert read_answers(csv)[0].sentence == text


def test_the_table_holds_the_question_and_what_the_parser_read(tmp_path):
    answer = replace(base_answer(), author="some-model", request_id="req_1", prompt_hash="ab12")
    csv, xlsx, jsonl = write_answers([answer], tmp_path / "t.csv")
    assert read_answers(csv) == [answer]
    assert read_answers(jsonl) == [answer]
    assert json.loads(answer.parse) == {
        "class": "fake",
        "number": 50.0,
        "region": "top-left",
        "cues": {"colour": "white", "brightness": "bright", "texture": "smooth", "edges": "soft"},
        "language": "en",
    }
    assert pd.read_excel(xlsx)["prompt_hash"][0] == "ab12"


def test_a_table_of_an_earlier_version_is_read(tmp_path):
    """The columns `prompt_hash` and `parse` are newer; `enriched` no longer exists."""
    csv, _, jsonl = write_answers([base_answer()], tmp_path / "t.csv")
    table = pd.read_csv(csv).drop(columns=["prompt_hash", "parse"])
    table.assign(enriched=True).to_csv(csv, index=False)
    values = json.loads(jsonl.read_text("utf-8")) | {"enriched": True}
    del values["prompt_hash"], values["parse"]
    jsonl.write_text(json.dumps(values) + "\n", "utf-8")
    for path in (csv, jsonl):
        assert read_answers(path) == [replace(base_answer(), parse="")]


@pytest.mark.parametrize("line", ["rubbish", "[]", "3", '"image"', "{}"])
def test_a_line_that_is_no_answer_is_refused(tmp_path, line):
    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n", "utf-8")
    with pytest.raises(ValueError, match="line 1: this is no row of answers"):
        read_answers(path)


def test_rows_are_read_one_by_one_and_again(tmp_path):
    csv, _ = write_table([as_table(make_row(i)) for i in range(3)], tmp_path / "data.csv")
    rows = Rows(csv)
    assert next(iter(rows)) == make_row(0)
    assert list(rows) == read_rows(csv)
    assert list(rows) == read_rows(csv), "the second iteration"


@pytest.mark.fault("processes", "Ctrl-C while a table of sentences is written", "", "the table of before, whole")
def test_an_interrupted_table_leaves_the_old_one(tmp_path):
    answers = [base_answer(i) for i in range(3)]
    paths = write_answers(answers[:1], tmp_path / "t.csv")
    before = [path.read_bytes() for path in paths]

    def broken():
        yield answers[1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_answers(broken(), tmp_path / "t.csv")
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_an_empty_table_has_its_header(tmp_path):
    csv, _, jsonl = write_answers([], tmp_path / "t.csv")
    assert read_answers(csv) == []
    assert read_answers(jsonl) == []


@pytest.mark.people_have("data.csv that Korean Excel saved as plain CSV (cp949)", "read", "as it is")
def test_data_csv_that_korean_excel_saved_is_read(tmp_path):
    rows = [make_row(i) for i in range(3)]
    csv, _ = write_table([as_table(row) for row in rows], tmp_path / "data.csv")
    csv.write_bytes(csv.read_text("utf-8-sig").replace("\n", "\r\n").encode("cp949"))
    assert read_rows(csv) == rows


@pytest.mark.fault(
    "files",
    "a table of rows that is missing, lacks columns or was spoilt by hand",
    "which line or column is wrong",
    "nothing is read from it",
)
@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_text("image,split\na,b\n"), "has no column overlay and"),
        (lambda path: path.write_bytes(b"image,split\n\xff\xfe,bad"), "line 2 is not in UTF-8"),
        (
            lambda path: path.write_text(path.read_text("utf-8-sig").replace('""label""', '""lab""'), "utf-8"),
            "line 2: the evidence of",
        ),
    ],
)
def test_a_spoilt_table_is_refused_in_one_sentence(tmp_path, spoil, message):
    path = tmp_path / "data.csv"
    write_table([as_table(make_row())], path)
    spoil(path)
    with pytest.raises(ValueError, match=message) as refused:
        read_rows(path)
    assert "\n" not in str(refused.value)
