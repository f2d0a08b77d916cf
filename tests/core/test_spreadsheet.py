"""Tables as CSV and Excel files."""

from __future__ import annotations

import openpyxl

from aireal.core.spreadsheet import write_table


def test_a_table_longer_than_a_sheet_goes_on_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("aireal.core.spreadsheet.LONGEST_SHEET", 3)
    _, xlsx = write_table([{"n": i} for i in range(5)], tmp_path / "t.csv")
    sheets = openpyxl.load_workbook(xlsx).worksheets
    assert [[cell.value for cell in sheet["A"]] for sheet in sheets] == [["n", 0, 1], ["n", 2, 3], ["n", 4]]
