"""What is done with each of many pictures: a job travels to the processes, and a worker does it there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from aireal.classifier.model import require_config, sha256_of
from aireal.core.errors import first_line
from aireal.core.file_names import as_text

from .source import Source

# a GPU that has failed stays broken in this process; each further picture would fail, too
BROKEN_GPU = getattr(torch, "AcceleratorError", ())
DIED_LOADING = "a process died again and again while it loaded the classifier: free memory, or give fewer --processes"


class Job(ABC):
    """Work on pictures, which can be pickled. `open` makes the worker in the process that does it.

    Attributes:
        columns: of its rows, name → str, float or bool; `path` and `error` are among them.
        shown_columns: those of the CSV for people.
        chunk: pictures that a worker is given at once.
    """

    columns: ClassVar[Mapping[str, type]]
    shown_columns: ClassVar[Sequence[str]]
    chunk: int

    @abstractmethod
    def made_with(self) -> dict[str, Any]:
        """What the rows depend on; a folder of rows that were made with something else is not continued."""

    @abstractmethod
    def open(self, folder: Path, threads: int) -> Worker:
        """The worker. `folder` is what relative paths are relative to, `threads` the cores that it may use."""


class Worker(ABC):
    """Does a job in one process. Use it in a `with` statement."""

    def __enter__(self) -> Worker:
        return self

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """Restore what the worker changed in its process."""

    @abstractmethod
    def rows(self, sources: Sequence[Source]) -> list[dict]:
        """A row for each picture; one that is no usable picture has only `path` and `error`."""


def failed(source: Source, reason: str) -> dict:
    """The row of a picture that could not be used."""
    return {"path": as_text(source.name), "error": reason}


def careful_rows(worker: Worker, sources: Sequence[Source]) -> list[dict]:
    """The rows of all pictures, whatever happens: where memory or a library fails, half of them are tried at a time,
    until the picture is alone that costs its row."""
    try:
        return worker.rows(sources)
    except BROKEN_GPU:
        raise
    except Exception as error:
        if len(sources) == 1:
            return [failed(sources[0], f"this picture could not be computed ({reason_of(error)})")]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(sources) // 2
    return careful_rows(worker, sources[:half]) + careful_rows(worker, sources[half:])


def reason_of(error: Exception) -> str:
    """The error in a few words."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "it needs more memory than is free"
    return f"{type(error).__name__}: {first_line(error, 120)}"


def classifier(folder: Path) -> dict[str, str]:
    """What tells one trained classifier from another.

    Raises:
        ValueError: the folder has none.
    """
    config = require_config(folder)
    weights = sha256_of(folder / "model.safetensors")
    return {"classifier": f"{config.architecture} {config.fingerprint}", "weights_sha256": weights}
