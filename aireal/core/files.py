"""Atomic writes, strict JSON, and locks against a second run."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock against a second run
    fcntl = None

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)  # by another process; EACCES where locks are emulated (NFS)
# an absolute path on somebody's machine; nothing that is published may contain one
_TOP_FOLDERS = (
    "root|home|work|tmp|opt|Users|content|kaggle|mnt|Volumes|var/folders|private|data|scratch|srv|media|workspace|gpfs"
)
MACHINE_PATH = re.compile(
    rf"(?<![\w.:/])/(?:{_TOP_FOLDERS})/[\w./-]+|file:///?[\w./-]+|\b[A-Za-z]:\\{{1,2}}[\w.\\ -]+\\[\w.-]+"
)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which replaces `path` when the block ends.

    A killed run thus leaves no partial file under that name, and a power cut none without its content.

    After an exception `path` is unchanged and the temporary file is removed.

    Raises:
        ValueError: another process is writing the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    handle = _create(partial, path)
    try:
        yield partial
        to_disk(partial)
        partial.replace(path)
        to_disk(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


def _create(partial: Path, path: Path) -> int | None:
    """A new empty file and its lock, in the place of what a killed run left; never through a link that lies there."""
    if not partial.is_symlink() and partial.is_file():
        with partial.open("rb") as left, contextlib.suppress(OSError):
            if fcntl and not _try_lock(left.fileno()):
                raise ValueError(f"{path} is being written by another run: wait for it, or name another file")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    if fcntl is None:
        os.close(handle)  # Windows replaces no open file
        return None
    with contextlib.suppress(OSError):  # disks without locks
        _try_lock(handle)
    return handle


def _try_lock(handle: int) -> bool:
    """Take the exclusive lock of an open file; False if somebody else holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        raise
    return True


def to_disk(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk, where they survive a power cut.

    Some systems and disks cannot do it for a folder; that is passed over.
    """
    is_folder = path.is_dir()
    with contextlib.suppress(OSError) if is_folder else contextlib.nullcontext():
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)  # Windows syncs no file that is read
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_atomic(path: Path, content: bytes) -> Path:
    """Write all of `content` or nothing, and return the path."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return path


def empty_and_remove(path: Path) -> None:
    """Delete a file, emptied first, because a Drive moves deleted files to a bin that counts. A link's target stays."""
    if not path.is_symlink():
        with contextlib.suppress(OSError):  # a file that may not be written may still be deleted
            os.truncate(path, 0)
    path.unlink()


def remove_folder(folder: Path) -> None:
    """Delete a folder with its files, each emptied first (`empty_and_remove`).

    What the disk refuses to delete stays, and so does a link to a folder.
    """
    if folder.is_symlink():
        return
    for path in list(folder.rglob("*")):
        with contextlib.suppress(OSError):
            if path.is_file():
                empty_and_remove(path)
    shutil.rmtree(folder, ignore_errors=True)


def write_json(path: Path, record: dict) -> Path:
    """Write strict JSON atomically; NaN and infinity become null."""
    text = json.dumps(_finite(record), ensure_ascii=False, indent=1, allow_nan=False)
    # a byte of a path that is not UTF-8 becomes JSON's escape of it, as in journals
    return write_atomic(path, f"{text}\n".encode("utf-8", "backslashreplace"))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lock(handle: int) -> bool:
    """Take the exclusive lock of an open file or folder until it is closed; False if another process holds it.

    Where there are no such locks (Windows, some network and cloud disks) every call succeeds; a line says so once.

    Args:
        handle: a file descriptor.
    """
    if fcntl is None:
        return True
    try:
        return _try_lock(handle)
    except OSError:
        _say_without_locks()
        return True


@functools.cache
def _say_without_locks() -> None:
    print("this disk has no file locks: nothing keeps a second run out, so start only one at a time in this folder")


@contextlib.contextmanager
def locked_folder(folder: Path, message: str) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it does not exist.

    Raises:
        ValueError: another process holds it; the text is `message`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if not lock(handle):
            raise ValueError(message)
        yield
    finally:
        os.close(handle)
