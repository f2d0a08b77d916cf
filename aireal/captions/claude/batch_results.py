"""Results of message batches: wait for the end of a batch and write all of its results to the journal."""

from __future__ import annotations

from collections.abc import Callable

import anthropic
from anthropic.types.messages import MessageBatch

from .budget import RunStopped
from .client import FAULTS, call
from .ledger import BatchPart, Ledger
from .reply import Reply, from_result
from .retry import RetryPolicy


def is_archived(batch: MessageBatch) -> bool:
    """Whether the service no longer keeps the results of a batch (after 29 days)."""
    return bool(batch.archived_at) and not batch.results_url


class BatchResults:
    """Reads the results of batches under way into the journal.

    Args:
        at_once: results that are written to the journal, and so to the disk, together.
    """

    def __init__(
        self, client: anthropic.Anthropic, ledger: Ledger, retry: RetryPolicy, say: Callable[[str], None], at_once: int
    ):
        self.client, self.ledger, self.retry, self.say, self.at_once = client, ledger, retry, say, at_once
        self.service = client.messages.batches

    def collect(self) -> None:
        """Wait until every batch under way has ended, and read its results."""
        waits = self.retry.waits()
        while parts := [part for part in self.ledger.parts.values() if part.batch]:
            ended = [part for part in parts if self._ended(part.batch)]
            for part in ended:
                self._read(part)
            if not ended:
                self.retry.sleep(next(waits))

    def wait_for(self, batch: str) -> None:
        """Wait until a batch has ended."""
        waits = self.retry.waits()
        while not self._ended(batch):
            self.retry.sleep(next(waits))

    def _ended(self, batch_id: str) -> MessageBatch | None:
        """The batch when it has ended, else None."""
        batch = self.retry.call(
            lambda: call(self.client, self.service.retrieve, MessageBatch, message_batch_id=batch_id)
        )
        return batch if batch.processing_status == "ended" else None

    def _read(self, part: BatchPart) -> None:
        """Read the results of a batch, in any order, and again as often as the stream is cut.

        Raises:
            RunStopped: several readings in a row brought no further result.
        """
        waits, failures = self.retry.waits(), 0
        while part.open_keys and failures < self.retry.patience:
            before = len(part.open_keys)
            self._stream(part)
            if part.open_keys and len(part.open_keys) == before:
                if self._archived(part):
                    return
                failures += 1
                self.retry.sleep(next(waits))
        if part.open_keys:
            raise RunStopped(
                f"the results of batch {part.batch} cannot be read to their end, {len(part.open_keys)} rows are "
                "missing; run again later: they are not paid again"
            )
        self.ledger.add({"event": "done", "nonce": part.nonce})
        self.say(f"Batch {part.batch}: {part.size} results read; spent so far ${self.ledger.spent_usd:.4f}.")

    def _stream(self, part: BatchPart) -> None:
        """Read the results once: rows that the journal has are skipped, and a fault ends the reading."""
        entries: dict[str, dict] = {}
        try:
            for row in self.service.results(part.batch):
                nonce, _, key = str(getattr(row, "custom_id", "")).partition("-")
                if nonce == part.nonce and key in part.open_keys and key not in entries:
                    reply = from_result(getattr(row, "result", None), self.client.api_key)
                    entries[key] = self.ledger.entry(key, reply, part.model, part.ceiling_usd, nonce)
                if len(entries) == self.at_once:
                    self.ledger.add(*entries.values())
                    entries = {}
        except FAULTS:
            pass  # the next reading starts anew
        if entries:
            self.ledger.add(*entries.values())

    def _archived(self, part: BatchPart) -> bool:
        """Whether the results of a part are no longer kept.

        The rows are then open again, and their ceilings count as spent.
        """
        batch = self._ended(part.batch)
        if batch is None or not is_archived(batch):
            return False
        self.say(
            f"Batch {part.batch}: the service no longer keeps its results. "
            f"{len(part.open_keys)} rows are asked for again."
        )
        lost = Reply("lost", note="the results were no longer kept")
        entries = [
            self.ledger.entry(key, lost, part.model, part.ceiling_usd, part.nonce) for key in sorted(part.open_keys)
        ]
        self.ledger.add(*entries, {"event": "done", "nonce": part.nonce})
        return True
