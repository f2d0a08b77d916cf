"""A command that the machine fails: full disks, folders that may not be written, signals, closed outputs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from aireal.cli import main
from aireal.commands.dataset import Check
from aireal.config import REPOSITORY
from aireal.core.files import write_atomic
from aireal.core.journal import Journal
from aireal.core.run import start
from helpers.images import SAMPLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as Linux and macOS have them")
WORKING = """
import sys, time
from pathlib import Path
from aireal.commands.faults import run_process
from aireal.core.files import atomic_path
from aireal.core.journal import Journal

def main():
    folder = Path(sys.argv[1])
    with Journal(folder / "journal.jsonl") as journal, atomic_path(folder / "table.csv") as partial:
        journal.add({"done": 1})
        partial.write_text("half")
        (folder / "ready").touch()
        time.sleep(60)
    return 0

sys.exit(run_process(main))
"""


def started(program: str, *arguments: object, **options) -> subprocess.Popen:
    line = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(line, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, **options)


def signalled(folder: Path, number: int, **options) -> tuple[int, str]:
    """Exit status and standard error of a command that a signal stops in the middle of its work."""
    (folder / "table.csv").write_text("the one before")
    process = started(WORKING, folder, **options)
    deadline = time.monotonic() + 60
    while not (folder / "ready").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    return process.returncode, error


def run_check(monkeypatch, error: BaseException) -> int:
    def fail(self):
        raise error

    monkeypatch.setattr(Check, "__call__", fail)
    return main(["dataset", "check"])


@pytest.mark.parametrize(
    ("number", "words"),
    [
        pytest.param(
            signal.SIGINT,
            "interrupted",
            marks=pytest.mark.fault(
                "processes",
                "Ctrl-C in any command",
                "interrupted. What was finished is kept: run the same command again to go on",
                "the journal, and the table of before; no half-written file stays",
            ),
        ),
        pytest.param(
            signal.SIGTERM,
            "stopped from outside",
            marks=pytest.mark.fault(
                "processes",
                "SIGTERM, as from `kill`, Slurm or a shutdown",
                "stopped from outside. What was finished is kept: run the same command again to go on",
                "the journal, and the table of before; no half-written file stays",
            ),
        ),
        pytest.param(
            signal.SIGHUP,
            "stopped from outside",
            marks=pytest.mark.fault(
                "processes",
                "the terminal is closed, or the connection to it is lost",
                "stopped from outside, where anybody can still read it",
                "the journal, and the table of before; no half-written file stays",
            ),
        ),
    ],
)
def test_a_signal_ends_a_command_in_one_line_and_leaves_no_half_file(tmp_path, number, words):
    status, error = signalled(tmp_path, number)
    assert status == 128 + number
    assert error == f"aireal: {words}. What was finished is kept: run the same command again to go on.\n"
    assert (tmp_path / "table.csv").read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl", "ready", "table.csv"]
    assert (tmp_path / "journal.jsonl").read_text() == '{"done": 1}\n'


@pytest.mark.fault(
    "processes",
    "the terminal of a command under `nohup` is closed",
    "",
    "it goes on: a signal that is ignored stays ignored",
)
def test_a_command_under_nohup_outlives_its_terminal(tmp_path):
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = started(nohup + WORKING.replace("sleep(60)", "sleep(1)"), tmp_path)
    while not (tmp_path / "ready").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
    assert (tmp_path / "table.csv").read_text() == "half", "which is all of it"
    process.stderr.close()


@pytest.mark.fault(
    "processes",
    "nobody reads the output any more, as in `aireal predict ... | head`",
    "",
    "the command ends quietly, and the same command goes on",
)
def test_a_closed_output_ends_a_command_quietly():
    program = (
        "import sys\nfrom aireal.commands.faults import run_process\n"
        "sys.exit(run_process(lambda: [print('line', k) for k in range(100_000)] and 0))"
    )
    process = started(program, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 141
    process.stderr.close()


@pytest.mark.fault(
    "disk",
    "the disk is full, or the quota of it is used up",
    "the disk is full, or a limit on it is reached: free some room",
    "what was finished; the same command goes on",
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence(monkeypatch, capsys, number):
    assert run_check(monkeypatch, OSError(number, os.strerror(number), "/place/t.csv")) == 1
    error = capsys.readouterr().err
    assert "the disk is full, or a limit on it is reached (/place/t.csv): free some room" in error
    assert "run the same command again" in error
    assert error.count("\n") == 1


@pytest.mark.fault(
    "disk",
    "the disk is full while weights are stored",
    "the disk is full, or a limit on it is reached: free some room",
    "what was finished; the same command goes on",
)
def test_a_full_disk_under_weights_is_the_same_sentence(monkeypatch, capsys, tmp_path):
    with pytest.raises(SafetensorError) as caught:
        save_file({"a": torch.zeros(2)}, tmp_path / "no such folder" / "a.safetensors")
    assert "(os error 2)" in str(caught.value), "this is how the library passes an error of the system on"
    assert run_check(monkeypatch, SafetensorError("I/O error: No space left on device (os error 28)")) == 1
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.fault(
    "disk",
    "a file or folder that may not be read or written",
    "... may not be read or written: check its permissions, or name another place",
    "all that was there",
)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_place_that_may_not_be_written_is_named(monkeypatch, capsys, number):
    assert run_check(monkeypatch, OSError(number, os.strerror(number), "/place/\x1b[31m")) == 1
    error = capsys.readouterr().err
    assert "/place/\ufffd[31m may not be read or written" in error
    assert error.count("\n") == 1


@pytest.mark.fault(
    "disk",
    "a disk or Drive that goes away while a command works, or reports an error of its own",
    "... is not there any more, or: ... cannot be used, with the system's reason",
    "what was finished; the same command goes on when the disk is back",
)
@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.ENOENT])
def test_a_disk_that_goes_away_is_one_sentence(monkeypatch, capsys, number):
    assert run_check(monkeypatch, OSError(number, os.strerror(number), "/drive/journal.jsonl")) == 1
    error = capsys.readouterr().err
    assert error.startswith("aireal: /drive/journal.jsonl ")
    assert os.strerror(number) in error
    assert error.count("\n") == 1


@pytest.mark.fault(
    "processes",
    "the memory of the machine or GPU is used up",
    "the memory is used up: close other programs, or choose smaller batches or a smaller profile",
    "what was finished; the same command goes on",
)
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_used_up_memory_is_one_sentence(monkeypatch, capsys, error):
    assert run_check(monkeypatch, error) == 1
    assert "the memory is used up: close other programs, or choose smaller batches" in capsys.readouterr().err


def test_an_allocation_that_really_fails_is_recognised(monkeypatch, capsys):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert run_check(monkeypatch, caught.value) == 1
    assert "the memory is used up" in capsys.readouterr().err


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    for error in (OSError(errno.EPIPE, "a worker"), RuntimeError("a mistake in the code"), KeyError("x")):
        with pytest.raises(type(error)):
            run_check(monkeypatch, error)


@pytest.mark.fault(
    "disk",
    "a limit on the size of files is reached in the middle of an entry of a journal",
    "the system's error, in one sentence of the command",
    "the entries before it; the torn one is dropped, and writing goes on",
)
def test_a_journal_that_hits_a_real_limit_keeps_its_entries(tmp_path):
    program = (
        "import resource, sys\nfrom aireal.core.journal import Journal\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "with Journal(sys.argv[1]) as journal:\n"
        "    for k in range(9): journal.add({'entry': k, 'text': 'x' * 20})"
    )
    process = started(program, tmp_path / "j.jsonl")
    assert "File too large" in process.communicate(timeout=60)[1]
    assert (tmp_path / "j.jsonl").stat().st_size == 100, "cut within an entry"
    with Journal(tmp_path / "j.jsonl") as journal:
        assert [entry["entry"] for entry in journal.entries] == [0, 1]
        journal.add({"entry": 2})
        assert [entry["entry"] for _, entry in journal.read()] == [0, 1, 2]


@pytest.mark.fault(
    "disk",
    "the disk is full while a table, record or report is written",
    "the disk is full, or a limit on it is reached: free some room",
    "the file of before, whole; no half-written file stays",
)
def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    write_atomic(tmp_path / "t.csv", b"before")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "t.csv", b"afterwards")
    assert (tmp_path / "t.csv").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.fault(
    "processes", "the clock of the machine is set back while a command works", "", "durations in the metrics stay right"
)
def test_a_clock_that_goes_back_makes_no_negative_duration(tmp_path, monkeypatch):
    run = start("test", "smoke", SAMPLE, out=tmp_path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert 0 <= json.loads(run.save("x", {}).read_text(encoding="utf-8"))["wall_seconds"] < 60
