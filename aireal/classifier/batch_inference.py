"""P(fake) of many files, fast: each of a few threads decodes, resizes and classifies some pictures at a time, so that neither disk nor
decoder nor network waits for another."""

from __future__ import annotations

import copy
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

import torch
from torch import nn

from aireal.core.device import autocast, best_device, precision
from aireal.core.imagefile import ImageError, open_rgb, square

from .data import normalise, to_tensor
from .metrics import calibrated
from .model import load
from .trainer import PRECISIONS

TOLERANCE = 0.01  # a fast P(fake) is that close to the exact one (docs/speed.md shows how close); verdicts nearer to one half are made exactly
SPARE = 3  # a large JPEG is decoded at a fraction of its size that is still so many times what the network sees


@dataclass(frozen=True)
class FilePrediction:
    """P(fake) of a file after calibration, or None and one sentence why the file cannot be used."""

    path: Path
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
    """P(fake) of every file, in order and as soon as it is known; memory does not grow with their number.

    The network computes in the device's fastest precision, and a JPEG much larger than what it sees is scaled while it is decoded. Both
    move a probability by less than `TOLERANCE`; a picture that comes that near to one half is looked at again exactly, so that verdicts
    are those of `explain`.

    Args:
        paths: image files, see `imagefile.find_images`; an iterator is read a few batches ahead.
        folder: of a trained classifier.
        exact: full precision and full decoding for all: the numbers of `explain`, but for rounding (1e-5).
        batch_size: pictures that a thread takes at a time; 8 on a CPU, whose caches are small, else 32.
        workers: threads; as many as cores, at most 8. On a CPU they share the cores (torch's threads) among them.

    Raises:
        ValueError: no classifier in the folder, or a number below 1.
    """
    device = device or best_device()
    on_cpu, cores = device.type == "cpu", torch.get_num_threads()
    batch_size = (8 if on_cpu else 32) if batch_size is None else batch_size
    workers = min(8, cores if on_cpu else os.cpu_count() or 1) if workers is None else workers
    if batch_size < 1 or workers < 1:
        raise ValueError(
            f"a batch of {batch_size} pictures and {workers} threads predict nothing: give at least 1 of each"
        )
    return _stream(
        iter(paths),
        FastClassifier(folder, device),
        exact,
        batch_size,
        workers,
        max(1, cores // workers) if on_cpu else cores,
    )


def _stream(
    paths: Iterator[str | Path], classifier: FastClassifier, exact: bool, batch_size: int, workers: int, cores_each: int
) -> Iterator[FilePrediction]:
    """Batches go to the threads and come back in order; at most two for each thread are under way."""
    before, pending = torch.get_num_threads(), deque()
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
        torch.set_num_threads(before)


class FastClassifier:
    """A trained classifier, exact and fast, that threads can share."""

    def __init__(self, folder: Path, device: torch.device):
        self.device = device
        self.model, self.config = load(folder, device)
        self.fast = fast_copy(self.model, precision(device))
        self._normalise = normalise(self.config)
        self._turn = (
            nullcontext() if device.type == "cpu" else Lock()
        )  # on a GPU one batch at a time: its memory is dear

    def predict(self, paths: list[Path], exact: bool = False) -> list[FilePrediction]:
        found = self._look(paths, exact)
        if exact:
            return found
        near = [f.path for f in found if f.probability_fake is not None and abs(f.probability_fake - 0.5) <= TOLERANCE]
        again = {f.path: f for f in self._look(near, exact=True)}
        return [again.get(f.path, f) for f in found]

    def _look(self, paths: list[Path], exact: bool) -> list[FilePrediction]:
        at_least = None if exact else SPARE * self.config.image_size
        pictures: list[torch.Tensor] = []
        errors: dict[Path, str] = {}
        for path in paths:
            try:
                pictures.append(to_tensor(square(open_rgb(path, at_least), self.config.image_size)))
            except ImageError as error:
                errors[path] = str(error)
            except OSError as error:  # a disk that fails, a file that goes away: no reason to lose the others
                errors[path] = f"the file cannot be read ({error.strerror}); copy it again"
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
    """The model for use under autocast; what that would convert again for every batch, the weights of convolutions and linear layers, is
    converted once. Results are the same as with `model`."""
    if precision == "no":
        return model
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(PRECISIONS[precision])
    return model
