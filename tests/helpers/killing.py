"""Kill a process at its n-th step as it is seen from outside: a file that it opens for writing, renames or removes.

An audit hook of Python counts the steps in the process itself, so that no clock and no load of the machine decides
where it dies, and every number is a moment that can be repeated. A kill leaves what the system holds in memory; what a
power cut would leave, too, is told by the calls of `os.fsync`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["helpers.killable_stages"])

STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def run(stage: Callable[..., object], *arguments: object, out: Path, kill: int = 0) -> int:
    """Run a stage in a process of its own, and return the number of its steps below `out`; -1 where it was killed.

    A stage that ends by itself must have left on the disk each file that it has written below `out`.

    Args:
        stage: a function of a module; what it prints goes to `out`.log beside the folder.
        kill: the step before which it gets SIGKILL; 0 for none.
    """
    process = processes.Process(target=_run, args=(stage, arguments, str(out), kill))
    process.start()
    process.join(1200)  # a busy machine must get through, too
    if process.exitcode == -signal.SIGKILL:
        return -1
    assert process.exitcode == 0, out.with_name(out.name + ".log").read_text()
    told = json.loads(out.with_name(out.name + ".steps").read_text())
    assert not told["lost by a power cut"], told
    return told["steps"]


def moments(steps: int, count: int, seed: int) -> list[int]:
    """Numbers of steps to be killed at: the last one, and others at random, of which each lies in a part of its own."""
    chance, width = random.Random(seed), max(1, steps // count)
    return sorted({*(min(steps, part * width + chance.randrange(width) + 1) for part in range(count - 1)), steps})


def _run(stage: Callable[..., object], arguments: tuple, out: str, kill: int) -> None:
    log = open(f"{out}.log", "w", buffering=1)
    os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
    sys.stdout = sys.stderr = log
    steps, synced, fsync, before = [0], set(), os.fsync, _files(out)

    def note(handle: int) -> None:
        fsync(handle)
        synced.add(os.fstat(handle).st_ino)

    def count(event: str, details: tuple) -> None:
        writes = event == "open" and isinstance(details[2], int) and details[2] & WRITING
        if not (writes or event in STEPS) or not isinstance(details[0], str | bytes | os.PathLike):
            return
        if os.path.abspath(os.fsdecode(details[0])).startswith(out + os.sep):
            steps[0] += 1
            if steps[0] == kill:
                os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = note
    sys.addaudithook(count)
    stage(*arguments)
    lost = [path for path, file in _files(out).items() if file not in before.values() and file[0] not in synced]
    Path(f"{out}.steps").write_text(json.dumps({"steps": steps[0], "lost by a power cut": lost}))


def _files(out: str) -> dict[str, tuple[int, int]]:
    """Number and time of each file that holds something."""
    found = ((path, path.stat()) for path in Path(out).rglob("*") if path.is_file())
    return {str(path): (status.st_ino, status.st_mtime_ns) for path, status in found if status.st_size}
