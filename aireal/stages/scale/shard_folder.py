"""The folder that many rows are written to: Parquet shards, each whole or not there, and what a stopped run had done.

inputs.jsonl              the pictures in order, listed by the first call
manifest.json             what the rows were made with, and the finished shards
shard-00000.parquet ...   the rows, as many a shard as the manifest says
unfinished/00001.jsonl    finished rows of a shard that is not whole; removed when it is
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from aireal.classifier.model import sha256_of
from aireal.core.file_names import as_text, shown
from aireal.core.files import atomic_path, locked_folder, write_json
from aireal.core.journal import Journal
from aireal.core.json_text import has_fields, read_object
from aireal.evidence.value_types import fits

from .jobs import Job
from .parquet_files import read_rows, write_rows
from .source import Source

MANIFEST, INPUTS, UNFINISHED = "manifest.json", "inputs.jsonl", "unfinished"
ADVICE = "give another folder, or delete all of this one"

# what must be in the manifest, in each of its shards, and in an entry of a shard's journal
FIELDS = {
    "given": list[str],
    "made_with": dict,
    "shard_size": int,
    "pictures": int,
    "inputs_sha256": str,
    "folder": str,
    "shards": list,
}
SHARD = {"number": int, "rows": int, "sha256": str}
ENTRY = {"first": int, "rows": list[dict]}


@dataclass(frozen=True)
class Chunk:
    """Pictures that a worker is given at once.

    Attributes:
        first: number of the first picture among all, from 0.
    """

    first: int
    sources: Sequence[Source]


class ShardFolder:
    """The folder of one run, for one process at a time; use it in a `with` statement.

    Attributes:
        count: pictures; 0 before `begin`.
        folder: what relative paths of the pictures are relative to.
    """

    def __init__(self, path: Path, job: Job, shard_size: int):
        """Name the folder; `begin` reads or makes it.

        Args:
            shard_size: pictures in a shard.
        """
        if shard_size < 1:
            raise ValueError(f"shards of {shard_size} pictures hold nothing. Give at least 1.")
        if path.is_file():
            raise ValueError(f"{path} is a file: give a folder for the shards")
        self.path, self.job, self.shard_size = path, job, shard_size
        self.count, self.folder = 0, Path.cwd()
        self._stack, self._journals = contextlib.ExitStack(), {}
        self._manifest: dict[str, Any] = {}

    def __enter__(self) -> ShardFolder:
        in_use = f"{self.path} is in use by another run: wait for it, or give another folder"
        self._stack.enter_context(locked_folder(self.path, in_use))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:  # the lock is released whatever the journals say of a full disk
            for journal in self._journals.values():
                journal.__exit__()

    @property
    def shards(self) -> dict[int, dict]:
        """The finished shards of the manifest by number."""
        return {shard["number"]: shard for shard in self._manifest["shards"]}

    def begin(self, given: Sequence[str], sources: Iterable[Source]) -> bool:
        """Continue the run of this folder, or list the pictures of a new one.

        A finished shard whose file has changed or gone is forgotten, so that it is made again.

        Args:
            given: paths and addresses, as the user wrote them.
            sources: their pictures; only a new run walks through them.

        Returns:
            whether a run is continued.

        Raises:
            ValueError: the folder holds the rows of other pictures, or rows that were made with something else.
        """
        settings = {
            "given": [text if "://" in text else os.path.abspath(text) for text in given],
            "made_with": self.job.made_with(),
            "shard_size": self.shard_size,
        }
        continued = (self.path / MANIFEST).is_file()
        if continued:
            self._continue(settings)
        else:
            self._list(settings, sources)
        self.count, self.folder = self._manifest["pictures"], Path(self._manifest["folder"])
        return continued

    def _list(self, settings: dict[str, Any], sources: Iterable[Source]) -> None:
        if any(self.path.glob("shard-*.parquet")) or any((self.path / UNFINISHED).glob("*.jsonl")):
            raise ValueError(f"{self.path} holds rows, and no {MANIFEST} that says what they are of: {ADVICE}")
        count = 0
        with atomic_path(self.path / INPUTS) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for source in sources:
                count += 1
                file.write(f"{source.to_json()}\n")
        fingerprint = {"pictures": count, "inputs_sha256": sha256_of(self.path / INPUTS)}
        self._manifest = {**settings, **fingerprint, "folder": os.getcwd(), "shards": []}
        self._save()

    def _continue(self, settings: dict[str, Any]) -> None:
        try:
            self._manifest = read_object(self.path / MANIFEST, "", FIELDS)
            if not all(has_fields(shard, SHARD) for shard in self._manifest["shards"]):
                raise ValueError
            told = {name: self._manifest[name] for name in settings}
            changed = sha256_of(self.path / INPUTS) != self._manifest["inputs_sha256"]
        except (OSError, ValueError):
            raise ValueError(f"{self.path / MANIFEST} is no manifest of shards: {ADVICE}") from None
        if changed:
            raise ValueError(f"{self.path / INPUTS} was changed, so its rows cannot be continued: {ADVICE}")
        for name, what in (("given", "other pictures"), ("shard_size", "shards of another size")):
            if told[name] != settings[name]:
                raise ValueError(f"{self.path} has {what} ({_short(told[name])}): {ADVICE}")
        if told["made_with"] != settings["made_with"]:
            before, now = told["made_with"], settings["made_with"]
            names = sorted(name for name in now | before if now.get(name) != before.get(name))
            raise ValueError(f"{self.path} has rows that were made with other settings ({', '.join(names)}): {ADVICE}")
        whole = [shard for shard in self._manifest["shards"] if self._is_whole(shard)]
        if lost := len(self._manifest["shards"]) - len(whole):
            print(f"{lost} of the finished shards were changed or removed: they are made again")
            self._manifest["shards"] = whole
            self._save()

    def _is_whole(self, shard: dict) -> bool:
        path = self.path / _name(shard["number"])
        return path.is_file() and sha256_of(path) == shard["sha256"]

    def chunks(self) -> Iterator[Chunk]:
        """The pictures that have no row yet, in order; read as they are needed."""
        finished = self.shards.keys()
        with (self.path / INPUTS).open(encoding="utf-8", newline="\n") as file:
            for number, first in enumerate(range(0, self.count, self.shard_size)):
                lines = list(islice(file, self.shard_size))
                if number in finished:
                    self._journal_path(number).unlink(missing_ok=True)  # killed just before that
                    continue
                done = self._done(number)
                todo = [(first + n, line) for n, line in enumerate(lines) if first + n not in done]
                if not todo:  # killed after its last row, and before the shard was written
                    self._write_shard(number)
                yield from self._cut(todo)

    def done(self) -> int:
        """How many pictures have a row."""
        kept = [int(path.stem) for path in (self.path / UNFINISHED).glob("*.jsonl") if path.stem.isdecimal()]
        return sum(shard["rows"] for shard in self.shards.values()) + sum(
            len(self._done(number)) for number in kept if number not in self.shards
        )

    def _done(self, number: int) -> set[int]:
        path = self._journal_path(number)
        return set(self._rows(self._journal(number))) if path.is_file() else set()

    def _cut(self, todo: list[tuple[int, str]]) -> Iterator[Chunk]:
        """Chunks of pictures that follow each other."""
        start = 0
        for end in range(1, len(todo) + 1):
            full = end - start == self.job.chunk
            if full or end == len(todo) or todo[end][0] != todo[end - 1][0] + 1:
                yield Chunk(todo[start][0], tuple(Source.from_json(line) for _, line in todo[start:end]))
                start = end

    def add(self, first: int, rows: Sequence[dict]) -> None:
        """Keep the rows of a chunk on the disk, and write its shard if that is whole now.

        Args:
            first: number of the chunk's first picture.
        """
        number = first // self.shard_size
        journal = self._journal(number)
        journal.add({"first": first, "rows": list(rows)})
        if len(self._rows(journal)) == self._size(number):
            self._write_shard(number)

    def rows(self) -> Iterator[dict]:
        """All rows in the order of the pictures, when every shard is finished."""
        for number in sorted(self.shards):
            yield from read_rows(self.path / _name(number))

    def _write_shard(self, number: int) -> None:
        found = self._rows(self._journal(number))
        rows, path = [_storable(found[key]) for key in sorted(found)], self.path / _name(number)
        with atomic_path(path) as partial:
            write_rows(rows, self.job.columns, partial)
        first = number * self.shard_size
        entry = {
            "number": number,
            "file": path.name,
            "first": first,
            "last": first + len(rows) - 1,
            "rows": len(rows),
            "errors": sum(bool(row["error"]) for row in rows),
            "sha256": sha256_of(path),
        }
        shards = {**self.shards, number: entry}
        self._manifest["shards"] = [shards[key] for key in sorted(shards)]
        self._save()
        self._journals.pop(number).__exit__()
        self._journal_path(number).unlink()
        if len(shards) * self.shard_size >= self.count:
            with contextlib.suppress(OSError):  # somebody's file may lie there
                (self.path / UNFINISHED).rmdir()

    def _save(self) -> None:
        write_json(self.path / MANIFEST, self._manifest)

    def _size(self, number: int) -> int:
        return min(self.shard_size, self.count - number * self.shard_size)

    def _journal_path(self, number: int) -> Path:
        return self.path / UNFINISHED / f"{number:05d}.jsonl"

    def _journal(self, number: int) -> Journal:
        if number not in self._journals:
            journal = self._journals[number] = Journal(self._journal_path(number), fields=ENTRY)
            if not all(self._fits(number, entry) for entry in journal.entries):
                raise ValueError(
                    f"{shown(journal.path)} holds rows that this version does not write; remove it, and its pictures "
                    "are done again"
                )
        return self._journals[number]

    def _fits(self, number: int, entry: dict) -> bool:
        """Whether an entry of a shard's journal has rows of this shard, and values of the columns' types."""
        begin = number * self.shard_size
        inside = begin <= entry["first"] and entry["first"] + len(entry["rows"]) <= begin + self._size(number)
        kinds = self.job.columns.items()
        return inside and all(
            has_fields(row, {"path": str, "error": str})
            and all(row.get(name) is None or fits(row[name], kind) for name, kind in kinds)
            for row in entry["rows"]
        )

    @staticmethod
    def _rows(journal: Journal) -> dict[int, dict]:
        """Rows by the number of their picture."""
        return {entry["first"] + n: row for entry in journal.entries for n, row in enumerate(entry["rows"])}


def _storable(row: dict) -> dict:
    """The row with texts that Parquet can hold."""
    return {name: as_text(value) if isinstance(value, str) else value for name, value in row.items()}


def _name(number: int) -> str:
    return f"shard-{number:05d}.parquet"


def _short(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
