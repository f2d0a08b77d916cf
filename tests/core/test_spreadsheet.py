"""Tables as CSV and Excel files."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aireal.core.spreadsheet import write_csv, write_table

LIVE = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # OWASP, CSV injection
NASTY = st.text(
    st.sampled_from(["=", "+", "-", "@", "＝", "'", '"', "\t", "\r", "\n", " ", ",", ";", "1", "가", "\udcbb"])
)


def test_a_table_longer_than_a_sheet_goes_on_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("aireal.core.spreadsheet.LONGEST_SHEET", 3)
    _, xlsx = write_table([{"n": i} for i in range(5)], tmp_path / "t.csv")
    sheets = openpyxl.load_workbook(xlsx).worksheets
    assert [[cell.value for cell in sheet["A"]] for sheet in sheets] == [["n", 0, 1], ["n", 2, 3], ["n", 4]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.lists(NASTY, min_size=1, max_size=4))
def test_no_cell_of_a_csv_is_a_formula(tmp_path, texts):
    """Excel ends a row at a line end of any kind outside of quotes, so the file is split as Excel splits it."""
    path = write_csv([{"text": text, "n": 1} for text in texts], tmp_path / "t.csv", ("text", "n"))
    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == 1 + len(texts)
    cells = [cell for row in rows for cell in row]
    assert not any(cell.startswith(LIVE) or cell.lstrip().startswith(LIVE[:8]) for cell in cells)


@pytest.mark.parametrize("text", ["=1+1", "＝1+1", " =1+1", "\u00a0@x", "-1", "+1", "\t=1", "\r\n=1", "'=1"])
def test_no_cell_of_a_workbook_is_a_formula(tmp_path, text):
    _, xlsx = write_table([{"text": text}], tmp_path / "t.csv")
    cell = openpyxl.load_workbook(xlsx).active["A2"]
    assert cell.data_type == "s"
    assert cell.value.startswith("'")


def test_a_file_name_that_is_no_utf_8_does_not_stop_the_table(tmp_path):
    csv_path, xlsx = write_table([{"path": "\udcbb\udce7.jpg"}], tmp_path / "[결과]*.csv")
    assert csv_path.read_text("utf-8-sig") == "path\n\ufffd\ufffd.jpg\n"
    assert openpyxl.load_workbook(xlsx).active["A2"].value == "\ufffd\ufffd.jpg"
