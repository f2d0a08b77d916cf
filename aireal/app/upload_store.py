"""Uploaded pictures until they are explained: in memory, never on disk."""

from __future__ import annotations

import secrets
from threading import Lock, Timer

MAX_FILES = 8  # of one visitor at a time
MAX_BYTES = 30 * 2**20  # of one file; a JPEG of 100 megapixels has about as many
MAX_WAITING_BYTES = 512 * 2**20  # of all files that wait
KEEP_SECONDS = 300.0  # until a file that nobody takes is removed


class StoreFull(Exception):
    """The waiting files leave no room for another one."""


class UploadStore:
    """Bytes under a random token. An entry is removed when it is taken, or after `seconds`."""

    def __init__(self, capacity: int = MAX_WAITING_BYTES, seconds: float = KEEP_SECONDS):
        self.capacity, self._seconds = capacity, seconds
        self._waiting: dict[str, tuple[bytes, Timer]] = {}
        self._lock = Lock()

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their token.

        Raises:
            StoreFull: with these bytes the store would hold more than `capacity` bytes.
        """
        token = secrets.token_urlsafe(18)
        expiry = Timer(self._seconds, self.take, [token])
        expiry.daemon = True
        with self._lock:
            if sum(len(waiting) for waiting, _ in self._waiting.values()) + len(content) > self.capacity:
                raise StoreFull
            self._waiting[token] = content, expiry
        expiry.start()
        return token

    def take(self, token: str) -> bytes | None:
        """Remove the bytes of a token and return them; None if the token is unknown, taken or expired."""
        with self._lock:
            content, expiry = self._waiting.pop(token, (None, None))
        if expiry:
            expiry.cancel()
        return content

    def __len__(self) -> int:
        return len(self._waiting)
