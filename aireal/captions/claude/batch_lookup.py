"""Looks up a batch whose submission brought no reply.

The service's list of batches shows no custom_ids, only times and counts. A batch is a candidate if it is as large as
the submitted one and was made no earlier than the newest batch before it (by the service's own clock). It is ours if
its results carry our nonce; results can be read only after the batch has ended. When a candidate's results are no
longer kept, nobody can tell: if it was made later and no other is ours, it is taken for ours, so its rows count as
spent and are asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import anthropic
from anthropic.types.messages import MessageBatch

from .batch_results import BatchResults, is_archived
from .budget import RunStopped
from .client import call
from .ledger import BatchPart, Ledger
from .retry import RetryPolicy

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


class BatchLookup:
    """Finds batches in the service's list."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        ledger: Ledger,
        retry: RetryPolicy,
        say: Callable[[str], None],
        results: BatchResults,
    ):
        self.client, self.ledger, self.retry, self.say, self.results = client, ledger, retry, say, results
        self.service = client.messages.batches

    def newest(self) -> str:
        """Time of the newest batch of the service, by its own clock; empty when there is none."""
        page = call(self.client, self.service.list, limit=20)
        times = [made for batch in getattr(page, "data", None) or [] if (made := _made_at(batch))]
        return max(times).isoformat() if times else ""

    def find(self, part: BatchPart) -> bool:
        """Look up a batch whose submission brought no reply, and write to the journal whether the service has it."""
        for attempt in range(2):
            if attempt:
                self.retry.sleep(self.retry.settle)  # the list may not show a new batch at once
            for batch in self.retry.call(lambda: self._candidates(part)):
                if is_archived(batch) and not attempt:
                    continue  # nobody can tell whose it is: first the list may show another one
                if self._is_ours(batch, part):
                    self.ledger.add({"event": "submitted", "nonce": part.nonce, "batch": batch.id})
                    self.say(f"Batch {batch.id}: found again, {part.size} rows.")
                    return True
        self.ledger.add({"event": "absent", "nonce": part.nonce})
        return False

    def _candidates(self, part: BatchPart) -> list[MessageBatch]:
        """Batches of the list that may be the part and that the journal does not have; those that have ended first, and
        those whose results are no longer kept last."""
        since = datetime.fromisoformat(part.since) if part.since else None
        ids = {recorded.batch for recorded in self.ledger.parts.values()} | {batch for _, batch in self.ledger.totals}
        candidates = [
            batch
            for batch in call(self.client, lambda: list(self.service.list(limit=100)))
            if batch.id not in ids
            and _size(batch) == part.size
            and not (since and (made := _made_at(batch)) and (made < since or made == since and is_archived(batch)))
        ]
        return sorted(candidates, key=lambda batch: (is_archived(batch), batch.processing_status != "ended"))

    def _is_ours(self, batch: MessageBatch, part: BatchPart) -> bool:
        """Whether the first result of a batch carries our nonce, or is no longer kept; waits for the end of the batch.

        Raises:
            RunStopped: its results cannot be read.
        """
        if is_archived(batch):
            return True
        self.results.wait_for(batch.id)
        try:
            first = self.retry.call(lambda: call(self.client, lambda: next(iter(self.service.results(batch.id)), None)))
        except RunStopped:
            first = None
        if first is None:
            raise RunStopped(
                f"it is not clear whether batch {batch.id} is the one whose submission brought no reply, because its "
                "results cannot be read; run again later: until that is clear, its rows are not sent again"
            )
        return str(first.custom_id).startswith(part.nonce + "-")


def _size(batch: MessageBatch) -> int:
    return sum(getattr(batch.request_counts, name, 0) or 0 for name in _COUNTS)


def _made_at(batch: MessageBatch) -> datetime | None:
    """When a batch was made; None if that cannot be read."""
    made = batch.created_at
    if not isinstance(made, datetime):
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)
