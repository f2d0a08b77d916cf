"""Pictures between their arrival and their turn: in memory, never on disk."""

from __future__ import annotations

import secrets
import time
from threading import Lock

MOST_FILES = 8  # of one visitor at a time
MOST_BYTES = 30 * 2**20  # of one file; a JPEG of 100 megapixels has about as many
MOST_WAITING = 512 * 2**20  # of all files that wait
KEPT_SECONDS = 300.0  # of a file that nobody asks for


class Full(Exception):
    """No more pictures can wait at the moment."""


class Store:
    """Bytes by a random token; what is taken, or waits too long, is gone."""

    def __init__(self, most: int = MOST_WAITING, kept: float = KEPT_SECONDS):
        self._most, self._kept = most, kept
        self._waiting: dict[str, tuple[float, bytes]] = {}
        self._lock = Lock()

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their token.

        Raises:
            Full: all that waits would be more than fits.
        """
        with self._lock:
            self._sweep()
            if sum(len(data) for _, data in self._waiting.values()) + len(content) > self._most:
                raise Full
            token = secrets.token_urlsafe(18)
            self._waiting[token] = time.monotonic(), content
            return token

    def take(self, token: str) -> bytes | None:
        """The bytes, which are then forgotten; None where there are none of that token (any more)."""
        with self._lock:
            self._sweep()
            return self._waiting.pop(token, (0.0, None))[1]

    def _sweep(self) -> None:
        now = time.monotonic()
        for token in [t for t, (since, _) in self._waiting.items() if now - since > self._kept]:
            del self._waiting[token]

    def __len__(self) -> int:
        return len(self._waiting)
