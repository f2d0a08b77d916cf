"""Verdict and probability of many pictures."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aireal.classifier.batch_inference import FastClassifier
from aireal.core.device import best_device
from aireal.stages.predict_table import COLUMNS, row

from .jobs import Job, Worker, classifier
from .source import Source

CHUNK_BATCHES = 16  # batches that a worker is given at once, and that are written to the disk at once


def usual_batch(on_gpu: bool) -> int:
    """Pictures in a batch, as `predict_folder` chooses them."""
    return 32 if on_gpu else 8


@dataclass(frozen=True)
class PredictJob(Job):
    """Verdict and probability, as `predict_table` writes them.

    Attributes:
        model: folder of the classifier.
        exact: as for `predict_folder`.
        batch_size: pictures in a batch of the network.
    """

    columns = {
        "path": str,
        "label": str,
        "probability": float,
        "probability_fake": float,
        "uncertain": bool,
        "error": str,
    }
    shown_columns = COLUMNS

    model: Path
    exact: bool = False
    batch_size: int = 8

    @property
    def chunk(self) -> int:
        return CHUNK_BATCHES * self.batch_size

    def __post_init__(self):
        if self.batch_size < 1:
            raise ValueError(f"batches of {self.batch_size} pictures predict nothing. Give at least 1.")

    def made_with(self) -> dict[str, Any]:
        return classifier(self.model) | {"exact": self.exact}

    def open(self, folder: Path, threads: int) -> Worker:
        return PredictWorker(self, folder, threads)


class PredictWorker(Worker):
    """The classifier, and threads that each decode and classify a batch, as in `batch_inference`."""

    def __init__(self, job: PredictJob, folder: Path, threads: int):
        self.job, self.folder, self._threads = job, folder, torch.get_num_threads()
        self.classifier = FastClassifier(job.model, best_device())
        # one core a batch on a CPU, so that numbers do not depend on how many there are
        each = 1 if self.classifier.device.type == "cpu" else self._threads
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(each,))

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads)

    def rows(self, sources: Sequence[Source]) -> list[dict]:
        size = self.job.batch_size
        batches = [sources[start : start + size] for start in range(0, len(sources), size)]
        return [row for rows in self._pool.map(self._batch, batches) for row in rows]

    def _batch(self, sources: Sequence[Source]) -> list[dict]:
        predictions = self.classifier.predict(sources, self.job.exact, read=lambda source: source.read(self.folder))
        below = self.classifier.config.uncertain_below
        rows = [row(part.path.name, part.probability_fake, part.error, below) for part in predictions]
        return [as_numbers(entry) for entry in rows]


def as_numbers(entry: dict) -> dict:
    """A row of `predict_table` with numbers in place of their digits."""
    numbers = {name: float(entry[name]) for name in ("probability", "probability_fake") if name in entry}
    return entry | numbers
