"""One case under watch: its outcome, and whether it hangs, writes elsewhere, opens a private file, or calls out.

`sys.addaudithook` sees every file that Python opens, so nothing has to be searched for on the disk afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 20.0  # for one case
SECRET = "SECRET"  # a folder beside the case's, which no case may open
LONGEST = 6000  # characters of a sentence: a name of 5,000 may be in it
CALLS_OUT = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Hang(BaseException):
    """A case took longer than `SECONDS`; no handler of `Exception` in the code catches it."""


class Watch:
    """Outcomes of cases that may write below `allowed` alone. Make one in a process: an audit hook stays for good."""

    def __init__(self, allowed: Path):
        self.allowed, self.offences, self._on = os.path.realpath(allowed), [], False
        sys.addaudithook(self._hook)

    def outcome(self, case: Callable[[], object]) -> tuple[str, str]:
        """("read" or "refused", "") of a case that behaves; else (class of the fault, what happened)."""
        self.offences = []
        try:
            with self._watched(), _limited():
                case()
            found = ("read", "")
        except Hang:
            return "hang", f"more than {SECONDS:.0f} s"
        except Exception as error:
            found = _judge(error)
        return ("escape", self.offences[0]) if self.offences else found

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def _hook(self, event: str, arguments: tuple) -> None:
        if not self._on:
            return
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, str | bytes):
                self._check(event, os.fsdecode(path), bool(flags & WRITING) if isinstance(flags, int) else False)
        elif event in WRITES:
            for path in arguments[:2]:
                if isinstance(path, str | bytes):
                    self._check(event, os.fsdecode(path), True)
        elif event in CALLS_OUT:
            self.offences.append(event)

    def _check(self, event: str, path: str, writes: bool) -> None:
        place = os.path.abspath(path)
        if f"/{SECRET}/" in place or (writes and not place.startswith(self.allowed) and place != os.devnull):
            self.offences.append(f"{event} {place!r}"[:300])


def _judge(error: Exception) -> tuple[str, str]:
    """A refusal is a plain `ValueError` or an `ImageError` of this project with one sentence."""
    ours = type(error) is ValueError or type(error).__module__.startswith("aireal.")
    if not isinstance(error, ValueError) or not ours:
        return "crash", f"{type(error).__name__}: {str(error)[:200]}"
    words = str(error)
    return ("refused", "") if 10 < len(words) <= LONGEST else ("unclear", words[:200])


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise `Hang` in the block after `SECONDS`; on Windows nothing is limited."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def hang(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
