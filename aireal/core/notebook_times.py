"""How long notebooks take: expected seconds from earlier runs, and a bar with the time left."""

from __future__ import annotations

import builtins
import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping

from tqdm.auto import tqdm

TICK = 0.5  # seconds between two states of a bar
NAME_WIDTH = 28
BAR = "  {desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}"


class NotebookTimes:
    """Expected seconds of the notebooks of a run, scaled by the speed of this machine so far.

    Args:
        known: name → seconds of an earlier run, of this machine or another one.
        names: the notebooks that are to be executed, in their order.
    """

    def __init__(self, known: Mapping[str, float], names: Iterable[str]) -> None:
        self.known = dict(known)
        self.waiting = list(names)
        self._pairs: list[tuple[float, float]] = []  # (expected by `known`, taken) of each finished notebook

    def expected(self, name: str) -> float | None:
        """Seconds that a notebook should take here; None where no earlier run is known."""
        expected, taken = (sum(column) for column in zip(*self._pairs)) if self._pairs else (1.0, 1.0)
        return self.known[name] * taken / expected if self.known.get(name) else None

    def finish(self, name: str, seconds: float) -> None:
        """Take in the seconds that a notebook took, which correct what is expected of the later ones."""
        self.waiting.remove(name)
        if self.known.get(name):
            self._pairs.append((self.known[name], seconds))

    def left(self) -> float | None:
        """Seconds of all notebooks that wait; None where those of one are not known."""
        expected = [self.expected(name) for name in self.waiting]
        return None if None in expected else sum(expected)

    def about(self, name: str) -> str:
        """The expected time of a notebook, and of all that wait, as ", about 40 s of 8 min"; empty if unknown."""
        one, left = self.expected(name), self.left()
        return (f", about {duration(one)}" if one else "") + (f" of {duration(left)}" if one and left else "")


def duration(seconds: float) -> str:
    """Seconds as people say them: "40 s", "2 min", "1 h 10 min"."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def shows_bars() -> bool:
    """Whether standard error is a terminal, or the output of a notebook's cell."""
    return sys.stderr.isatty() or getattr(builtins, "__IPYTHON__", False)


@contextlib.contextmanager
def time_bar(name: str, seconds: float, after: float | None) -> Iterator[None]:
    """Show a bar that grows with the time, and is removed at the end.

    It stays below its end where the work takes longer than was expected: tqdm then shows no time left.

    Args:
        name: what stands before the bar.
        seconds: expected duration.
        after: expected seconds of what comes later; None where they are not known.
    """
    postfix = f"then {duration(after)}" if after else ""
    bar = tqdm(total=seconds, desc=f"{name:<{NAME_WIDTH}}", bar_format=BAR, postfix=postfix, leave=False)
    began, ended = time.monotonic(), threading.Event()

    def grow() -> None:
        while not ended.wait(TICK):
            bar.n = min(time.monotonic() - began, 0.99 * seconds)
            bar.refresh()

    thread = threading.Thread(target=grow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bar.close()
