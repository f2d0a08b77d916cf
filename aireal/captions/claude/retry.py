"""How long is waited between two questions to the service, and how often what has failed is tried again."""

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
    """Seconds: between two looks at a batch (growing by half from `first` to `longest`, a fifth of jitter), and before the list of batches is
    believed that it lacks one (`settle`). `patience` is how many failures in a row end a run."""

    first: float = 2.0
    longest: float = 60.0
    settle: float = 30.0
    patience: int = 8
    sleep: Callable[[float], None] = time.sleep

    def waits(self) -> Iterator[float]:
        seconds, chance = (
            self.first,
            random.Random(),
        )  # jitter must not depend on the run's seed, or all runs would meet
        while True:
            yield seconds * chance.uniform(0.8, 1.2)
            seconds = min(1.5 * seconds, self.longest)

    def call(self, act: Callable[[], Any]) -> Any:
        """What an act that may be repeated brings. When it fails, the SDK has tried several times; a night on a train takes longer.

        Raises:
            Stop: it fails for good, or too often.
        """
        waits = self.waits()
        for left in range(self.patience - 1, -1, -1):
            wait = next(waits)
            try:
                return act()
            except ClaudeError as error:
                if error.fatal or error.permanent or not left:
                    raise RunStopped(str(error)) from None
                wait = wait if error.wait is None else error.wait
            self.sleep(wait)
