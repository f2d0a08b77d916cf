"""An append-only JSON Lines file that survives a killed run: each line reaches the disk before the next work begins."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .files import lock
from .json_text import Fields, has_fields, json_line, parse_json

NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag
BLOCK = 1 << 16  # bytes read at a time to find the last line's end
MOST_BYTES = 4 << 30  # of a file whose entries are all held in memory


class Journal:
    """A journal, open for one run at a time.

    A kill may cut the last line, which then has no line break. It is dropped when the journal is opened again; where
    only the line break is missing, it is added. A file that is no journal stays as it is.

    Args:
        keep: hold all entries in `entries`. False is for journals too large for memory: `read` walks through the
            entries, and `at` fetches one.
        fields: that every entry has (`json_text.has_fields`).

    Raises:
        ValueError: another run holds the journal, the file is a link or no journal, or a line other than the last is
            not a JSON object with these fields.
    """

    def __init__(self, path: str | Path, keep: bool = True, fields: Fields | None = None):
        self.path, self._keep, self._fields = Path(path), keep, fields or {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()
        try:
            self._lock()
            self._mend_last_line()
            if keep:
                _require_size(self.path, os.fstat(self._file.fileno()).st_size)
            self.entries = [entry for _, entry in self.read()] if keep else []
        except ValueError:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, *entries: dict) -> list[int]:
        """Append a line for each entry, sync them to the disk, and return the byte offset of each."""
        offsets, offset = [], self._file.seek(0, os.SEEK_END)
        for entry in entries:
            line = json_line(entry, sort_keys=True)
            self._file.write(line)
            offsets.append(offset)
            offset += len(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._keep:
            self.entries += entries
        return offsets

    def read(self) -> Iterator[tuple[int, dict]]:
        """Every entry with its byte offset. Do not add entries meanwhile."""
        offset = self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            yield offset, self._entry(line, f"line {number}")
            offset += len(line)

    def at(self, offset: int) -> dict:
        """The entry at a byte offset that `add` or `read` returned."""
        self._file.seek(offset)
        return self._entry(self._file.readline(), f"byte {offset}")

    def _entry(self, line: bytes, where: str) -> dict:
        try:
            entry = parse_json(line)
        except ValueError:
            entry = None
        if not has_fields(entry, self._fields):
            raise ValueError(f"{self.path}, {where}: no journal entry; move the file away to begin anew")
        return entry

    def _lock(self) -> None:
        if not lock(self._file.fileno()):
            raise ValueError(f"{self.path} is in use by another run: wait for it, or name another journal")

    def _open(self) -> BinaryIO:
        """The file, for reading and appending. Through a link somebody else's file would be written to."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINKS, 0o666)
        except OSError as error:
            if not self.path.is_symlink():
                raise
            raise ValueError(f"{self.path} is a link; name the journal itself, or another file") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ValueError(f"{self.path} is no regular file; name another one")
        return os.fdopen(handle, "a+b")

    def _mend_last_line(self) -> None:
        """Drop the last line if it is torn, or add its line break; a file that is no journal is left as it is."""
        size, whole = self._file.seek(0, os.SEEK_END), self._end_of_lines()
        if whole:
            self._file.seek(0)
            self._entry(self._file.readline(), "line 1")  # before anything is cut
        if whole == size:
            return
        self._file.seek(whole)
        torn = self._file.read()
        if self._is_whole(torn):
            self._file.write(b"\n")
            self._file.flush()
        elif torn[:2] in (b"{", b'{"'):
            self._file.truncate(whole)
        else:
            raise ValueError(f"{self.path}: its end is no journal entry; move the file away to begin anew")

    def _is_whole(self, line: bytes) -> bool:
        """Whether a line without its end is an entry; one of another program is refused.

        Raises:
            ValueError: it is JSON, and no entry.
        """
        try:
            parse_json(line)
        except ValueError:
            return False
        return bool(self._entry(line, "its last line"))

    def _end_of_lines(self) -> int:
        """The byte behind the last line break."""
        whole = self._file.seek(0, os.SEEK_END)
        while whole:
            begin = max(0, whole - BLOCK)
            self._file.seek(begin)
            line_break = self._file.read(whole - begin).rfind(b"\n")
            if line_break >= 0:
                return begin + line_break + 1
            whole = begin
        return 0


def _require_size(path: Path, size: int) -> None:
    """Refuse a file that may fill the memory, such as a stranger's that is a hole of terabytes."""
    if size > MOST_BYTES:
        raise ValueError(f"{path} has {size / 2**30:.0f} GB, more than a journal; move the file away to begin anew")


def read_entries(path: Path) -> list[dict]:
    """The JSON objects of a JSON-lines file that another process may still write: what is no whole object is skipped;
    none without a file.

    Raises:
        ValueError: it is larger than `MOST_BYTES`.
    """
    if not path.is_file():
        return []
    _require_size(path, path.stat().st_size)
    entries = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            entry = parse_json(line)
            entries += [entry] if isinstance(entry, dict) else []
    return entries
