"""Uploaded pictures until they are explained: in memory, never on disk."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer

MAX_FILES = 8  # of one visitor at a time
MAX_BYTES = 30 * 2**20  # of one file; a JPEG of 100 megapixels has about as many
MAX_WAITING = 64  # files that wait: empty ones cost something, too
MAX_WAITING_BYTES = 512 * 2**20  # of all files that wait or are under way
KEEP_SECONDS = 300.0  # until a file that nobody takes is removed


class StoreFull(Exception):
    """The waiting files leave no room for another one."""


class UploadStore:
    """Bytes under a random token. An entry is removed when it is taken, or after `seconds`.

    One timer serves all entries, so that the number of threads does not grow with them.
    """

    def __init__(self, capacity: int = MAX_WAITING_BYTES, seconds: float = KEEP_SECONDS, most: int = MAX_WAITING):
        self.capacity, self.most, self._seconds = capacity, most, seconds
        self._waiting: dict[str, tuple[bytes, float]] = {}  # token → bytes, time of expiry; the oldest first
        self._under_way = 0  # bytes
        self._timer: Timer | None = None
        self._lock = Lock()

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their token.

        Raises:
            StoreFull: the store would hold more than `capacity` bytes, or more than `most` files.
        """
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._remove_old()
            if len(self._waiting) >= self.most:
                raise StoreFull
            self._require(len(content))
            self._waiting[token] = content, time.monotonic() + self._seconds
            try:
                self._start_timer()
            except RuntimeError:  # no further thread
                del self._waiting[token]
                raise StoreFull from None
        return token

    def take(self, token: str) -> bytes | None:
        """Remove the bytes of a token and return them; None if the token is unknown, taken or expired."""
        with self._lock:
            self._remove_old()
            content, _ = self._waiting.pop(token, (None, 0.0))
        return content

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a file under way until the block ends: call what is yielded with each number of bytes.

        Raises:
            StoreFull: by that call, if there is no room for them.
        """
        counted = 0

        def need(size: int) -> None:
            nonlocal counted
            with self._lock:
                self._require(size)
                self._under_way += size
            counted += size

        try:
            yield need
        finally:
            with self._lock:
                self._under_way -= counted

    def __len__(self) -> int:
        return len(self._waiting)

    def _require(self, size: int) -> None:
        held = sum(len(content) for content, _ in self._waiting.values())
        if held + self._under_way + size > self.capacity:
            raise StoreFull

    def _remove_old(self) -> None:
        now = time.monotonic()
        for token in [token for token, (_, expiry) in self._waiting.items() if expiry <= now]:
            del self._waiting[token]

    def _start_timer(self) -> None:
        """A timer until the oldest entry expires, unless one is running."""
        if self._timer is None and self._waiting:
            _, expiry = next(iter(self._waiting.values()))
            timer = Timer(max(0.0, expiry - time.monotonic()) + 0.01, self._sweep)
            timer.daemon = True
            timer.start()
            self._timer = timer

    def _sweep(self) -> None:
        with self._lock:
            self._timer = None
            self._remove_old()
            try:
                self._start_timer()
            except RuntimeError:  # no further thread: the next upload removes what is old
                return
