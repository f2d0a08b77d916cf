"""A light job over many pictures, files that kill or confuse whoever reads them, and runs that a test can kill."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aireal.core.errors import ImageError
from aireal.core.files import lock
from aireal.stages.scale.jobs import Job, Worker, failed
from aireal.stages.scale.run_many import Engine, run_many
from aireal.stages.scale.source import Source
from helpers.images import encoded, noise, write

SEGFAULT, OUT_OF_MEMORY, TOO_MANY, CONFUSED = b"segfault", b"out of memory", b"too many at once", b"confused"


@dataclass(frozen=True)
class DigestJob(Job):
    """The sha256 of each file; what a file says decides what happens to the process that reads it."""

    columns = {
        "path": str,
        "label": str,
        "probability": float,
        "probability_fake": float,
        "uncertain": bool,
        "sha256": str,
        "error": str,
    }
    shown_columns = ("path", "sha256", "error")
    chunk = 4

    seconds: float = 0.0
    version: str = "1"
    dies: bool = False  # while it loads
    loads: float = 0.0  # seconds

    def made_with(self) -> dict[str, str]:
        return {"version": self.version}

    def open(self, folder: Path, threads: int) -> Worker:
        if self.dies:
            signal.raise_signal(signal.SIGKILL)
        time.sleep(self.loads)
        return DigestWorker(self, folder)


class LargeJob(DigestJob):
    """A job that takes a minute to arrive in a process."""

    def __setstate__(self, state: dict) -> None:
        time.sleep(60)
        self.__dict__.update(state)


class DigestWorker(Worker):
    def __init__(self, job: DigestJob, folder: Path):
        self.job, self.folder = job, folder

    def __exit__(self, *error: object) -> None:
        pass

    def rows(self, sources: Sequence[Source]) -> list[dict]:
        return [self._row(source, len(sources)) for source in sources]

    def _row(self, source: Source, together: int) -> dict:
        time.sleep(self.job.seconds)
        try:
            data = source.read(self.folder)
        except ImageError as error:
            return failed(source, str(error))
        if data == SEGFAULT:
            signal.raise_signal(signal.SIGSEGV)  # in this thread: with `os.kill` it would go on for a while
        if data == OUT_OF_MEMORY or (data == TOO_MANY and together > 1):
            raise MemoryError
        if data == CONFUSED:
            raise RuntimeError("the library is confused")
        return {"path": source.name, "label": "real", "sha256": hashlib.sha256(data).hexdigest(), "error": ""}


def make_pictures(folder: Path, count: int) -> list[Path]:
    """Small pictures, every one different."""
    return [write(folder / f"{n:03d}.png", encoded(noise(n, 40), "PNG")) for n in range(count)]


def run_digests(
    given: str, out: Path, workers: int = 1, shard_size: int = 10, seconds: float = 0.0, dies=False, **engine
):
    """One run of the light job."""
    job = DigestJob(seconds, dies=dies)
    return run_many([given], out, job, Engine(workers=workers, **engine), shard_size, out / "t.csv")


def written(out: Path) -> dict[str, bytes]:
    """The content of every file of a finished run but the list of its settings, by name."""
    return {path.name: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def is_free(folder: Path) -> bool:
    """Whether no process holds the lock of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        return lock(handle)
    finally:
        os.close(handle)
