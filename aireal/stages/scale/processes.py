"""The engine for one machine: this process alone, or processes that are watched and replaced when they die."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from queue import SimpleQueue

import torch

from aireal.core.device import has_cuda
from aireal.core.errors import first_line

from .jobs import DIED_LOADING, Job, Worker, careful_rows, failed
from .shard_folder import Chunk
from .source import Source

Done = tuple[Chunk, list[dict]]
# how often the pictures of a chunk are tried together again after their process was killed from outside
KILLS_FROM_OUTSIDE = 8
# exit status after a kill from outside, or for memory; None where it is not known
KILLED = (-getattr(signal, "SIGKILL", 0), -signal.SIGTERM, None)
LOST = 255  # what multiprocessing tells of a process whose exit status another thread has read at the same moment
DEATHS_ALONE = 2  # of its process, after which a picture is named
STOPPED = "the run was stopped"


def in_this_process(job: Job, chunks: Iterable[Chunk], folder: Path) -> Iterator[Done]:
    """Each chunk with its rows, computed here."""
    with job.open(folder, torch.get_num_threads()) as worker:
        for chunk in chunks:
            yield chunk, careful_rows(worker, chunk.sources)


def in_processes(job: Job, chunks: Iterable[Chunk], folder: Path, count: int) -> Iterator[Done]:
    """Each chunk with its rows, as processes finish them; they share the cores. A process that dies is replaced.

    Args:
        count: processes.

    Raises:
        ValueError: a process cannot even load the job.
    """
    threads = max(1, torch.get_num_threads() // count)
    cards = visible_gpus()
    workers = [WatchedProcess(job, folder, threads, cards[n % len(cards)] if cards else "") for n in range(count)]
    idle: SimpleQueue[WatchedProcess] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def attend(chunk: Chunk) -> Done:
        worker = idle.get()
        try:
            return chunk, worker.rows(chunk.sources)
        finally:
            idle.put(worker)

    pending: set[Future[Done]] = set()
    pool = ThreadPoolExecutor(count)
    try:
        for chunk in chunks:
            pending.add(pool.submit(attend, chunk))
            if len(pending) == 2 * count:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        for worker in workers:
            worker.close()
        pool.shutdown(cancel_futures=True)


class WatchedProcess:
    """One process with a worker.

    If it dies, another takes its place. Pictures whose process was killed from outside are tried together again. If
    memory or the pictures are the cause, they are tried one by one, and a picture that kills again costs its row.
    """

    def __init__(self, job: Job, folder: Path, threads: int, gpu: str = ""):
        self._loading, self._closed = (job, folder, threads, gpu), False
        self._pool: ProcessPoolExecutor | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def rows(self, sources: Sequence[Source]) -> list[dict]:
        """A row for each picture.

        Raises:
            ValueError: no process can load the job, or this was closed.
        """
        for _ in range(KILLS_FROM_OUTSIDE):
            kills = memory_kills()
            try:
                return self._call(sources)
            except Died as error:
                killed = self._stop(alive=bool(str(error))) in KILLED and not str(error)
                if not killed or memory_kills() > kills:
                    break
        return [row for source in sources for row in self._alone(source)]

    def _alone(self, source: Source) -> list[dict]:
        for _ in range(DEATHS_ALONE):
            kills = memory_kills()
            try:
                return self._call([source])
            except Died as error:
                reason = str(error)
                status = self._stop(alive=bool(reason))
        if memory_kills() > kills:
            reason = "the system had no memory left"
        elif not reason:
            reason = _in_words(status)
        times = f"{DEATHS_ALONE} times"
        return [
            failed(source, f"the process that computed this picture alone died {times} ({reason}); look at the file")
        ]

    def _call(self, sources: Sequence[Source]) -> list[dict]:
        """Raises:
        Died: the process is gone, or cannot go on.
        """
        pool = self._pool or self._start()
        try:
            return pool.submit(_rows, sources).result()
        except BrokenProcessPool:
            raise Died from None
        except Exception as error:  # of a GPU that has failed
            raise Died(first_line(error)) from None

    def _start(self) -> ProcessPoolExecutor:
        """A process that has loaded the job.

        Raises:
            ValueError: the process dies while it loads, the job cannot be loaded, or this was closed.
        """
        deaths = 0
        for _ in range(KILLS_FROM_OUTSIDE):
            kills = memory_kills()
            try:
                return self._load()
            except Exception as error:
                status = self._stop(alive=self._closed)
                if self._closed:
                    raise ValueError(STOPPED) from None
                if not isinstance(error, BrokenProcessPool):
                    raise
                deaths += status not in KILLED or memory_kills() > kills
            if deaths == DEATHS_ALONE:
                break
        raise ValueError(f"{DIED_LOADING}; the same command continues")

    def _load(self) -> ProcessPoolExecutor:
        if self._closed:
            raise ValueError(STOPPED)
        pool = self._pool = ProcessPoolExecutor(1, _context(self._loading[0]), initializer=_watch)
        pid = pool.submit(os.getpid).result()
        self._process = next((p for p in multiprocessing.active_children() if p.pid == pid), None)
        if self._closed:  # since then, and before this process was known
            raise ValueError(STOPPED)
        pool.submit(_load, *self._loading).result()
        return pool

    def _stop(self, alive: bool) -> int | None:
        """End the process, and return its exit status; None where it is not known.

        Args:
            alive: whether it has to be killed first.
        """
        pool, process, self._pool, self._process = self._pool, self._process, None, None
        if process is not None and alive:
            process.kill()
        if pool is not None:  # first, since the executor's own thread reads the status, too
            pool.shutdown(cancel_futures=True)
        status = process.exitcode if process is not None else None
        return None if status == LOST else status

    def close(self) -> None:
        """End the process; no other takes its place."""
        self._closed = True
        self._stop(alive=True)


def _in_words(status: int | None) -> str:
    """An exit status, as `WatchedProcess` gives it."""
    if status is None:
        return "for an unknown reason"
    return f"signal {-status}" if status < 0 else f"status {status}"


class Died(Exception):
    """A worker's process is gone, or cannot go on; the text is the reason, if it gave one."""


def visible_gpus() -> list[str]:
    """The GPUs that processes may share out, as CUDA_VISIBLE_DEVICES names them."""
    if not has_cuda():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    return named.split(",") if named else [str(n) for n in range(torch.cuda.device_count())]


def memory_kills() -> int:
    """How many processes this machine's kernel has killed for memory so far; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


# --- in the worker's process -----------------------------------------------------------------------------------------

_worker: Worker


def _watch() -> None:
    """End this process with its parent, and leave Ctrl-C to it, from before the job is even sent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _load(job: Job, folder: Path, threads: int, gpu: str) -> None:
    """Open the worker of this process."""
    global _worker
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # before CUDA is first used here
    torch.set_num_threads(threads)
    _worker = job.open(folder, threads).__enter__()


def _end_with(parent: int) -> None:
    """End this process with its parent: after kill -9 nobody else would."""
    wait_for_end([parent])
    os._exit(1)


def _rows(sources: Sequence[Source]) -> list[dict]:
    return careful_rows(_worker, sources)


def _context(job: Job) -> multiprocessing.context.BaseContext:
    """New processes that hold no file of this one, above all not the lock of its folder."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aireal.stages.scale.jobs", type(job).__module__])  # once, not in each process
    return context
