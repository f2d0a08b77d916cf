"""One picture of a session and the state of its explanation."""

from __future__ import annotations

from dataclasses import dataclass

from .service import Downloads, PartialExplanation


@dataclass
class File:
    """A visitor's file.

    Attributes:
        name: file name in the visitor's browser.
        data: its bytes; empty once the picture has been predicted.
        error: why the file cannot be used: a key of `components.UPLOAD_ERRORS`, or a sentence; "" if it can.
        truth: "real" or "fake" for an example, else "".
        explanation: what has been computed so far.
        downloads: set when the explanation is complete.
        stage: job under way: "", "predict" or "lime".
        jobs_ahead: number of jobs in the queue before that job.
        progress: share of that job that is done, in 0..1.
    """

    name: str
    data: bytes = b""
    error: str = ""
    truth: str = ""
    explanation: PartialExplanation | None = None
    downloads: Downloads | None = None
    stage: str = ""
    jobs_ahead: int = 0
    progress: float = 0.0
