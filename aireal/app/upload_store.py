"""Pictures between their arrival and their turn: in memory, never on disk."""

from __future__ import annotations

import secrets
from threading import Lock, Timer

MOST_FILES = 8  # of one visitor at a time
MOST_BYTES = 30 * 2**20  # of one file; a JPEG of 100 megapixels has about as many
MOST_WAITING = 512 * 2**20  # of all files that wait
KEPT_SECONDS = 300.0  # of a file that nobody asks for


class StoreFull(Exception):
    """No more pictures can wait at the moment."""


class UploadStore:
    """Bytes by a random token; what is taken, or waits too long, is gone."""

    def __init__(self, most: int = MOST_WAITING, kept: float = KEPT_SECONDS):
        self._most, self._kept = most, kept
        self._waiting: dict[str, tuple[bytes, Timer]] = {}
        self._lock = Lock()

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their token.

        Raises:
            Full: all that waits would be more than fits.
        """
        token = secrets.token_urlsafe(18)
        forgotten = Timer(self._kept, self.take, [token])
        forgotten.daemon = True
        with self._lock:
            if sum(len(data) for data, _ in self._waiting.values()) + len(content) > self._most:
                raise StoreFull
            self._waiting[token] = content, forgotten
        forgotten.start()
        return token

    def take(self, token: str) -> bytes | None:
        """The bytes, which are then forgotten; None where there are none of that token (any more)."""
        with self._lock:
            content, forgotten = self._waiting.pop(token, (None, None))
        if forgotten:
            forgotten.cancel()
        return content

    def __len__(self) -> int:
        return len(self._waiting)
