"""Retries with backoff: the wait between two calls of the service, and the number of failures that end a run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .budget import RunStopped
from .client import ClaudeError


@dataclass(frozen=True)
class RetryPolicy:
    """Waits in seconds, and the number of attempts.

    Attributes:
        first: the first wait. Each further wait is half as long again, with a fifth of jitter.
        longest: the longest wait.
        settle: the wait before a second look at the list of batches, which may not show a new batch at once.
        patience: so many failures in a row end a run.
    """

    first: float = 2.0
    longest: float = 60.0
    settle: float = 30.0
    patience: int = 8
    sleep: Callable[[float], None] = time.sleep

    def waits(self) -> Iterator[float]:
        """An endless stream of growing waits. Jitter does not depend on the run's seed, or all runs would coincide."""
        seconds, generator = self.first, random.Random()
        while True:
            yield seconds * generator.uniform(0.8, 1.2)
            seconds = min(1.5 * seconds, self.longest)

    def call(self, act: Callable[[], Any]) -> Any:
        """Call `act`, which may be repeated, until it succeeds, and return its result.

        The SDK retries as well, but gives up after seconds; these retries bridge minutes without a network.

        Raises:
            RunStopped: it fails for good, or `patience` times.
        """
        waits = self.waits()
        for attempts_left in range(self.patience - 1, -1, -1):
            wait = next(waits)
            try:
                return act()
            except ClaudeError as error:
                if error.fatal or error.permanent or not attempts_left:
                    raise RunStopped(str(error)) from None
                wait = wait if error.wait is None else error.wait
            self.sleep(wait)
