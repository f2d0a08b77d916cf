"""One thread that owns the model, and the line before it: whoever comes second waits and is told how long the line is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """The one who asked has gone."""


class Job(Generic[T]):
    """Work that waits or is done: `progress` in 0..1 as the work tells it, `ahead` the number of jobs before it."""

    def __init__(self, desk: JobQueue):
        self._desk, self._cancelled = desk, False
        self.progress = 0.0
        self.future: Future[T]

    @property
    def ahead(self) -> int:
        return self._desk.before(self)

    def done(self, seconds: float = 0.0) -> bool:
        """Whether it is done; waits so long for that."""
        return bool(wait_for([self.future], seconds).done)

    def result(self) -> T:
        """What the work returned; raises what it raised."""
        return self.future.result()

    def cancel(self) -> None:
        """Never start it, or end it the next time it tells its progress."""
        self._cancelled = True
        self.future.cancel()

    def tell(self, done: int, most: int) -> None:
        """For the work: how far it is.

        Raises:
            Cancelled: nobody waits for it any more.
        """
        self.progress = done / most
        if self._cancelled:
            raise Cancelled


class JobQueue:
    """Jobs one after the other, in the order in which they came, in one thread: neither the model nor matplotlib is used by two at once."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._line: list[Job] = []
        self._lock = Lock()

    def submit(self, work: Callable[[Callable[[int, int], None]], T]) -> Job[T]:
        """Put `work` at the end of the line; it is called with a function that takes its progress (`Job.tell`)."""
        job: Job[T] = Job(self)
        with self._lock:
            self._line.append(job)
        job.future = self._pool.submit(work, job.tell)
        job.future.add_done_callback(lambda _: self._leave(job))
        return job

    def before(self, job: Job) -> int:
        with self._lock:
            return self._line.index(job) if job in self._line else 0

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._line.remove(job)

    def close(self) -> None:
        """Take no more jobs, forget those that wait and end the one that runs."""
        with self._lock:
            line = list(self._line)
        for job in line:
            job.cancel()
        self._pool.shutdown(cancel_futures=True)
