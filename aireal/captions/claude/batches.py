"""Questions to Claude by message batches, at half the price: cut into parts, submitted once, read until complete.

`batches.create` has no idempotency key, so a batch that is submitted twice is paid twice. Hence a submission is never
retried blindly. The journal gets a line `submitting` first; when no clear reply comes (or the run is killed there), the
batch is looked up in the service's list (`batch_lookup`). Only when two looks at the list show no such batch, the part
is submitted again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import anthropic
from anthropic.types.messages import MessageBatch

from .batch_lookup import BatchLookup
from .batch_results import BatchResults
from .budget import Budget, RunStopped, TokenCeiling
from .client import ClaudeError, call
from .ledger import Ledger
from .request import Request, build_request
from .retry import RetryPolicy
from .worklist import WorkItem, Worklist


@dataclass(frozen=True)
class BatchLimits:
    """Sizes that keep memory flat and a lost upload small. The service takes batches of 256 MB and 100,000 rows.

    Attributes:
        rows: of one batch.
        bytes: of one batch.
        results_at_once: results that are written to the journal, and so to the disk, together.
    """

    rows: int = 1_000
    bytes: int = 32_000_000
    results_at_once: int = 100


class Batches:
    """Asks the open questions of a run by batches."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        ledger: Ledger,
        budget: Budget,
        ceiling: TokenCeiling,
        retry: RetryPolicy,
        say: Callable[[str], None],
        limits: BatchLimits = BatchLimits(),
    ):
        self.client, self.ledger, self.budget, self.ceiling = client, ledger, budget, ceiling
        self.retry, self.say, self.limits = retry, say, limits
        self.results = BatchResults(client, ledger, retry, say, limits.results_at_once)
        self.lookup = BatchLookup(client, ledger, retry, say, self.results)

    def settle(self) -> None:
        """Complete the batches that an earlier run left under way.

        Raises:
            RunStopped: the service cannot be reached, or it is not clear whether it has a batch.
        """
        for part in [part for part in self.ledger.parts.values() if not part.batch]:
            self.lookup.find(part)
        self.results.collect()

    def round(self, worklist: Worklist) -> int:
        """Ask every open question, wait for the replies, and return the number of questions.

        Raises:
            RunStopped: the budget, the service or the network does not allow to go on. Batches that were submitted
                before have been waited for if possible.
        """
        try:
            count = self._submit_all(worklist)
        except RunStopped as stop:
            if self.ledger.parts:
                self.say(f"Stopping: {stop}. Waiting for {len(self.ledger.parts)} batches under way.")
            self.results.collect()
            raise
        self.results.collect()
        return count

    def _submit_all(self, worklist: Worklist) -> int:
        count, draft = 0, _Draft()
        for item in worklist.open_items():
            try:
                request = build_request(item.row, item.overlay, item.question, worklist.model, "1h")
            except ValueError as error:
                worklist.unusable[item.number] = str(error)
                continue
            draft = self._with_room(draft, request, worklist)
            draft.add(item, request, self.ceiling.ceiling_usd(request))
            count += 1
        self._send(draft, worklist)
        return count

    def _with_room(self, draft: _Draft, request: Request, worklist: Worklist) -> _Draft:
        """A part that the request fits into.

        A full part is submitted. Where the budget is too small, batches under way are waited for.
        """
        full = len(draft.items) >= self.limits.rows or draft.size + request.size > self.limits.bytes
        if draft.items and full:
            self._send(draft, worklist)
            draft = _Draft()
        ceiling_usd = self.ceiling.ceiling_usd(request)
        while not self.budget.fits(draft.ceiling_with(ceiling_usd)):
            if draft.items:
                self._send(draft, worklist)
                draft = _Draft()
            elif self.ledger.parts:
                self.results.collect()
            else:
                raise self.budget.exceeded(ceiling_usd)
        return draft

    def _send(self, draft: _Draft, worklist: Worklist) -> None:
        """Submit a part. When it was refused for the moment or never arrived, submit it again under another nonce."""
        if not draft.items:
            return
        waits = self.retry.waits()
        for _ in range(self.retry.patience):
            wait = next(waits)
            try:
                if self._submit(draft, worklist):
                    return
            except ClaudeError as error:
                if error.fatal or error.permanent:
                    raise RunStopped(str(error)) from None
                busy, wait, reason = error.status == 429, wait if error.wait is None else error.wait, str(error)
                self.say(f"The batch was not taken: {reason}.")
                if busy and any(part.batch for part in self.ledger.parts.values()):
                    self.results.collect()  # the service's queue is full of our own batches
                    continue
            self.retry.sleep(wait)
        raise RunStopped(
            "the service has not taken a batch in several attempts; run again later: finished rows are kept"
        )

    def _submit(self, draft: _Draft, worklist: Worklist) -> bool:
        """Whether the service has the batch; False when it never arrived and may be submitted again."""
        nonce, keys = secrets.token_hex(6), [item.key for item in draft.items]
        since = self.lookup.newest()
        entry = {"event": "submitting", "nonce": nonce, "model": worklist.model, "keys": keys}
        self.ledger.add(entry | {"ceiling": draft.row_ceiling_usd, "since": since})
        try:
            batch = self._create(nonce, keys, draft.requests)
        except ClaudeError as error:
            if not error.doubt:
                self.ledger.add({"event": "refused", "nonce": nonce, "why": str(error)})
                raise
            self.say(f"It is not clear whether the service has the batch ({error}). Looking it up.")
            return self.lookup.find(self.ledger.parts[nonce])
        self.ledger.add({"event": "submitted", "nonce": nonce, "batch": batch.id})
        self.say(f"Batch {batch.id}: {len(keys)} rows submitted.")
        return True

    def _create(self, nonce: str, keys: list[str], requests: list[Request]) -> MessageBatch:
        """Call `batches.create` without the SDK's retries."""
        rows = [
            {"custom_id": f"{nonce}-{key}", "params": request.params}
            for key, request in zip(keys, requests, strict=True)
        ]
        create = self.client.with_options(max_retries=0).messages.batches.create
        batch = call(self.client, create, MessageBatch, requests=rows)
        if not batch.id:
            raise ClaudeError("the batch has no id", fatal=False, doubt=True)
        return batch


class _Draft:
    """A part that is being filled."""

    def __init__(self):
        self.items: list[WorkItem] = []
        self.requests: list[Request] = []
        self.size, self.row_ceiling_usd = 0, 0.0

    def add(self, item: WorkItem, request: Request, ceiling_usd: float) -> None:
        self.items.append(item)
        self.requests.append(request)
        self.size, self.row_ceiling_usd = self.size + request.size, max(self.row_ceiling_usd, ceiling_usd)

    def ceiling_with(self, ceiling_usd: float) -> float:
        """Cost ceiling of the part with one more request; every row counts as much as the dearest."""
        return max(self.row_ceiling_usd, ceiling_usd) * (len(self.items) + 1)
