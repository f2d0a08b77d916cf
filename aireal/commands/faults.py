"""What a command says when the machine fails it: a full disk, no memory, a signal, or nobody who reads its output."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from aireal.core.file_names import shown

RESUME = "What was finished is kept: run the same command again to go on"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN)
BROKEN = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.EISDIR)
INTERRUPTED, BROKEN_PIPE = 128 + signal.SIGINT, 128 + 13  # as shells count them; Windows has no SIGPIPE
# how libraries name an error of the system that they pass on as a text alone (safetensors: "os error 28")
CODES = {f"os error {code}": code for code in (*NO_ROOM, *FORBIDDEN)}
NO_MEMORY = ("OutOfMemoryError", "MemoryError")
NO_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "CUDA out of memory")


class Stopped(SystemExit):
    """The process was asked to end (SIGTERM), or its terminal was closed (SIGHUP)."""


def sentence(error: Exception) -> str:
    """One sentence for a fault of disk or memory, with what to do; empty for any other error, which is ours."""
    if type(error).__name__ in NO_MEMORY or any(words in str(error) for words in NO_MEMORY_WORDS):
        return (
            "the memory is used up: close other programs, or choose smaller batches or a smaller profile "
            f"(`--help` names the options). {RESUME}"
        )
    code = error.errno if isinstance(error, OSError) else _code_of(error)
    place = shown(str(getattr(error, "filename", None) or "")) or "a file"
    if code in NO_ROOM:
        where = f" ({place})" if place != "a file" else ""
        return f"the disk is full, or a limit on it is reached{where}: free some room. {RESUME}"
    if code in FORBIDDEN:
        return f"{place} may not be read or written ({os.strerror(code)}): check its permissions, or name another place"
    if code in GONE:
        return f"{place} is not there any more, or never was ({os.strerror(code)}): bring it back, or check the path"
    if code in BROKEN:
        return f"{place} cannot be used ({os.strerror(code)}). {RESUME} when the cause is removed"
    return ""


def _code_of(error: Exception) -> int:
    """The system's number of an error that a library passed on as a text; 0 for none."""
    ours = type(error).__module__.split(".")[0] in ("safetensors", "safetensors_rust")
    return next((code for words, code in CODES.items() if ours and f"({words})" in str(error)), 0)


def run_process(main: Callable[[], int]) -> int:
    """Run `main` as the whole of a process, and return its exit status.

    Ctrl-C, SIGTERM and a closed terminal end it like an exception, so that files are closed, half-written ones removed
    and worker processes ended; one line says how to go on. Where nobody reads the output any more (`| head`), the
    process ends quietly, as is usual.
    """
    try:
        with _signals_stop():
            status = main()
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        return _ended("interrupted", INTERRUPTED)
    except Stopped as stopped:
        return _ended("stopped from outside", int(stopped.code))
    except BrokenPipeError:
        if not _is_closed():
            raise
        return BROKEN_PIPE


def _ended(how: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the terminal is gone
        print(f"aireal: {how}. {RESUME}.", file=sys.stderr, flush=True)
    _is_closed()
    return status


def _is_closed() -> bool:
    """Whether nobody reads standard output; it then leads nowhere, so that its last flush raises nothing."""
    with contextlib.suppress(OSError, ValueError):  # no file of the system, as in a test or notebook
        handle = sys.stdout.fileno()
        if _has_reader(handle):
            return False
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), handle)
        return True
    return False


def _has_reader(handle: int) -> bool:
    if not hasattr(select, "poll"):  # Windows, where only a closed output breaks a pipe here
        return False
    poll = select.poll()
    poll.register(handle, 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


@contextlib.contextmanager
def _signals_stop() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Stopped` in this process; where they are ignored (`nohup`), they stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, _: object) -> None:
        if os.getpid() != owner:  # a worker that was forked from here ends as workers do
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        raise Stopped(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    mine = [number for number in (getattr(signal, n) for n in names) if signal.getsignal(number) == signal.SIG_DFL]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
