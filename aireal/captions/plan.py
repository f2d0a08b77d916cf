"""The plan of an augmentation run: its author, its limits, and the client that the author needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anthropic

from aireal.captions.claude.batches import BatchLimits
from aireal.captions.claude.cost_estimate import SAMPLE
from aireal.captions.claude.ledger import EVENT
from aireal.captions.claude.mock import MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL
from aireal.captions.claude.retry import RetryPolicy
from aireal.core.journal import Journal

from .claude import client as claude
from .offline import AUTHOR as OFFLINE

AUTHORS = ("auto", "offline", "claude", "mock")
MOCK = "mock"
REHEARSAL = "rehearsal"  # the first line of a rehearsal's journal
NOW_BELOW = 2_000  # rows: a notebook's runtime lives for hours, and a batch may take a day


@dataclass(frozen=True)
class Plan:
    """The settings of a run.

    Args:
        author: 'claude' needs a key; 'offline' needs none; 'auto' is Claude when a key is found; 'mock' rehearses
            Claude's flow against a server on this machine, for nothing.
        n: sentences a language and image.
        seed: of the offline author. Claude has no seed; its replies are in the journal.
        folder: the folder that the overlay paths of the rows are relative to.
        journal_path: JSONL file of Claude's replies; needed for Claude. A run that was stopped resumes from it.
        model: id of the Claude model.
        max_usd: limit in dollars on all runs of the journal together. Claude needs this or `yes`.
        yes: spend without a limit.
        now: plain messages instead of message batches: minutes instead of up to a day, at twice the price. None: plain
            messages below `NOW_BELOW` rows, where batches would save cents, unless a batch is under way.
        client: the client to use instead of one made from the key.
        retry: waits and number of attempts.
        batch_limits: sizes of message batches.
        sample: rows whose tokens the service counts for the estimate.
        say: prints a line of progress.

    Raises:
        ValueError: the author is unknown, or n is below 1.
    """

    author: str = "auto"
    n: int = 4
    seed: int = 7
    folder: str | Path = "."
    journal_path: str | Path | None = None
    model: str = DEFAULT_MODEL
    max_usd: float | None = None
    yes: bool = False
    now: bool | None = None
    client: anthropic.Anthropic | None = None
    retry: RetryPolicy = RetryPolicy()
    batch_limits: BatchLimits = BatchLimits()
    sample: int = SAMPLE
    say: Callable[[str], None] = print

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n is {self.n}: ask for at least one sentence a language")
        if self.author not in AUTHORS:
            raise ValueError(f"author {self.author!r} is unknown: choose {', '.join(AUTHORS)}")

    def with_way(self, rows: int, batch_under_way: bool) -> Plan:
        """The plan with `now` decided."""
        if self.now is not None:
            return self
        return replace(self, now=rows < NOW_BELOW and not batch_under_way)

    @property
    def way(self) -> str:
        """How Claude is asked, with the price of the choice."""
        if self.now:
            return "plain messages (minutes; batches cost half and take up to a day)"
        return "message batches (up to a day, at half the price of plain messages)"

    def open_author(self, stack: contextlib.ExitStack) -> tuple[anthropic.Anthropic | None, str]:
        """The client to use and the author's name in the table; no client for the offline author.

        Args:
            stack: closes the rehearsal server.

        Raises:
            ValueError: Claude was chosen and key, journal or permission to spend is missing.
        """
        if self.author == "offline":
            return None, OFFLINE
        if self.author == MOCK:
            return self._open_mock(stack), MOCK
        key = None if self.client else claude.api_key(ask=self.author == "claude")
        if self.client is None and key is None:
            if self.author == "claude":
                raise ValueError(
                    f"there is no key for Claude: set {claude.KEY} in the environment or the notebook's secrets, "
                    "or use --author offline (author='offline')"
                )
            self.say(
                f"No {claude.KEY} was found, so the sentences below are written by the offline grammar, not by Claude."
            )
            return None, OFFLINE
        self._require_journal_and_limit()
        return self.client or claude.make_client(key), self.model

    def _open_mock(self, stack: contextlib.ExitStack) -> anthropic.Anthropic:
        if self.journal_path is None:
            raise ValueError("a rehearsal needs journal_path=, a file of its own")
        _begin_rehearsal(Path(self.journal_path))
        self.say(
            "REHEARSAL: a server on this machine stands for Claude. Nothing is sent anywhere and nothing is spent. "
            "Amounts are what it would have cost at an invented length of replies. author=mock in the table."
        )
        return claude.make_client("rehearsal", stack.enter_context(MockServer()).url, proxies=False)

    def _require_journal_and_limit(self) -> None:
        if self.journal_path is None:
            raise ValueError("Claude needs journal_path=, so that no reply is paid for twice")
        if self.max_usd is None and not self.yes:
            raise ValueError(
                "Claude costs money: name a limit with --max-usd (max_usd=), or spend without one with --yes "
                "(yes=True); --dry-run estimates the cost, --author offline costs nothing"
            )


def _begin_rehearsal(journal: Path) -> None:
    """Begin its journal anew: the server of an earlier rehearsal is gone, and its batches with it.

    Raises:
        ValueError: the file is no journal of a rehearsal; it may hold replies that were paid for.
    """
    if journal.exists() and journal.stat().st_size:
        with Journal(journal, keep=False, fields=EVENT) as earlier:
            _, first = next(earlier.read(), (0, {}))
        if first.get("event") != REHEARSAL:
            raise ValueError(
                f"{journal} holds something else than a rehearsal, perhaps replies that were paid for: name another "
                "file, or remove it"
            )
    journal.unlink(missing_ok=True)
    with Journal(journal, keep=False, fields=EVENT) as begun:
        begun.add({"event": REHEARSAL})
