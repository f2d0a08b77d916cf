"""The job queue: order, cancelling and exceptions."""

from __future__ import annotations

import threading
import time

import pytest


def test_jobs_are_done_in_order_and_know_how_many_come_first(job_queue):
    go, order = threading.Event(), []
    jobs = [job_queue.submit(lambda _: go.wait())]
    jobs += [job_queue.submit(lambda _, k=k: order.append(k)) for k in range(3)]
    assert [job.jobs_ahead for job in jobs] == [0, 1, 2, 3]
    go.set()
    assert all(job.done(60) for job in jobs)
    assert order == [0, 1, 2]
    assert [job.jobs_ahead for job in jobs] == [0] * 4


@pytest.mark.fault("page", "a job is cancelled in its middle", "", "it ends at once, and the next begins")
def test_a_cancelled_job_ends_at_once_and_the_next_begins(job_queue):
    steps = []

    def long(report_progress):
        for step in range(10_000):
            steps.append(step)
            report_progress(step, 10_000)
            time.sleep(0.005)

    first = job_queue.submit(long)
    second, third = job_queue.submit(lambda _: "never"), job_queue.submit(lambda _: "third")
    while not steps:
        time.sleep(0.01)
    second.cancel()
    first.cancel()
    assert third.done(60)
    assert third.result() == "third"
    assert len(steps) < 5_000
    assert second.future.cancelled()


@pytest.mark.fault("page", "a job ends with an error", "", "the error reaches whoever asked for it")
def test_an_exception_of_a_job_reaches_its_submitter(job_queue):
    job = job_queue.submit(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.result()
