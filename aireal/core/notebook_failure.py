"""Where and why the execution of a notebook failed, in words."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError

from .file_names import shown

LINE = 90  # characters of a cell's first line that are shown


def describe_failure(error: Exception, copy: Path) -> str:
    """One line each for the cell and the cause.

    Args:
        error: what papermill, or the client of the kernel, raised.
        copy: the executed copy as papermill left it.
    """
    if isinstance(error, PapermillExecutionError):
        cell, cause = _cell(error.cell_index, error.source), f"{error.ename}: {error.evalue}"
    else:
        cell, cause = _last_started(copy), f"{type(error).__name__}: {error}"
    if isinstance(error, DeadKernelError):
        cause = "the notebook's process died, most often because the memory was used up: close other programs"
    cause = "\n".join(map(shown, cause.split("\n")))
    return f"in {cell}\n  Cause: {cause}"


def _last_started(copy: Path) -> str:
    """The last cell that was started; papermill marks it as completed, even where the kernel died in it."""
    cells = nbformat.read(copy, as_version=4).cells if copy.is_file() else []
    started = [index for index, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time")]
    return _cell(started[-1], cells[started[-1]].source) if started else "no cell: it did not start"


def _cell(index: int, source: str) -> str:
    """The cell by its place, from 1 on, and its first line of code."""
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith(("#", "%"))]
    return f"cell {index + 1}, which begins: {shown(lines[0].strip()[:LINE])}" if lines else f"cell {index + 1}"
