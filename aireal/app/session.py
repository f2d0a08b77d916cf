"""A visitor's session: all verdicts with heatmap and sentence first, then LIME for one picture after the other."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from aireal.core.file_names import shown
from aireal.explain.lime.lime_image import ReportProgress

from . import components
from .file import File
from .job_queue import Cancelled, Job, JobQueue
from .service import ExplanationService

POLL_SECONDS = 0.3  # between two checks of a job, and so between two changes of a progress bar
# Parts of a picture, each a component of its own: a part that does not change keeps its focus and its slider.
PARTS = ("head", "overlay", "lime", "foot")
OVERVIEW = (-1, "overview")

Change = dict[tuple[int, str], str]  # (number of the picture, one of PARTS), or OVERVIEW → HTML


class Session:
    """The explanation of some files for one visitor, who may leave at any time."""

    def __init__(self, service: ExplanationService, job_queue: JobQueue, files: list[File]):
        self.files, self.left = files, False
        self._service, self._job_queue = service, job_queue

    def leave(self) -> None:
        """Stop the job under way and start no other."""
        self.left = True

    def changes(self) -> Iterator[Change]:
        """Explain the files and yield each change of the page as soon as it happens.

        A file that cannot be used gets an error message; the others go on.
        """
        yield self._overview()
        for number, file in enumerate(self.files):
            if not file.error:
                yield from self._run(number, "predict", lambda _, file=file: self._predict(file))
        for number, file in enumerate(self.files):
            if file.explanation:
                yield from self._run(number, "lime", lambda report, file=file: self._complete(file, report))

    def _predict(self, file: File) -> None:
        data, file.data = file.data, b""
        name = PurePosixPath(file.name).name or file.name  # of a dropped folder's picture, the name is its path
        try:
            file.explanation = self._service.explain_without_lime(name, data, file.truth)
        except ValueError as error:
            file.error = str(error)
        except Exception:  # a fault of ours; the visitor's other pictures go on
            _print_fault()
            file.error = "failed"

    def _complete(self, file: File, report_progress: ReportProgress) -> None:
        try:
            file.explanation, file.downloads = self._service.complete(file.explanation, report_progress)
        except Cancelled:
            raise
        except Exception:  # as above; verdict and heatmap are there already
            _print_fault()
            file.explanation, file.downloads = self._service.complete_without_lime(file.explanation)

    def _run(self, number: int, stage: str, work: Callable[[ReportProgress], None]) -> Iterator[Change]:
        """Submit a stage of one file as a job; yield its progress while it runs, and its results at the end."""
        if self.left:
            return
        file, job = self.files[number], self._job_queue.submit(work)
        file.stage = stage
        try:
            self._update(file, job)
            yield self._progress(number, file)
            while not job.done(POLL_SECONDS):
                if self.left:
                    return
                if self._update(file, job):
                    yield self._progress(number, file)
            job.result()
        finally:
            job.cancel()
        file.stage, file.jobs_ahead = "", 0
        if self.left:  # the page shows another choice of files by now
            return
        yield self._overview() | (self._parts(number, file) if file.explanation else {})

    @staticmethod
    def _update(file: File, job: Job) -> bool:
        """Copy the job's state into the file; return whether it has changed."""
        before = file.jobs_ahead, file.progress
        file.jobs_ahead, file.progress = job.jobs_ahead, job.progress
        return before != (file.jobs_ahead, file.progress)

    def _progress(self, number: int, file: File) -> Change:
        if file.stage != "lime":
            return self._overview()
        return self._overview() | {(number, "lime"): components.lime_waits(file.jobs_ahead, file.progress)}

    def _parts(self, number: int, file: File) -> Change:
        parts = file.explanation.parts(f"p{number}")
        if not file.downloads:
            lime = components.lime_later() if self._service.lime_samples else ""
            change = {"head": parts["head"], "overlay": parts["overlay"], "lime": lime, "foot": parts["trust"]}
        else:
            note = file.explanation.explanation.lime_note
            lime = parts["lime"] or (components.no_lime(note) if note else "")
            change = {"lime": lime, "foot": parts["trust"] + components.download_links(file.downloads)}
        return {(number, part): html for part, html in change.items()}

    def _overview(self) -> Change:
        return {OVERVIEW: components.overview(self.files)}


def _print_fault() -> None:
    """The traceback of the exception that is handled, without commands to the terminal that a file's name may hold."""
    print(*map(shown, traceback.format_exc().splitlines()), sep="\n", file=sys.stderr)
