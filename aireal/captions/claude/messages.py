"""Questions to Claude by plain messages, some at a time, for those who cannot wait for a batch; the same journal and the same table.

A reply that was lost on its way (time-out, cut connection, killed run) cannot be found again, so its question is asked once more and
may be paid twice; its ceiling is counted as spent. Batches have no such gap.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import anthropic

from .budget import Budget, RunStopped, TokenCeiling
from .client import ClaudeError, call
from .ledger import Ledger
from .reply import Reply, from_message
from .request import Request, build_request
from .retry import RetryPolicy
from .worklist import WorkItem, Worklist

WIDTH = 4  # requests at the same time


class Messages:
    """Asks a run's open questions by plain messages, at most `width` at the same time."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        book: Ledger,
        budget: Budget,
        meter: TokenCeiling,
        pace: RetryPolicy,
        say: Callable[[str], None],
        width: int = WIDTH,
    ):
        # without the SDK's retries, because one after a time-out may be paid as well and must be counted
        self.client, self.book, self.budget, self.meter = client.with_options(max_retries=0), book, budget, meter
        self.pace, self.say, self.width = pace, say, width
        self._failed = 0  # requests in a row that brought nothing

    def round(self, work: Worklist) -> int:
        """Ask every question that is open; how many were asked. One that failed for the moment comes again in the next round.

        Raises:
            Stop: the budget, the service or the network does not allow to go on; requests under way have been waited for.
        """
        asked, running = 0, {}
        with ThreadPoolExecutor(self.width) as pool:
            try:
                for item in work.open():
                    try:
                        request = build_request(item.row, item.overlay, item.ask, work.model)
                    except ValueError as error:
                        work.unusable[item.number] = str(error)
                        continue
                    ceiling = self._room(request, running, work)
                    self.book.add({"event": "asking", "key": item.key, "model": work.model, "ceiling": ceiling})
                    running[pool.submit(self._ask, request)] = (item, ceiling)
                    asked += 1
            finally:
                self._drain(running, work)
        return asked

    def _room(self, request: Request, running: dict[Future, tuple[WorkItem, float]], work: Worklist) -> float:
        """The ceiling of a request, once there is a free worker and money for it."""
        ceiling = self.meter.ceiling_usd(request)
        while len(running) == self.width or (running and not self.budget.fits(ceiling)):
            self._take_some(running, work)
        if not self.budget.fits(ceiling):
            raise self.budget.stop(ceiling)
        return ceiling

    def _ask(self, request: Request) -> Reply | ClaudeError:
        """One request, in a worker; the journal is the main thread's."""
        try:
            message = call(self.client, self.client.messages.create, anthropic.types.Message, **request.params)
            return from_message(message, message._request_id)
        except ClaudeError as error:
            return error

    def _take_some(self, running: dict[Future, tuple[WorkItem, float]], work: Worklist) -> None:
        """Wait for at least one answer and write all that are there to the journal."""
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        stop = None
        for future in ended:
            item, ceiling = running.pop(future)
            try:
                self._take(future.result(), item, ceiling, work.model)
            except RunStopped as why:
                stop = why
        if stop:
            raise stop

    def _drain(self, running: dict[Future, tuple[WorkItem, float]], work: Worklist) -> None:
        """Take every answer that is still to come, for it is paid; only then stop, if one of them says so."""
        stop = None
        while running:
            try:
                self._take_some(running, work)
            except RunStopped as why:
                stop = why
        if stop:
            raise stop

    def _take(self, answer: Reply | ClaudeError, item: WorkItem, ceiling: float, model: str) -> None:
        if isinstance(answer, ClaudeError) and answer.permanent:
            answer = Reply("invalid", usage={}, note=str(answer))
        if isinstance(answer, Reply):
            self.book.add(self.book.entry(item.key, answer, model, ceiling))
            self._failed = 0
            return
        self.book.add({"event": "doubt" if answer.doubt else "unanswered", "key": item.key, "why": str(answer)})
        self.book.failed_attempts[item.key] += answer.status != 429  # which is not the row's fault
        self._failed += 1
        if answer.fatal or self._failed >= self.pace.patience:
            raise RunStopped(str(answer))
        self.pace.sleep(
            min(self.pace.longest, self.pace.first * 1.5 ** (self._failed - 1)) if answer.wait is None else answer.wait
        )
