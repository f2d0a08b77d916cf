"""Names of files: as text that can be shown and stored, and as names of results that never share a file."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes, unquote_to_bytes

LONGEST_PATH = 4096  # of the systems that we know; a message with a longer one is no sentence
STEM_BYTES = 120  # of a result's name; a file system takes 255 with hash and suffix
# controls, separators of lines, and marks that turn the direction of writing
_COMMANDS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
COMMANDS = re.compile(f"[{_COMMANDS}]")
UNSAFE = re.compile(rf'[{_COMMANDS}<>:"|?*\\/\ufffd]+')  # in a file's name: these, and what Windows does not take
PATH_BYTES = "path_bytes"  # key beside "path" in records of files whose names are not UTF-8


def as_text(name: str | PurePath) -> str:
    """The name as text that can be stored: each byte of a name that is not UTF-8 (PEP 383) becomes U+FFFD."""
    return str(name).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shown(name: str | PurePath) -> str:
    """The name as people see it: `as_text`, and each character that a terminal would obey becomes U+FFFD, too."""
    text = COMMANDS.sub("\ufffd", as_text(name))
    return text if len(text) <= LONGEST_PATH else f"{text[:LONGEST_PATH]}..."


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC): macOS hands out decomposed names, tables mostly have composed ones."""
    return unicodedata.normalize("NFC", name)


def path_fields(path: PurePath) -> dict[str, str]:
    """The path for a JSON record: "path" as it is shown and, where that loses bytes, "path_bytes" in percent code."""
    text = as_text(path)
    return {"path": text} if text == str(path) else {"path": text, PATH_BYTES: quote_from_bytes(os.fsencode(path))}


def names_path(record: Mapping[str, object]) -> bool:
    """Whether a record, which somebody may have edited, has a path that `recorded_path` can read."""
    return isinstance(record.get("path"), str) and isinstance(record.get(PATH_BYTES, ""), str)


def recorded_path(record: Mapping[str, str]) -> str:
    """The path that `path_fields` recorded, bytes that are not UTF-8 included."""
    return os.fsdecode(unquote_to_bytes(record[PATH_BYTES])) if PATH_BYTES in record else record["path"]


def result_stem(path: str | PurePath) -> str:
    """A picture's own name for its results: without suffix, safe on every file system, at most `STEM_BYTES` bytes."""
    stem = UNSAFE.sub("_", as_text(PurePath(path).stem)).lstrip("-. ")
    return stem.encode()[:STEM_BYTES].decode("utf-8", "ignore").rstrip(". ") or "picture"


def path_digest(path: str | PurePath) -> str:
    """SHA-256 of the path's bytes, hexadecimal."""
    return hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()


def result_names(paths: Sequence[str]) -> list[str]:
    """A name without suffix for the results of each path.

    It is the picture's own; where several pictures would have one file, also on a disk that ignores case or Unicode's
    form, each of them has a hash of its path behind it.
    """
    stems = [result_stem(path) for path in paths]
    names = stems
    for digits in (8, 16, 64):
        counts = Counter(_same_file(name) for name in names)
        if max(counts.values(), default=1) == 1:
            break
        names = [
            name if counts[_same_file(name)] == 1 else f"{stem}-{path_digest(path)[:digits]}"
            for name, stem, path in zip(names, stems, paths, strict=True)
        ]
    return names


def _same_file(name: str) -> str:
    return composed(name).casefold()


def last_part(name_or_path: str | Path) -> str:
    """The last part of a hub id or of a folder, which are equal where the folder is a copy of the repository.

    Kaggle puts a model into a folder for its version, `.../paligemma-3b-pt-224/1`; a number is no name.
    """
    path = Path(name_or_path)
    return path.parent.name if path.name.isdigit() and path.parent.name else path.name


def find_by_name(folder: Path, name: str) -> Path:
    """`folder / name`, or the file there whose name is the same but for Unicode's form, or for the backslashes of a
    table that was written on Windows; the former where none is."""
    path = folder / name
    try:
        if "\\" in name and not os.path.exists(path):  # unlike `Path.exists` no error for a name that is too long
            return find_by_name(folder, name.replace("\\", "/"))
        if name.isascii() or path.exists():
            return path
        found = folder
        for part in PurePath(name).parts:
            found = found / _names_in(found, found.stat().st_mtime_ns).get(composed(part), part)
        return found if found.exists() else path
    except (OSError, ValueError):  # a folder is missing, or no file can have the name: reading the file says so
        return path


@functools.lru_cache(maxsize=64)
def _names_in(folder: Path, changed: int) -> dict[str, str]:
    """Names in a folder by their composed form. `changed` is its time, so that a changed folder is listed anew."""
    return {composed(name): name for name in sorted(os.listdir(folder))}
