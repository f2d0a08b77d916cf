"""First step of an import: read and encode every picture of a source into the work folder, and journal the progress."""

from __future__ import annotations

import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from aireal.config import LABELS
from aireal.core.files import to_disk
from aireal.core.imagefile import ImageError, sha256
from aireal.core.journal import Journal
from aireal.core.json_text import has_fields

from .encoding import Encoding, perceptual_hash
from .source import ImportSource, PictureEntry

ROWS = "rows.jsonl"  # a row for each picture of the source, in its order

PROGRESS = {"pictures": int, "bytes": int}  # in every entry of the journal but the first


def read_pictures(
    source: ImportSource, work: Path, encoding: Encoding, workers: int, journal: Journal, commit_every: int
) -> None:
    """Store every picture under `work`, with a row each in rows.jsonl.

    Pictures that the journal lists as done are skipped.

    Args:
        journal: its first entry holds the arguments, every further one {"pictures", "bytes" of rows.jsonl, "end"}.
        commit_every: pictures between two entries of the journal: the most that a kill costs.
    """
    progress = journal.entries[-1] if len(journal.entries) > 1 else {"pictures": 0, "bytes": 0}
    written = (work / ROWS).stat().st_size if (work / ROWS).is_file() else 0
    if not (has_fields(progress, PROGRESS) and progress["pictures"] >= 0 and 0 <= progress["bytes"] <= written):
        raise ValueError(f"{journal.path} does not say how far the import came; remove its folder to begin anew")
    if progress.get("end"):
        return
    for name in LABELS:
        (work / name).mkdir(exist_ok=True)
    count = progress["pictures"]
    entries = islice(enumerate(source.read(), 1), count, None)
    with (work / ROWS).open("ab") as rows, ThreadPoolExecutor(workers) as pool:
        rows.truncate(progress["bytes"])
        results = _in_order(pool, lambda entry: _store(*entry, work, encoding), entries, ahead=4 * workers)
        for row in tqdm(results, total=source.total, initial=count, desc="pictures", unit=" pictures"):
            count += 1
            rows.write(json.dumps(row).encode() + b"\n")
            if count % commit_every == 0:
                _commit(work, rows, journal, count)
        _commit(work, rows, journal, count, end=True)


def read_rows(work: Path) -> Iterator[dict]:
    """The rows of all pictures that were read."""
    with (work / ROWS).open("rb") as file:
        yield from map(json.loads, file)


def _commit(work: Path, rows: io.BufferedWriter, journal: Journal, count: int, end: bool = False) -> None:
    for name in LABELS:
        to_disk(work / name)
    rows.flush()
    os.fsync(rows.fileno())
    journal.add({"pictures": count, "bytes": rows.tell(), "end": end})


def _in_order(pool: ThreadPoolExecutor, work: Callable, entries: Iterator, ahead: int) -> Iterator:
    """Results of `work` in the order of the entries, with at most `ahead` of them submitted and not yet yielded."""
    waiting: deque = deque()
    try:
        for entry in entries:
            waiting.append(pool.submit(work, entry))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for job in waiting:
            job.cancel()


def _store(number: int, entry: PictureEntry, work: Path, encoding: Encoding) -> dict:
    """Read, encode and store one picture; return its row, which has an "error" if the file cannot be used."""
    row = {
        "file": entry.file.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        "label": entry.label,
        "split": entry.split,
        "group": entry.group,
        "generator": entry.generator,
        "licence": entry.licence,
    }
    try:
        content, suffix, image, facts = encoding.apply(entry.read(), entry.file)
    except ImageError as error:
        return row | {"error": str(error)}
    name = f"{LABELS[entry.label][2:]}_{number:06d}{suffix}"
    path = work / LABELS[entry.label] / name
    path.write_bytes(content)
    to_disk(path)
    return row | facts | {"name": name, "sha256": sha256(content), "phash": perceptual_hash(image)}
