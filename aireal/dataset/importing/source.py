"""A source of pictures to import: its entries, and the survey of one walk over them.

Only the names of one folder are held in memory at a time. A source is walked once to describe it, and again to read it.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import lzma
import time
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aireal.core.errors import first_line
from aireal.core.file_names import shown
from aireal.core.imagefile import SUFFIXES, ImageError, read_bytes
from aireal.core.sampling import seeded_hash

from .zip_archive import ZipMember

CLASS_NAMES = {"0_real": 0, "real": 0, "nature": 0, "1_fake": 1, "fake": 1, "ai": 1}  # of folders, any case
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
OPTIONAL_COLUMNS = ("split", "group", "generator", "licence")
SUPPORTED = (
    "train/REAL, train/FAKE, test/REAL and test/FAKE (CIFAKE); ai and nature (GenImage); 0_real and 1_fake, or real "
    "and fake, with or without folders of splits or kinds above; real beside folders of generators (DIRE); folders "
    "whose names say it otherwise, such as human and ai; any of these in a .zip; a .csv with the columns path and "
    "label; hf:owner/name for the Hugging Face hub"
)


MOST_FETCHED = 64 * 2**20  # bytes of a picture behind an address
WAITS = (1, 4)  # seconds before an address is asked again


@dataclass(frozen=True, slots=True)
class Refused:
    """The place of a picture that is not read, because the dataset names what is none of its own."""

    reason: str

    def read(self) -> bytes:
        """Raises:
        ImageError: always, with the reason."""
        raise ImageError(self.reason)


@dataclass(frozen=True, slots=True)
class PictureEntry:
    """One picture of a source.

    `label` is None outside of class folders; `split` is the source's own, "" if it has none.
    """

    file: str  # its name in the source, as the manifest will store it
    content: Path | ZipMember | Refused | bytes | str  # the file, or its bytes; a str is an fsspec address
    label: int | None = None
    split: str = ""
    group: str = ""
    generator: str = ""
    licence: str = ""
    folder: str = ""  # the class folder that holds it

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            ImageError: the file cannot be read.
            OSError: it lies behind an address that does not answer, so that the import should stop and go on later.
        """
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return _fetch(self.content)
        return read_bytes(self.content) if isinstance(self.content, Path) else self.content.read()


# of an archive; waiting mends none
DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
DAMAGED_TEXTS = ("Invalid data stream", "password required")  # bz2 and zip have no class of their own for them
DAMAGED_FILE = "the file is damaged in its archive, or packed in a way that Python cannot read"


def _fetch(address: str) -> bytes:
    for wait in (*WAITS, None):
        try:
            data = _read_address(address)
            break
        except FileNotFoundError:
            raise ImageError("the file is not in the dataset") from None
        except DAMAGED:
            raise ImageError(DAMAGED_FILE) from None
        except Exception as error:  # each kind of address has its own
            if any(text in str(error) for text in DAMAGED_TEXTS):
                raise ImageError(DAMAGED_FILE) from None
            if wait is None:
                raise OSError(f"{shown(address)} could not be fetched: {first_line(error, 80)}") from None
            time.sleep(wait)
    if len(data) > MOST_FETCHED:
        raise ImageError(f"the file has more than {MOST_FETCHED // 2**20} MB; no such picture is fetched")
    return data


def _read_address(address: str) -> bytes:
    import fsspec  # comes with the optional library `datasets`

    with fsspec.open(address, "rb") as file:
        return file.read(MOST_FETCHED + 1)


@dataclass(frozen=True)
class ImportSource:
    """A source that has been surveyed.

    Attributes:
        layout: one sentence that describes the source.
        total: number of pictures that `read` will yield; None if unknown before the end.
        fingerprint: changes with any name, label, split or group in the source.
    """

    name: str
    where: str
    layout: str
    total: int | None
    limit: int | None
    fingerprint: str
    read: Callable[[], Iterator[PictureEntry]]


def is_usable(entry: PictureEntry) -> bool:
    """Whether the entry has a label, and inside a class folder the suffix of an image."""
    return entry.label is not None and (not entry.folder or Path(entry.file).suffix.lower() in SUFFIXES)


ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".rar", ".7z", ".xz", ".bz2", ".zst"}  # suffixes


@dataclass
class Survey:
    """Counts of one walk over a source.

    Memory grows with the number of folders and with the limit, not with the pictures.
    """

    labels: Counter = field(default_factory=Counter)
    folders: Counter = field(default_factory=Counter)  # class folder → pictures in it
    class_of_folder: dict[str, int] = field(default_factory=dict)
    splits: Counter = field(default_factory=Counter)
    generators: Counter = field(default_factory=Counter)
    skipped: Counter = field(default_factory=Counter)  # top folder, or suffix, of the files that are not usable
    archives: Counter = field(default_factory=Counter)  # suffixes of the archives among them
    grouped: int = 0
    first: PictureEntry | None = None
    digest: object = field(default_factory=hashlib.sha256)
    cells: Counter = field(default_factory=Counter)  # (class, split) → pictures
    # of each (class, split), the `limit` smallest hashes, negated, as a heap
    smallest: dict[tuple[int, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, entries: Iterator[PictureEntry], limit: int | None, seed: int) -> Survey:
        """The survey of all entries; with a limit it also finds the hash up to which those of a class and split are
        taken."""
        survey = cls()
        for entry in entries:
            if is_usable(entry):
                survey._count(entry)
                if limit is not None:
                    heap = survey.smallest[entry.label, entry.split]
                    push = heapq.heappushpop if len(heap) >= limit else heapq.heappush
                    push(heap, -seeded_hash(seed, entry.file))
            else:
                suffix = Path(entry.file).suffix
                survey.skipped[entry.file.split("/")[0] + "/" if "/" in entry.file else f"*{suffix}"] += 1
                survey.archives.update([f"*{suffix}"] if suffix.casefold() in ARCHIVES else [])
        return survey

    def _count(self, entry: PictureEntry) -> None:
        self.first = self.first or entry
        self.labels[entry.label] += 1
        self.folders[entry.folder] += 1
        self.class_of_folder[entry.folder] = entry.label
        self.splits[entry.split] += 1
        self.cells[entry.label, entry.split] += 1
        self.generators[entry.generator] += bool(entry.generator)
        self.grouped += bool(entry.group)
        identity = (entry.file, entry.label, entry.split, entry.group, entry.generator, entry.licence)
        self.digest.update(repr(identity).encode())

    def threshold(self, label: int, split: str) -> int:
        """The largest seeded hash among the entries of a class and split that the limit takes."""
        return -self.smallest[label, split][0]
