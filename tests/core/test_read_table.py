"""One reader for all tables: what was written comes back, in every encoding and with every delimiter."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aireal.core.read_table import read_table
from aireal.core.spreadsheet import write_csv

TEXT = st.text(
    st.characters(
        exclude_categories=["Cs"],
        exclude_characters=[chr(n) for n in range(32) if n not in (9, 10, 13)] + ["\ufffe", "\uffff"],
    )
)
HANGUL = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=2, max_size=6)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)


def cells(path, columns=("a", "b")) -> list[dict[str, str]]:
    return [row.cells for row in read_table(path, columns, "mend it")]


@same_folder
@given(st.lists(st.fixed_dictionaries({"a": TEXT.filter(str.strip), "b": TEXT}), max_size=5))
def test_what_is_written_is_read_back(tmp_path, rows):
    write_csv(rows, tmp_path / "t.csv", ("a", "b"))
    assert cells(tmp_path / "t.csv") == rows


@same_folder
@given(
    st.lists(st.tuples(HANGUL, st.sampled_from(["0", "1", "x,y", "x;y", 'say "x"'])), min_size=4, max_size=30),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_the_way_a_table_is_stored_does_not_matter(tmp_path, rows, encoding, delimiter, line_end, hint):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows([("a", "b"), *rows])
    content = f"sep={delimiter}{line_end}" * hint + text.getvalue()
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    assert cells(tmp_path / "t.csv") == [{"a": a, "b": b} for a, b in rows]


def test_the_line_is_that_in_which_a_row_begins(tmp_path):
    (tmp_path / "t.csv").write_text('sep=,\n\na,b\n"1\n2",x\n\n3,y\n')
    assert [row.place for row in read_table(tmp_path / "t.csv", ("a",), "")] == ["line 4", "line 7"]


def test_a_broken_byte_is_named_by_its_line_far_into_a_file(tmp_path):
    lines = ["a,b"] + ["가나다,1"] * 200_000
    content = bytearray("\n".join(lines).encode())
    content[-3] = 0xFF
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match="t.csv line 200001 is not in UTF-8"):
        cells(tmp_path / "t.csv")


def test_a_file_cut_within_a_letter_of_utf_16_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\n1,가".encode("utf-16")[:-1])
    with pytest.raises(ValueError, match="line 2 is not in UTF-16, as the file begins"):
        cells(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "text, encoding", [("фото/Москва", "cp1251"), ("été/forêt", "cp1252"), ("照片/北京故宫", "gbk")]
)
def test_another_old_encoding_is_never_taken_for_korean(tmp_path, text, encoding):
    (tmp_path / "t.csv").write_bytes(f"a,b\n{text},1\n{text}2,0\n".encode(encoding))
    with pytest.raises(ValueError, match='line 2 is not in UTF-8.*; save it as "CSV UTF-8"'):
        cells(tmp_path / "t.csv")
