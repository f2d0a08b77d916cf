"""The journal survives kills, and refuses a second run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aireal.config import REPOSITORY
from aireal.core.journal import Journal


@pytest.mark.fault(
    "files",
    "a journal that is cut off at any byte, as a kill leaves it",
    "",
    "all whole entries; the torn one is dropped, and writing goes on",
)
def test_a_torn_last_line_is_dropped_and_writing_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add({"event": "a", "text": "한국어\u2028"})
        journal.add({"event": "b"})
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            lines = len(journal.entries)
            assert lines == whole[:cut].count(b"\n") + whole[:cut].endswith(b"}")
            journal.add({"event": "c"})
        events = [json.loads(line)["event"] for line in path.read_text("utf-8").split("\n")[:-1]]
        assert events == [*["a", "b"][:lines], "c"]


@pytest.mark.fault(
    "processes",
    "a second run that opens the journal of a first one",
    "... is in use by another run: wait for it, or name another journal",
    "the second run does not begin",
)
def test_a_spoilt_journal_and_a_second_run_are_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event": "a"}\nrubbish\n{"event": "b"}\n')
    with pytest.raises(ValueError, match="line 2"):
        Journal(path)
    with Journal(tmp_path / "other.jsonl"):
        code = (
            "import sys; from aireal.core.journal import Journal\n"
            "try: Journal(sys.argv[1])\nexcept ValueError as e: print(e)"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "other.jsonl")]
        output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
    if sys.platform != "win32":
        assert "in use by another run" in output
