"""Files that lie where a command writes, and are not its own, stay as they are."""

from __future__ import annotations

import json
import os

import pytest
from matplotlib.figure import Figure

from aireal.core.files import atomic_path, write_atomic
from aireal.core.journal import MOST_BYTES, Journal, read_entries
from aireal.figures import panel


@pytest.mark.fault(
    "files",
    "a file of the user where a journal would lie",
    "no journal entry; move the file away to begin anew",
    "the file, byte for byte",
)
@pytest.mark.parametrize(
    "content",
    [
        b"my only notes, no line break at the end",
        b"line one\nmy unfinished second line",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"{}",
        b"[1, 2]\n",
        b"{\n 1",
        b'{"a": 1}\nnotes',
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_not_touched(tmp_path, content):
    path = tmp_path / "notes.csv.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no journal entry; move the file away"):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b'{"my": "notes"}', b'{"my": "notes"}\n', b'{"path": "a"}\n{"my": "notes"}'])
def test_objects_of_another_program_are_no_journal(tmp_path, content):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no journal entry; move the file away"):
        Journal(path, fields={"path": str})
    assert path.read_bytes() == content


@pytest.mark.fault(
    "files", "a hole of terabytes in place of a journal", "more than a journal; move the file away", "the file"
)
def test_a_journal_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"path": "a"}\n')
    os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(ValueError, match="more than a journal"):
        read_entries(path)


@pytest.mark.fault("files", "a journal whose last line break was lost", "", "the entry is kept, and writing goes on")
def test_an_entry_without_its_line_break_is_kept(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": 2}')
    with Journal(path) as journal:
        assert journal.entries == [{"a": 1}, {"b": 2}]
        journal.add({"c": 3})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_a_journal_is_not_opened_through_a_link_or_in_a_pipe(tmp_path):
    target = tmp_path / "somebody.txt"
    target.write_bytes(b'{"their": ')
    (tmp_path / "journal.jsonl").symlink_to(target)
    with pytest.raises(ValueError, match="is a link"):
        Journal(tmp_path / "journal.jsonl")
    assert target.read_bytes() == b'{"their": '
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(ValueError, match="no regular file"):
        Journal(tmp_path / "pipe.jsonl")


@pytest.mark.fault("disk", "a link at the place of a half-written file", "", "the file that it leads to is not touched")
def test_a_planted_link_is_not_written_through(tmp_path):
    target = tmp_path / "somebody.txt"
    target.write_text("theirs")
    (tmp_path / "report.html.partial").symlink_to(target)
    write_atomic(tmp_path / "report.html", b"new")
    assert target.read_text() == "theirs"
    assert (tmp_path / "report.html").read_bytes() == b"new"
    assert not (tmp_path / "report.html").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "somebody.txt"]


def test_a_figure_is_not_drawn_through_a_planted_link(tmp_path):
    target = tmp_path / "somebody.txt"
    target.write_text("theirs")
    (tmp_path / "panel.png").symlink_to(target)
    panel.save(Figure(), tmp_path / "panel.png")
    assert target.read_text() == "theirs"
    assert not (tmp_path / "panel.png").is_symlink()


@pytest.mark.fault(
    "processes",
    "two runs that write one file",
    "... is being written by another run: wait for it, or name another file",
    "the first one's file; what a killed run left is no obstacle",
)
def test_two_runs_do_not_write_one_file_and_a_killed_one_is_no_obstacle(tmp_path):
    with atomic_path(tmp_path / "a.csv") as partial:
        partial.write_bytes(b"first")
        with pytest.raises(ValueError, match="being written by another run"):
            write_atomic(tmp_path / "a.csv", b"second")
    assert (tmp_path / "a.csv").read_bytes() == b"first"
    (tmp_path / "a.csv.partial").write_bytes(b"left by a kill")
    write_atomic(tmp_path / "a.csv", b"third")
    assert (tmp_path / "a.csv").read_bytes() == b"third"


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomic(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
