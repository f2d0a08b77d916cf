"""Names and texts of others in terminals, logs, tables and pages."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aireal.cli import main
from aireal.core.file_names import COMMANDS, result_stem, shown
from aireal.core.journal import Journal
from aireal.core.read_table import read_table
from aireal.core.spreadsheet import FORMULA, write_table
from aireal.dataset.check import CheckReport, print_report
from aireal.dataset.manifest import Item, read_manifest, write_manifest
from aireal.explain.predictor import Predictor
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from helpers.images import encoded, noise, write

TERMINAL = "\x1b]0;owned\x07\x1b[2J\u202egnp.\u2066a\u200f\x9b31m\r\n"
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠1",
    " =1",
    "'=1",
    '=HYPERLINK("http://x")',
]


def test_no_name_gives_a_command_to_the_terminal(tmp_path, capsys):
    folder = tmp_path / "test" / "0_real"
    for name in ("a\x1b]0;owned\x07.png", "b\x1b[2J.png", "c\u202egnp.png", "d\n[1/2] e.png: real 99.00%.png"):
        write(folder / name, b"no picture")
    write(tmp_path / "test" / "1_fake" / "good.png", encoded(noise(1), "PNG"))
    main(["dataset", "check", str(tmp_path)])
    output = capsys.readouterr()
    assert "owned" in output.out
    assert not COMMANDS.search((output.out + output.err).replace("\n", ""))
    assert not [line for line in output.out.splitlines() if line.startswith("[1/2]")], "no forged line"


def test_a_report_of_a_check_prints_no_command(capsys):
    report = CheckReport([], problems=[f"{TERMINAL}: broken"], notes=[TERMINAL])
    assert print_report(report) == 1
    lines = capsys.readouterr().out.splitlines()
    assert not COMMANDS.search("".join(lines))
    assert len([line for line in lines if line.startswith("problem:")]) == 1


def test_names_of_results_hold_no_command():
    assert not COMMANDS.search(result_stem(f"a{TERMINAL}.png"))


def test_a_line_of_explain_that_somebody_edited_prints_no_command(smoke_run, tmp_path, capsys):
    picture, lines = write(tmp_path / "a.png", encoded(noise(1), "PNG")), tmp_path / "out" / "explain.jsonl"
    with Explainer(Predictor(smoke_run.data.model, smoke_run.device), lime_samples=0) as explainer:
        explain_files([picture], tmp_path / "out", explainer, lines)
        entry = json.loads(lines.read_text(encoding="utf-8"))
        for edited in (entry | {"region": TERMINAL}, entry | {"probability": "99"}):
            lines.write_text(json.dumps(edited))
            explain_files([picture], tmp_path / "out", explainer, lines)
    output = capsys.readouterr().out
    assert "owned" in output
    assert not COMMANDS.search(output.replace("\n", ""))
    assert json.loads(lines.read_text(encoding="utf-8"))["probability"] == entry["probability"], "explained again"


@given(st.text(max_size=40))
def test_what_is_shown_is_one_line(text):
    assert len(shown(text).splitlines()) <= 1
    assert "\x1b" not in shown(text)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_manifest_or_of_a_header_is_a_formula(tmp_path, text):
    item = Item("good.png", "", 1, "test", text, generator=text, package=text, file=text, licence=text)
    write_manifest(tmp_path / "manifest.csv", [item])
    with (tmp_path / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if FORMULA.match(cell) and not cell.startswith("'")]
    assert read_manifest(tmp_path / "manifest.csv")[0].generator == text, "and reading gives the text back"
    write_table([{"a": text}], tmp_path / "table.csv", [text, "a"])
    header = next(csv.reader((tmp_path / "table.csv").open(encoding="utf-8-sig", newline="")))
    assert header[0].startswith("'")
    sheet = openpyxl.load_workbook(tmp_path / "table.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}


def test_a_name_with_line_ends_is_one_line_of_a_journal_and_one_row_of_a_table(tmp_path):
    name = 'a"\n{"event": "reply", "usd": -5}\n.png'
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.add({"path": name})
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"path": name}]
    write_table([{"path": name, "label": "x"}], tmp_path / "t.csv")
    assert [row.cells for row in read_table(tmp_path / "t.csv", ["path", "label"], "")] == [
        {"path": name, "label": "x"}
    ]


def test_a_traceback_of_the_page_holds_no_command(capsys):
    session = pytest.importorskip("aireal.app.session")
    try:
        raise RuntimeError(TERMINAL)
    except RuntimeError:
        session._print_fault()
    error = capsys.readouterr().err
    assert "RuntimeError" in error
    assert not COMMANDS.search(error.replace("\n", ""))


def test_a_visitors_file_name_on_the_page_is_text_without_commands():
    page = pytest.importorskip("aireal.app.page")
    components = pytest.importorskip("aireal.app.components")
    name = page._name({"name": f"<img src=x onerror=alert(1)>{TERMINAL}\"'`{{{{7*7}}}}\ud800"})
    assert not COMMANDS.search(name)
    file = SimpleNamespace(
        name=name, error="<script>alert(1)</script>", truth="", explanation=None, downloads=None, stage="", jobs_ahead=0
    )
    html = components.overview([file])
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html
