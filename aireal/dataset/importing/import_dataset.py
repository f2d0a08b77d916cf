"""`python -m aireal dataset import SOURCE --to ROOT`: build a dataset root from somebody's pictures.

First, every picture is read, encoded and stored under ROOT/.import, with a row of facts; a journal records the progress
(`read_pictures`). Then groups and splits are settled from all rows, the pictures are moved to their places, and the
manifest is written (`write_root`). An import that was killed resumes from the journal, and its result has the same
bytes as that of an uninterrupted one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from aireal.core.files import write_json
from aireal.core.journal import Journal
from aireal.dataset.resumable_root import begin_or_resume, check_empty, finished_report, read_report

from .encoding import Encoding
from .read_pictures import read_pictures
from .source import ImportSource
from .write_root import ImportReport, write_root

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
MIN_SIZE, MAX_SIZE = 16, 4096  # px


def import_dataset(
    source: ImportSource,
    root: Path,
    encoding: Encoding,
    shares: dict[str, float] = SHARES,
    seed: int = 7,
    workers: int | None = None,
    commit_every: int = 32,
) -> ImportReport:
    """Build the dataset root `root` from `source`, or resume where an earlier call stopped.

    Memory: less than half a kilobyte a picture, and the pictures that the threads are working on.

    Args:
        shares: of train, val and test, where the source has no split of its own.
        workers: number of threads (default: one a core).
        commit_every: pictures between two entries of the journal: the most that a kill costs.

    Raises:
        ValueError: the arguments are invalid or differ from those of the interrupted import, the root holds another
            dataset, the disk is full, or no picture could be used.
    """
    _check_arguments(encoding, shares, workers, source, root)
    arguments = {
        "source": source.where,
        "fingerprint": source.fingerprint,
        "size": None if encoding.keep_bytes else encoding.size,
        "keep_bytes": encoding.keep_bytes,
        "shares": shares,
        "seed": seed,
        "limit": source.limit,
    }
    work, report = root / ".import", _finished_report(root, arguments)
    if report is None:
        check_empty(root, work)
        try:
            with Journal(work / "journal.jsonl") as journal:
                begin_or_resume(journal, arguments, root)
                read_pictures(source, work, encoding, workers or os.cpu_count() or 1, journal, commit_every)
                report = write_root(source, root, work, encoding, shares, seed)
                write_json(root / "import.json", {**report.__dict__, "arguments": arguments})
        except OSError as error:
            raise ValueError(
                f"the import stopped ({error}); remove the cause and run the same command again to resume it"
            ) from None
    shutil.rmtree(work, ignore_errors=True)
    return report


def finished_import(root: Path, where: str, limit: int | None, seed: int) -> ImportReport | None:
    """The report of a finished import of a source into `root`; None if there is none. The source is not opened.

    Args:
        where: the source's place, as `ImportSource.where`.

    Raises:
        ValueError: another source, limit or seed was imported into `root`.
    """
    path = root / "import.json"
    if not path.exists():
        return None
    before = read_report(path)["arguments"]
    return _finished_report(root, before | {"source": where, "limit": limit, "seed": seed})


def _check_arguments(
    encoding: Encoding, shares: dict[str, float], workers: int | None, source: ImportSource, root: Path
) -> None:
    if not MIN_SIZE <= encoding.size <= MAX_SIZE:
        raise ValueError(f"--size {encoding.size} is not possible; choose {MIN_SIZE} to {MAX_SIZE} pixels")
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6 or not shares["train"]:
        raise ValueError(
            "the shares of train, val and test must add up to 1 and train needs some, not "
            + ", ".join(map(str, shares.values()))
        )
    if workers is not None and workers < 1:
        raise ValueError("--workers must be 1 or more")
    if root.resolve().is_relative_to(Path(source.where)):
        raise ValueError(f"{root} lies inside the source; choose another folder for --to")


def _finished_report(root: Path, arguments: dict) -> ImportReport | None:
    return finished_report(root / "import.json", arguments, ImportReport)
