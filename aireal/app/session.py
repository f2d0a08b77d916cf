"""What a visitor sees while pictures are explained: first all verdicts with heatmap and sentence, then LIME for one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import components as shell
from .file import File
from .job_queue import Job, JobQueue
from .service import ExplanationService

POLL = 0.3  # seconds between two looks at a job, so between two changes of a progress bar
PARTS = (
    "head",
    "overlay",
    "lime",
    "foot",
)  # of a picture, each a component of its own: what is not changed keeps focus and slider
OVERVIEW = (-1, "overview")

Change = dict[tuple[int, str], str]  # (number of the picture, one of PARTS), or OVERVIEW → HTML


class Session:
    """The explanation of some files for one visitor, who may go away or choose others at any time (`leave`)."""

    def __init__(self, studio: ExplanationService, desk: JobQueue, files: list[File]):
        self.files = files
        self._studio, self._desk, self._left = studio, desk, False

    def leave(self) -> None:
        """What is under way is ended; nothing more is begun."""
        self._left = True

    def changes(self) -> Iterator[Change]:
        """Explain the files and yield what changes on the page as soon as it does; a file that cannot be used gets its sentence and the others go on."""
        yield self._overview()
        for number, file in enumerate(self.files):
            if not file.error:
                yield from self._follow(number, "look", lambda tell, file=file: self._look(file))
        for number, file in enumerate(self.files):
            if file.looked:
                yield from self._follow(number, "lime", lambda tell, file=file: self._complete(file, tell))

    def _look(self, file: File) -> None:
        data, file.data = file.data, b""
        try:
            file.looked = self._studio.look(file.name, data, file.truth)
        except ValueError as error:
            file.error = str(error)

    def _complete(self, file: File, tell: Callable[[int, int], None]) -> None:
        file.looked, file.downloads = self._studio.complete(file.looked, tell)

    def _follow(self, number: int, what: str, work: Callable) -> Iterator[Change]:
        """Have a piece of work done, tell how far it is, and yield what came of it."""
        if self._left:
            return
        file, job = self.files[number], self._desk.submit(work)
        file.working = what
        try:
            while not job.done(POLL):
                if self._left:
                    return
                if self._told(file, job):
                    yield self._overview() | (
                        {(number, "lime"): shell.lime_waits(file.ahead, file.progress)} if what == "lime" else {}
                    )
            job.result()
        finally:
            job.cancel()
        file.working = ""
        if self._left:  # what is shown belongs to another choice now
            return
        yield self._overview() | (self._parts(number, file) if file.looked else {})

    def _told(self, file: File, job: Job) -> bool:
        """Whether the job has moved since the last look."""
        before = file.ahead, file.progress
        file.ahead, file.progress = job.ahead, job.progress
        return before != (file.ahead, file.progress)

    def _parts(self, number: int, file: File) -> Change:
        key = f"p{number}"
        parts = file.looked.parts(key)
        if not file.downloads:
            lime = shell.lime_later() if self._studio.lime_samples else ""
            return {
                (number, "head"): parts["head"],
                (number, "overlay"): parts["overlay"],
                (number, "lime"): lime,
                (number, "foot"): parts["trust"],
            }
        lime = parts["lime"] or (shell.no_lime(file.looked.found.note) if file.looked.found.note else "")
        return {(number, "lime"): lime, (number, "foot"): parts["trust"] + shell.download_links(file.downloads)}

    def _overview(self) -> Change:
        return {OVERVIEW: shell.overview(self.files)}
