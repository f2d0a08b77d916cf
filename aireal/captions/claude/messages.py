"""Questions to Claude by plain messages, a few at a time: minutes instead of up to a day, with the same journal and
table.

A message whose reply was lost on its way (time-out, cut connection, killed run) cannot be looked up. It is sent once
more and may be paid twice, so its ceiling counts as spent. Batches have no such gap.
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
    """Asks the open questions of a run by plain messages, at most `width` at the same time."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        ledger: Ledger,
        budget: Budget,
        ceiling: TokenCeiling,
        retry: RetryPolicy,
        say: Callable[[str], None],
        width: int = WIDTH,
    ):
        # without the SDK's retries, because a retry after a time-out may be paid as well and must be counted
        self.client, self.ledger, self.budget, self.ceiling = (
            client.with_options(max_retries=0),
            ledger,
            budget,
            ceiling,
        )
        self.retry, self.say, self.width = retry, say, width
        self._failures = 0  # requests in a row that brought no reply

    def round(self, worklist: Worklist) -> int:
        """Ask every open question and return their number. One that failed for the moment comes again in the next
        round.

        Raises:
            RunStopped: the budget, the service or the network does not allow to go on. Requests under way have been
                waited for.
        """
        count, running = 0, {}
        with ThreadPoolExecutor(self.width) as pool:
            try:
                for item in worklist.open_items():
                    try:
                        request = build_request(item.row, item.overlay, item.question, worklist.model)
                    except ValueError as error:
                        worklist.unusable[item.number] = str(error)
                        continue
                    ceiling_usd = self._make_room(request, running, worklist)
                    entry = {"event": "asking", "key": item.key, "model": worklist.model, "ceiling": ceiling_usd}
                    self.ledger.add(entry)
                    running[pool.submit(self._send, request)] = (item, ceiling_usd)
                    count += 1
            finally:
                self._drain(running, worklist)
        return count

    def _make_room(self, request: Request, running: dict[Future, tuple[WorkItem, float]], worklist: Worklist) -> float:
        """Wait for a free worker and enough budget for a request, and return its ceiling in dollars."""
        ceiling_usd = self.ceiling.ceiling_usd(request)
        while len(running) == self.width or (running and not self.budget.fits(ceiling_usd)):
            self._take_some(running, worklist)
        if not self.budget.fits(ceiling_usd):
            raise self.budget.exceeded(ceiling_usd)
        return ceiling_usd

    def _send(self, request: Request) -> Reply | ClaudeError:
        """Send one request in a worker thread. Only the main thread writes to the journal."""
        try:
            message = call(self.client, self.client.messages.create, anthropic.types.Message, **request.params)
            return from_message(message, message._request_id)
        except ClaudeError as error:
            return error

    def _take_some(self, running: dict[Future, tuple[WorkItem, float]], worklist: Worklist) -> None:
        """Wait for at least one reply and write all that have come to the journal."""
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        stop = None
        for future in ended:
            item, ceiling_usd = running.pop(future)
            try:
                self._take(future.result(), item, ceiling_usd, worklist.model)
            except RunStopped as reason:
                stop = reason
        if stop:
            raise stop

    def _drain(self, running: dict[Future, tuple[WorkItem, float]], worklist: Worklist) -> None:
        """Take every reply that is still to come, since it is paid; stop afterwards if one of them demands it."""
        stop = None
        while running:
            try:
                self._take_some(running, worklist)
            except RunStopped as reason:
                stop = reason
        if stop:
            raise stop

    def _take(self, reply: Reply | ClaudeError, item: WorkItem, ceiling_usd: float, model: str) -> None:
        """Write a reply, or the failure of a request, to the journal; after a failure, wait.

        Raises:
            RunStopped: the failure is fatal, or one of too many in a row.
        """
        if isinstance(reply, ClaudeError) and reply.permanent:
            reply = Reply("invalid", usage={}, note=str(reply))
        if isinstance(reply, Reply):
            self.ledger.add(self.ledger.entry(item.key, reply, model, ceiling_usd))
            self._failures = 0
            return
        error = reply
        self.ledger.add({"event": "doubt" if error.doubt else "unanswered", "key": item.key, "why": str(error)})
        self.ledger.failed_attempts[item.key] += error.status != 429  # a rate limit is not the row's fault
        self._failures += 1
        if error.fatal or self._failures >= self.retry.patience:
            raise RunStopped(str(error))
        wait_seconds = min(self.retry.longest, self.retry.first * 1.5 ** (self._failures - 1))
        self.retry.sleep(wait_seconds if error.wait is None else error.wait)
