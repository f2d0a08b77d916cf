"""The loaded service, a job queue, and the sessions of a page."""

from __future__ import annotations

import pytest

from aireal.app.examples import load_examples
from aireal.app.job_queue import JobQueue
from aireal.app.service import ExplanationService
from aireal.app.upload_store import UploadStore
from aireal.explain.predictor import Predictor
from aireal.stages.explainer import Explainer


@pytest.fixture
def job_queue():
    job_queue = JobQueue()
    yield job_queue
    job_queue.close()


@pytest.fixture
def service(smoke_run):
    with Explainer(Predictor(smoke_run.data.model, smoke_run.device), lime_samples=64) as explainer:
        yield ExplanationService(explainer)


@pytest.fixture
def sessions(smoke_run, request):
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")
    from aireal.app.page import Sessions

    service, job_queue = request.getfixturevalue("service"), request.getfixturevalue("job_queue")
    return Sessions(service, job_queue, UploadStore(), load_examples(smoke_run.data))
