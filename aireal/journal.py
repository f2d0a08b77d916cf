"""An append-only JSONL file that survives a killed run: a line is on the disk before the next piece of work begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock against a second run
    fcntl = None


class Journal:
    """Open for one run at a time.

    A line that was cut by a kill (the last one, without a line break) is dropped when the journal is opened again.

    Raises:
        ValueError: another run holds the journal, or a line in its middle is no JSON object.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            self._lock()
            self._drop_torn_line()
            self.entries = list(self._read())
        except ValueError:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: dict) -> None:
        """Append one line and wait until the disk has it."""
        self._file.write((json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n").encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self.entries.append(entry)

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{self.path} is in use by another run: wait for it, or name another journal") from None

    def _drop_torn_line(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)

    def _read(self) -> Iterator[dict]:
        self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                raise ValueError(f"{self.path}, line {number}: no journal entry; move the file away to begin anew")
            yield entry
