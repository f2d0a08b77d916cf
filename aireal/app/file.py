"""One picture of a visit and how far its explanation is."""

from __future__ import annotations

from dataclasses import dataclass

from .service import Downloads, PartialExplanation


@dataclass
class File:
    """One file of a visit: its name as the visitor calls it, its bytes or why there are none (a word of `shell.LIMITS`, or a sentence), and how far it is."""

    name: str
    data: bytes = b""
    error: str = ""
    truth: str = ""
    looked: PartialExplanation | None = None
    downloads: Downloads | None = None
    working: str = ""  # "", "look" or "lime"
    ahead: int = 0
    progress: float = 0.0
