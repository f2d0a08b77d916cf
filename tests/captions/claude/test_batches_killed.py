"""A run is killed at any moment and run again: no row is lost or paid twice, and the table is the same to the byte."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aireal.captions.claude.batches import BatchLimits
from aireal.captions.claude.mock import Fault, MockServer
from aireal.config import REPOSITORY
from helpers import claude
from helpers.claude import Killed, Life, client_of, events, make_rows, paid, tables

KNOTTY = [  # the first row holds a lie, the second expires once, the third is cut off once
    Fault("row", "wrong_number", about='"60.01%"'),
    Fault("row", "expired", about='"60.14%"'),
    Fault("row", "max_tokens", about='"60.27%"'),
]


def run(*arguments, **plan):
    """A run in batches of two, whose results go to the journal one by one."""
    return claude.run(*arguments, **{"batch_limits": BatchLimits(rows=2, results_at_once=1), "sample": 1} | plan)


def undisturbed(folder, rows):
    with MockServer(KNOTTY, polls=0) as server:
        assert run(rows, folder, client_of(server), n=1).complete
        return tables(folder), sum(paid(server).values())


@pytest.mark.parametrize("lost_create", [False, True])
def test_killed_at_any_moment_and_run_again_nothing_is_lost_and_nothing_paid_twice(tmp_path, monkeypatch, lost_create):
    rows = make_rows(tmp_path, 3)
    expected, answers = undisturbed(tmp_path, rows)
    faults = [*KNOTTY, *([Fault("create", "lost")] if lost_create else [])]
    ends_at, moments = 0, None
    while moments is None or ends_at < moments:
        ends_at += 1
        (tmp_path / "journal.jsonl").unlink()
        with MockServer(faults, polls=0) as server, monkeypatch.context() as patch:
            life = Life(patch, ends_at)
            try:
                run(rows, tmp_path, client_of(server, life.transport()), n=1)
                moments = life.moments  # it lived to the end
            except Killed:
                pass
            patch.undo()
            result = run(rows, tmp_path, client_of(server), n=1)
            assert result.complete, f"killed at moment {ends_at}"
            assert tables(tmp_path) == expected, f"killed at moment {ends_at}"
            assert max(paid(server).values()) == 1, f"killed at moment {ends_at}"
            assert sum(paid(server).values()) == answers, f"killed at moment {ends_at}"
            assert result.usage["output_tokens"] == server.usage["output_tokens"]
    assert moments > 30


def test_a_run_of_another_process_goes_on_after_sigkill(tmp_path):
    rows = make_rows(tmp_path, 3)
    expected, answers = undisturbed(tmp_path, rows)
    (tmp_path / "journal.jsonl").unlink()
    code = (
        "import os, pathlib, sys\nsys.path.insert(0, 'tests')\nimport anthropic\n"
        "from helpers import claude as claude_tools\nfrom aireal.captions.claude.batch_results import BatchResults\n"
        "folder = pathlib.Path(sys.argv[1])\nBatchResults._read = lambda *_: os.kill(os.getpid(), 9)\n"
        "client = anthropic.Anthropic(api_key='k', base_url=sys.argv[2])\n"
        "claude_tools.run(claude_tools.make_rows(folder, 3), folder, client, n=1)"
    )
    with MockServer(KNOTTY, polls=0) as server:
        child = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), server.url], cwd=REPOSITORY, capture_output=True
        )
        assert child.returncode == -9, child.stderr.decode()
        assert events(tmp_path)["submitted"], child.stderr.decode()
        assert run(rows, tmp_path, client_of(server), n=1).complete
        assert tables(tmp_path) == expected
        assert max(paid(server).values()) == 1
        assert sum(paid(server).values()) == answers
