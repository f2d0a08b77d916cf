"""Fast P(fake) of many files.

Each of a few threads decodes, resizes and classifies a few pictures at a time, so that disk, decoder and network do not
wait for one another.
"""

from __future__ import annotations

import copy
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

import torch
from torch import nn

from aireal.core.device import autocast, best_device, precision
from aireal.core.imagefile import ImageError, decode, read_bytes, square

from .accelerator import PRECISIONS
from .data import normalise, to_tensor
from .metrics import calibrated
from .model import load

# largest difference between a fast P(fake) and the exact one (docs/speed.md); verdicts nearer to one half are computed
# exactly
TOLERANCE = 0.01
# a large JPEG is decoded at a fraction of its size that is still at least so many times the network's input size
SPARE = 3


@dataclass(frozen=True)
class FilePrediction:
    """P(fake) of a file after calibration, or None and the reason why the file cannot be used, as one sentence.

    `path` is what `FastClassifier.predict` was given: the file's path, or whatever its `read` takes.
    """

    path: Path | Hashable
    probability_fake: float | None
    error: str = ""


def predict_folder(
    paths: Iterable[str | Path],
    folder: Path,
    device: torch.device | None = None,
    *,
    exact: bool = False,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[FilePrediction]:
    """Predict every file, and yield the results in order as they are computed; memory does not grow with their number.

    The network computes in the device's fastest precision, and a JPEG much larger than the network's input is scaled
    while it is decoded. Both change a probability by less than `TOLERANCE`. A picture with P(fake) that near to one
    half is computed again exactly, so that verdicts equal those of `explain`.

    Args:
        paths: image files, see `picture_files.find_images`; an iterator is read a few batches ahead.
        folder: of a trained classifier.
        exact: full precision and full decoding for all files; the numbers equal those of `explain` up to rounding
            (1e-5).
        batch_size: pictures per batch of a thread; by default 8 on a CPU, whose caches are small, else 32.
        workers: threads; by default as many as cores, at most 8. On a CPU they share the cores (torch's threads).

    Raises:
        ValueError: no classifier in the folder, or a number below 1.
    """
    device = device or best_device()
    on_cpu, cores = device.type == "cpu", torch.get_num_threads()
    batch_size = (8 if on_cpu else 32) if batch_size is None else batch_size
    workers = min(8, cores if on_cpu else os.cpu_count() or 1) if workers is None else workers
    if batch_size < 1 or workers < 1:
        raise ValueError(
            f"batches of {batch_size} pictures in {workers} threads predict nothing. Give at least 1 of each."
        )
    cores_each = max(1, cores // workers) if on_cpu else cores
    return _stream(iter(paths), FastClassifier(folder, device), exact, batch_size, workers, cores_each)


def _stream(
    paths: Iterator[str | Path], classifier: FastClassifier, exact: bool, batch_size: int, workers: int, cores_each: int
) -> Iterator[FilePrediction]:
    """Submit batches to the threads and yield their results in order; at most two batches per thread are pending."""
    threads_before, pending = torch.get_num_threads(), deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(cores_each,))
    try:
        while batch := [Path(path) for path in islice(paths, batch_size)]:
            pending.append(pool.submit(classifier.predict, batch, exact))
            if len(pending) == 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)


class FastClassifier:
    """A trained classifier in full and in fast precision. Threads can share it."""

    def __init__(self, folder: Path, device: torch.device):
        self.device = device
        self.model, self.config = load(folder, device)
        self.fast = fast_copy(self.model, precision(device))
        self._normalise = normalise(self.config)
        # a GPU computes one batch at a time, because its memory is limited
        self._turn = nullcontext() if device.type == "cpu" else Lock()

    def predict(
        self, paths: Sequence[Hashable], exact: bool = False, read: Callable[[Hashable], bytes] = read_bytes
    ) -> list[FilePrediction]:
        """Predictions of one batch; those near one half are computed again exactly.

        Args:
            paths: files, or whatever `read` takes.
            read: the bytes of a picture; raises an ImageError where it cannot.
        """
        predictions = self._predict(paths, exact, read)
        if exact:
            return predictions
        near_half = [
            p.path for p in predictions if p.probability_fake is not None and abs(p.probability_fake - 0.5) <= TOLERANCE
        ]
        exact_by_path = {p.path: p for p in self._predict(near_half, True, read)}
        return [exact_by_path.get(p.path, p) for p in predictions]

    def _predict(
        self, paths: Sequence[Hashable], exact: bool, read: Callable[[Hashable], bytes]
    ) -> list[FilePrediction]:
        at_least = None if exact else SPARE * self.config.image_size
        pictures: list[torch.Tensor] = []
        errors: dict[Hashable, str] = {}
        for path in paths:
            try:
                pictures.append(to_tensor(square(decode(read(path), at_least), self.config.image_size)))
            except ImageError as error:
                errors[path] = str(error)
        fake = iter(self._fake(torch.stack(pictures), exact) if pictures else ())
        return [
            FilePrediction(path, None, errors[path]) if path in errors else FilePrediction(path, next(fake))
            for path in paths
        ]

    @torch.inference_mode()
    def _fake(self, pixels: torch.Tensor, exact: bool) -> list[float]:
        """P(fake) of uint8 [B, 3, S, S]."""
        with self._turn:
            batch = self._normalise(pixels.to(self.device)).contiguous(memory_format=torch.channels_last)
            with nullcontext() if exact else autocast(self.device):
                logits = (self.model if exact else self.fast)(batch)
            return calibrated(logits, self.config.temperature, self.config.bias).tolist()


def fast_copy(model: nn.Module, precision: str) -> nn.Module:
    """A copy of the model for use under autocast, with the same results.

    Autocast converts the weights of convolutions and linear layers again for every batch; the copy has them converted.
    """
    if precision == "no":
        return model
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(PRECISIONS[precision])
    return model
