"""Runs over many pictures that are killed, and pictures that kill: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")

from aireal.core.files import locked_folder
from aireal.stages.scale.parquet_files import read_rows
from aireal.stages.scale.processes import WatchedProcess
from aireal.stages.scale.run_many import Engine, run_many
from aireal.stages.scale.source import Source
from helpers.images import write
from helpers.scale import (
    CONFUSED,
    OUT_OF_MEMORY,
    SEGFAULT,
    TOO_MANY,
    DigestJob,
    is_free,
    make_pictures,
    run_digests,
    written,
)

if not hasattr(signal, "SIGKILL"):
    pytest.skip("no kill -9 here", allow_module_level=True)

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["aireal.stages.scale.run_many"])
COUNT = 43


@pytest.fixture
def pictures(tmp_path):
    return make_pictures(tmp_path / "in", COUNT)


@pytest.fixture
def undisturbed(tmp_path, pictures):
    """What a run without trouble writes."""
    run_digests(str(tmp_path / "in"), tmp_path / "undisturbed")
    return written(tmp_path / "undisturbed")


def test_the_rows_are_those_of_the_pictures_in_order(tmp_path, pictures, undisturbed):
    shards = [name for name in undisturbed if name.endswith(".parquet")]
    assert len(shards) == 5
    rows = [row for name in shards for row in read_rows(tmp_path / "undisturbed" / name)]
    assert [row["path"] for row in rows] == [str(path) for path in pictures]


def test_the_manifest_tells_each_shard(tmp_path, pictures, undisturbed):
    manifest = json.loads(undisturbed["manifest.json"])
    assert [(shard["first"], shard["last"], shard["rows"]) for shard in manifest["shards"]] == [
        (0, 9, 10),
        (10, 19, 10),
        (20, 29, 10),
        (30, 39, 10),
        (40, 42, 3),
    ]
    assert manifest["pictures"] == COUNT


@pytest.mark.parametrize("count", [2, 4])
def test_more_processes_write_the_same_bytes(tmp_path, pictures, undisturbed, count):
    run_digests(str(tmp_path / "in"), tmp_path / "out", count)
    assert written(tmp_path / "out") == undisturbed


def test_a_run_that_is_killed_at_random_points_ends_with_the_same_bytes(tmp_path, pictures, undisturbed):
    out, chance = tmp_path / "out", random.Random(3)
    kills = 0
    while kills < 40:
        run = processes.Process(target=run_digests, args=(str(tmp_path / "in"), out), kwargs={"seconds": 0.01})
        run.start()
        # the longer, the more often it was killed: a busy machine must get through, too
        run.join(chance.uniform(0.1, 0.4) * (1 + kills))
        if run.exitcode is None:
            os.kill(run.pid, signal.SIGKILL)
            run.join()
        if run.exitcode == 0:
            break
        kills += 1
        assert run.exitcode == -signal.SIGKILL
    assert run.exitcode == 0
    assert kills > 0, "it was killed in the middle"
    assert written(out) == undisturbed


def test_killed_workers_are_replaced_and_cost_no_row(tmp_path, pictures, undisturbed):
    chance, running, kills = random.Random(5), threading.Event(), []

    def kill_some():
        while not running.wait(chance.uniform(0.2, 0.4)) and len(kills) < 5:
            if workers := multiprocessing.active_children():
                kills.append(os.kill(chance.choice(workers).pid, signal.SIGKILL))

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        run_digests(str(tmp_path / "in"), tmp_path / "out", 2, seconds=0.05)
    finally:
        running.set()
        killer.join()
    assert kills
    assert written(tmp_path / "out") == undisturbed


SCRIPT = "import sys; from helpers.scale import run_digests; from pathlib import Path\n"
SCRIPT += "if __name__ == '__main__': run_digests(sys.argv[1], Path(sys.argv[2]), 2, seconds=0.2)\n"


def test_workers_end_with_their_killed_run_and_leave_the_folder_free(tmp_path, pictures, undisturbed):
    script, out = write(tmp_path / "run.py", SCRIPT.encode()), tmp_path / "out"
    run = subprocess.Popen(
        [sys.executable, script, tmp_path / "in", out], env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    unfinished = out / "unfinished"
    wait_for(lambda: unfinished.is_dir() and any(path.stat().st_size for path in unfinished.iterdir()))
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert is_free(out)
    run_digests(str(tmp_path / "in"), out)
    assert written(out) == undisturbed


LARGE = "import sys; from helpers.scale import LargeJob; from pathlib import Path\n"
LARGE += "from aireal.stages.scale.processes import WatchedProcess\n"
LARGE += "if __name__ == '__main__': WatchedProcess(LargeJob(), Path('.'), 1).rows([])\n"


def test_a_process_that_the_job_has_not_reached_yet_ends_with_its_killed_run_too(tmp_path):
    script = write(tmp_path / "run.py", LARGE.encode())
    run = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    parent, below = psutil.Process(run.pid), []
    wait_for(lambda: below.extend(set(parent.children(recursive=True)) - set(below)) or len(below) == 3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    gone, left = psutil.wait_procs(below, timeout=30)  # forkserver, its helper and the process; the job needs longer
    assert not left


def test_a_run_that_is_stopped_ends_a_process_that_is_loading(tmp_path, pictures):
    worker, errors = WatchedProcess(DigestJob(loads=60), tmp_path, 1), []

    def compute():
        try:
            worker.rows([Source(str(pictures[0]))])
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=compute)
    thread.start()
    wait_for(multiprocessing.active_children)
    worker.close()
    thread.join(30)
    assert errors == ["the run was stopped"]
    assert not multiprocessing.active_children()


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_that_break_a_library_or_the_memory_cost_their_row(tmp_path, pictures, undisturbed, count):
    for number, content in ((2, OUT_OF_MEMORY), (3, TOO_MANY), (21, CONFUSED)):
        write(pictures[number], content)
    summary = run_digests(str(tmp_path / "in"), tmp_path / "out", count)
    assert summary.failed == 2
    assert [os.path.basename(path) for path, _ in summary.first_errors] == ["002.png", "021.png"]
    assert "more memory than is free" in summary.first_errors[0][1]
    assert "the library is confused" in summary.first_errors[1][1]
    assert summary.pictures == COUNT


def test_a_picture_that_kills_its_process_is_named_and_the_others_are_there(tmp_path, pictures, undisturbed):
    write(pictures[14], SEGFAULT)
    summary = run_digests(str(tmp_path / "in"), tmp_path / "out", 2)
    [(path, error)] = summary.first_errors
    assert path == str(pictures[14])
    assert "died 2 times (signal 11)" in error
    for name in ("shard-00000.parquet", "shard-00002.parquet", "shard-00003.parquet"):
        assert written(tmp_path / "out")[name] == undisturbed[name]


def test_a_picture_that_vanishes_after_the_listing_costs_its_row(tmp_path, pictures, monkeypatch):
    real = DigestJob.open
    monkeypatch.setattr(DigestJob, "open", lambda job, *more: pictures[5].unlink() or real(job, *more))
    summary = run_digests(str(tmp_path / "in"), tmp_path / "out")
    assert summary.first_errors == [(str(pictures[5]), "the file does not exist; check the path")]
    assert summary.pictures == COUNT


def test_a_finished_run_computes_nothing_again(tmp_path, pictures, undisturbed, monkeypatch):
    monkeypatch.setattr("helpers.scale.DigestWorker.rows", None)
    run_digests(str(tmp_path / "in"), tmp_path / "undisturbed")
    assert written(tmp_path / "undisturbed") == undisturbed


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_a_shard_that_was_changed_or_removed_is_made_again(tmp_path, pictures, undisturbed, harm, capsys):
    shard = tmp_path / "undisturbed" / "shard-00001.parquet"
    shard.unlink() if harm == "remove" else shard.write_bytes(b"torn")
    run_digests(str(tmp_path / "in"), tmp_path / "undisturbed")
    assert "made again" in capsys.readouterr().out
    assert written(tmp_path / "undisturbed") == undisturbed


def test_pictures_that_come_later_do_not_shift_the_rows(tmp_path, pictures, undisturbed, capsys):
    (tmp_path / "undisturbed" / "shard-00002.parquet").unlink()
    make_pictures(tmp_path / "in" / "000", 2)
    run_digests(str(tmp_path / "in"), tmp_path / "undisturbed")
    assert "43 pictures that its first run has listed" in capsys.readouterr().out
    assert written(tmp_path / "undisturbed") == undisturbed


def test_a_second_run_on_the_folder_is_told(tmp_path, pictures):
    with locked_folder(tmp_path / "out", ""), pytest.raises(ValueError, match="in use by another run"):
        run_digests(str(tmp_path / "in"), tmp_path / "out")


def test_rows_of_other_pictures_or_settings_are_not_continued(tmp_path, pictures, undisturbed):
    out, given = tmp_path / "undisturbed", str(tmp_path / "in")
    with pytest.raises(ValueError, match="has other pictures"):
        run_digests(str(pictures[0]), out)
    with pytest.raises(ValueError, match="shards of another size"):
        run_digests(given, out, shard_size=11)
    with pytest.raises(ValueError, match=r"made with other settings \(version\)"):
        run_many([given], out, DigestJob(version="2"), Engine(), 10, out / "t.csv")
    write(out / "manifest.json", b"{")
    with pytest.raises(ValueError, match="is no manifest of shards"):
        run_digests(given, out)


@pytest.mark.fault(
    "processes",
    "the manifest of a stopped run over many pictures is gone, and other pictures are given",
    "holds rows, and no manifest.json that says what they are of",
    "the rows, which do not become those of the other pictures",
)
@pytest.mark.parametrize("left", ["unfinished/00001.jsonl", "shard-00001.parquet"])
def test_rows_without_their_manifest_are_not_taken_for_those_of_other_pictures(tmp_path, pictures, left):
    rows = write(tmp_path / "out" / left, b"rows of other pictures")
    with pytest.raises(ValueError, match="no manifest.json that says what they are of"):
        run_digests(str(tmp_path / "in"), tmp_path / "out")
    assert rows.read_bytes() == b"rows of other pictures"


def test_options_that_do_nothing_together_are_one_sentence(tmp_path, pictures):
    with pytest.raises(ValueError, match="add --engine ray"):
        run_digests(str(tmp_path / "in"), tmp_path / "out", address="auto")
    with pytest.raises(ValueError, match="Give at least 1"):
        run_digests(str(tmp_path / "in"), tmp_path / "out", 0)
    with pytest.raises(ValueError, match="hold nothing"):
        run_digests(str(tmp_path / "in"), tmp_path / "out", shard_size=0)
