"""An append-only JSONL file that survives a killed run: a line is on the disk before the next piece of work begins."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .files import lock

BLOCK = 1 << 16  # bytes read at a time to find the last line's end


class Journal:
    """Open for one run at a time.

    A line that was cut by a kill (the last one, without a line break) is dropped when the journal is opened again.

    Args:
        keep: hold all entries in `entries`; False for journals that may grow larger than memory should: `read` walks through them,
            and `at` fetches one.

    Raises:
        ValueError: another run holds the journal, or a line in its middle is no JSON object.
    """

    def __init__(self, path: str | Path, keep: bool = True):
        self.path, self._keep = Path(path), keep
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            self._lock()
            self._drop_torn_line()
            self.entries = [entry for _, entry in self.read()] if keep else []
        except ValueError:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, *entries: dict) -> list[int]:
        """Append a line for each entry, wait until the disk has them, and return the byte at which each begins."""
        places, place = [], self._file.seek(0, os.SEEK_END)
        for entry in entries:
            line = (json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n").encode()
            self._file.write(line)
            places.append(place)
            place += len(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._keep:
            self.entries += entries
        return places

    def read(self) -> Iterator[tuple[int, dict]]:
        """Every entry with the byte at which it begins; nothing may be added meanwhile."""
        place = self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            yield place, self._entry(line, f"line {number}")
            place += len(line)

    def at(self, place: int) -> dict:
        """The entry that begins at a byte named by `add` or `read`."""
        self._file.seek(place)
        return self._entry(self._file.readline(), f"byte {place}")

    def _entry(self, line: bytes, where: str) -> dict:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ValueError(f"{self.path}, {where}: no journal entry; move the file away to begin anew")
        return entry

    def _lock(self) -> None:
        if not lock(self._file.fileno()):
            raise ValueError(f"{self.path} is in use by another run: wait for it, or name another journal")

    def _drop_torn_line(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        whole = end
        while whole:
            begin = max(0, whole - BLOCK)
            self._file.seek(begin)
            found = self._file.read(whole - begin).rfind(b"\n")
            whole = begin + found + 1 if found >= 0 else begin
            if found >= 0:
                break
        if whole < end:
            self._file.truncate(whole)


def read_entries(path: Path) -> list[dict]:
    """The JSON objects of a JSON-lines file that another process may still write: what is no whole object is skipped; none without a file."""
    entries = []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            entries += [entry] if isinstance(entry, dict) else []
    return entries
