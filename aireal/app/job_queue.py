"""A queue of jobs for one worker thread, which owns the model."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """The job was cancelled while it ran."""


class Job(Generic[T]):
    """A job that waits, runs or is done.

    Attributes:
        progress: share of the work that is done, in 0..1, as the work reports it.
        future: holds the result.
    """

    def __init__(self, job_queue: JobQueue):
        self._job_queue, self._cancelled = job_queue, False
        self.progress = 0.0
        self.future: Future[T]

    @property
    def jobs_ahead(self) -> int:
        """Number of jobs in the queue before this one."""
        return self._job_queue.jobs_before(self)

    def done(self, seconds: float = 0.0) -> bool:
        """Whether the job is done; waits up to `seconds` for that."""
        return bool(wait_for([self.future], seconds).done)

    def result(self) -> T:
        """Return the result of the work, or raise its exception."""
        return self.future.result()

    def cancel(self) -> None:
        """Remove a waiting job; stop a running one at its next `report_progress`."""
        self._cancelled = True
        self.future.cancel()

    def report_progress(self, done: int, total: int) -> None:
        """Record that the work has done `done` of `total` steps; the work calls this.

        Raises:
            Cancelled: the job was cancelled.
        """
        self.progress = done / total
        if self._cancelled:
            raise Cancelled


class JobQueue:
    """Runs jobs one at a time, in order of submission, in one thread.

    Neither the model nor matplotlib is thread-safe.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._jobs: list[Job] = []  # the running one first
        self._lock = Lock()

    def submit(self, work: Callable[[Callable[[int, int], None]], T]) -> Job[T]:
        """Append a job that calls `work(report_progress)` (see `Job.report_progress`)."""
        job: Job[T] = Job(self)
        with self._lock:
            self._jobs.append(job)
        job.future = self._pool.submit(work, job.report_progress)
        job.future.add_done_callback(lambda _: self._remove(job))
        return job

    def jobs_before(self, job: Job) -> int:
        """Number of jobs before this one; 0 if it runs or is done."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def _remove(self, job: Job) -> None:
        with self._lock:
            self._jobs.remove(job)

    def close(self) -> None:
        """Accept no more jobs, remove the waiting ones and stop the running one."""
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        self._pool.shutdown(cancel_futures=True)
