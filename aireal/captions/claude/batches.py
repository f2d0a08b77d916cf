"""Questions to Claude by message batches, at half the price: sent in parts, found again when a reply is lost, read until they are whole.

`batches.create` has no idempotency key, so a request that is sent twice is paid twice. Hence it is never retried blindly: the journal
says `submitting` first, and when no clear answer comes (or the run is killed there), the service's list of batches is asked. It
shows no custom_ids, only times and counts. A batch is ours if it is as large as the one that was sent, was made no earlier than the newest
batch before it (by the service's own clock), and its results carry our nonce. Results can be read only when it has ended, so until
then it is waited for; only when the list shows no such batch, twice, is the part sent again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import anthropic
from anthropic.types.messages import MessageBatch

from .budget import Budget, RunStopped, TokenCeiling
from .client import FAULTS, ClaudeError, call
from .ledger import BatchPart, Ledger
from .reply import Reply, from_result
from .request import Request, build_request
from .retry import RetryPolicy
from .worklist import WorkItem, Worklist

PART_BYTES, PART_ROWS = (
    32_000_000,
    1_000,
)  # of one batch. The service takes 256 MB and 100,000; these keep memory flat and a lost upload small
TOGETHER = 100  # results that go to the journal, and so to the disk, at once


class Batches:
    """Asks a run's open questions by batches. `part_rows` and `part_bytes` limit one batch."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        book: Ledger,
        budget: Budget,
        meter: TokenCeiling,
        pace: RetryPolicy,
        say: Callable[[str], None],
        part_rows: int = PART_ROWS,
        part_bytes: int = PART_BYTES,
    ):
        self.client, self.book, self.budget, self.meter, self.pace, self.say = client, book, budget, meter, pace, say
        self.part_rows, self.part_bytes = part_rows, part_bytes
        self.service = client.messages.batches

    def settle(self) -> None:
        """Bring what an earlier run left under way to its end.

        Raises:
            Stop: the service cannot be reached, or it cannot be decided what became of a batch.
        """
        for part in [part for part in self.book.parts.values() if not part.batch]:
            self._find(part)
        self._collect()

    def round(self, work: Worklist) -> int:
        """Ask every question that is open and wait for the answers; how many were asked.

        Raises:
            Stop: the budget, the service or the network does not allow to go on. What was sent before has been waited for if possible.
        """
        asked, part = 0, _Draft()
        try:
            for item in work.open():
                try:
                    request = build_request(item.row, item.overlay, item.ask, work.model, "1h")
                except ValueError as error:
                    work.unusable[item.number] = str(error)
                    continue
                part = self._with_room(part, request, work)
                part.put(item, request, self.meter.ceiling_usd(request))
                asked += 1
            self._send(part, work)
        except RunStopped as stop:
            self.say(
                f"Stopping: {stop}. Waiting for {len(self.book.parts)} batches under way."
            ) if self.book.parts else None
            self._collect()
            raise
        self._collect()
        return asked

    def _with_room(self, part: _Draft, request: Request, work: Worklist) -> _Draft:
        """A part that the request fits into, after sending the full one, and waiting for money to come free."""
        if part.items and (len(part.items) >= self.part_rows or part.size + request.size > self.part_bytes):
            self._send(part, work)
            part = _Draft()
        ceiling = self.meter.ceiling_usd(request)
        while not self.budget.fits(part.cost_with(ceiling)):
            if part.items:
                self._send(part, work)
                part = _Draft()
            elif self.book.parts:
                self._collect()
            else:
                raise self.budget.stop(ceiling)
        return part

    # --- sending ---

    def _send(self, draft: _Draft, work: Worklist) -> None:
        """Submit a part; refused for the moment, or lost without a trace, it is submitted again under another nonce."""
        if not draft.items:
            return
        waits = self.pace.waits()
        for _ in range(self.pace.patience):
            wait = next(waits)
            try:
                if self._submit(draft, work):
                    return
            except ClaudeError as error:
                if error.fatal or error.permanent:
                    raise RunStopped(str(error)) from None
                busy, wait, why = error.status == 429, wait if error.wait is None else error.wait, str(error)
                self.say(f"The batch was not taken: {why}.")
                if busy and any(part.batch for part in self.book.parts.values()):
                    self._collect()  # the service's queue is full of our own
                    continue
            self.pace.sleep(wait)
        raise RunStopped(
            "the service has not taken a batch although it was asked several times; run again later: finished rows are kept"
        )

    def _submit(self, draft: _Draft, work: Worklist) -> bool:
        """Whether the service has the batch; False when it was lost on the way and may be sent again."""
        nonce, keys = secrets.token_hex(6), [item.key for item in draft.items]
        since = self._newest()
        self.book.add(
            {
                "event": "submitting",
                "nonce": nonce,
                "model": work.model,
                "keys": keys,
                "ceiling": draft.each,
                "since": since,
            }
        )
        requests = [
            {"custom_id": f"{nonce}-{key}", "params": request.params}
            for key, request in zip(keys, draft.requests, strict=True)
        ]
        try:
            batch = call(
                self.client,
                self.client.with_options(max_retries=0).messages.batches.create,
                MessageBatch,
                requests=requests,
            )
            if not batch.id:
                raise ClaudeError("the batch has no id", fatal=False, doubt=True)
        except ClaudeError as error:
            if not error.doubt:
                self.book.add({"event": "refused", "nonce": nonce, "why": str(error)})
                raise
            self.say(f"It is not clear whether the service has the batch ({error}). Looking it up.")
            return self._find(self.book.parts[nonce])
        self.book.add({"event": "submitted", "nonce": nonce, "batch": batch.id})
        self.say(f"Batch {batch.id}: {len(keys)} rows submitted.")
        return True

    # --- finding again ---

    def _newest(self) -> str:
        """Time at which the newest of the service's batches was made, by its own clock; empty when there is none."""
        page = call(self.client, self.service.list, limit=20)
        times = [when for batch in getattr(page, "data", None) or [] if (when := _when(batch))]
        return max(times).isoformat() if times else ""

    def _find(self, part: BatchPart) -> bool:
        """Look for a batch whose create brought no answer; whether it was found. The journal is told either way."""
        for look in range(2):
            if look:
                self.pace.sleep(self.pace.settle)  # what has just been made need not be listed yet
            for batch in self.pace.call(lambda: self._candidates(part)):
                if self._is_ours(batch, part):
                    self.book.add({"event": "submitted", "nonce": part.nonce, "batch": batch.id})
                    self.say(f"Batch {batch.id}: found again, {part.size} rows.")
                    return True
        self.book.add({"event": "absent", "nonce": part.nonce})
        return False

    def _candidates(self, part: BatchPart) -> list[MessageBatch]:
        """Batches of the list that may be the part: as large, not older, and none that the journal has; those that have ended first."""
        since = datetime.fromisoformat(part.since) if part.since else None
        known = {other.batch for other in self.book.parts.values()} | {batch for _, batch in self.book.totals}
        listed = call(self.client, lambda: list(self.service.list(limit=100)))
        found = [
            batch
            for batch in listed
            if batch.id not in known
            and _size(batch) == part.size
            and not (since and (when := _when(batch)) and when < since)
        ]
        return sorted(found, key=lambda batch: batch.processing_status != "ended")

    def _is_ours(self, batch: MessageBatch, part: BatchPart) -> bool:
        """Whether a batch's first result carries our nonce; waits for its end.

        Raises:
            Stop: it has no results that could be read.
        """
        self._wait_for(batch.id)
        try:
            first = self.pace.call(lambda: call(self.client, lambda: next(iter(self.service.results(batch.id)), None)))
        except RunStopped:
            first = None
        if first is None:
            raise RunStopped(
                f"it cannot be told whether batch {batch.id} is the one whose submission brought no answer, because its results cannot be read; "
                "run again later: until that is clear, its rows are not sent again"
            )
        return str(first.custom_id).startswith(part.nonce + "-")

    # --- waiting and reading ---

    def _collect(self) -> None:
        """Wait until every batch under way has ended, and bring its results into the journal."""
        waits = self.pace.waits()
        while parts := [part for part in self.book.parts.values() if part.batch]:
            ended = [part for part in parts if self.pace.call(lambda part=part: self._ended(part.batch))]
            for part in ended:
                self._read(part)
            if not ended:
                self.pace.sleep(next(waits))

    def _wait_for(self, batch: str) -> None:
        waits = self.pace.waits()
        while not self.pace.call(lambda: self._ended(batch)):
            self.pace.sleep(next(waits))

    def _ended(self, batch: str) -> MessageBatch | None:
        found = call(self.client, self.service.retrieve, MessageBatch, message_batch_id=batch)
        return found if found.processing_status == "ended" else None

    def _read(self, part: BatchPart) -> None:
        """Bring a batch's results into the journal, in whatever order and however often the stream is cut."""
        waits, vain = self.pace.waits(), 0
        while part.left and vain < self.pace.patience:
            before = len(part.left)
            self._stream(part)
            if part.left and len(part.left) == before:
                if self._gone(part):
                    return
                vain += 1
                self.pace.sleep(next(waits))
        if part.left:
            raise RunStopped(
                f"the results of batch {part.batch} cannot be read to their end, {len(part.left)} rows are missing; run again later: "
                "they are not paid again"
            )
        self.book.add({"event": "done", "nonce": part.nonce})
        self.say(f"Batch {part.batch}: {part.size} results read; spent so far ${self.book.spent_usd:.4f}.")

    def _stream(self, part: BatchPart) -> None:
        """One reading of the results: rows that the journal has are skipped, a fault ends it."""
        found: dict[str, dict] = {}
        try:
            for row in self.service.results(part.batch):
                nonce, _, key = str(getattr(row, "custom_id", "")).partition("-")
                if nonce == part.nonce and key in part.left and key not in found:
                    found[key] = self.book.entry(
                        key,
                        from_result(getattr(row, "result", None), self.client.api_key),
                        part.model,
                        part.each,
                        nonce,
                    )
                if len(found) == TOGETHER:
                    self.book.add(*found.values())
                    found = {}
        except FAULTS:
            pass  # read again, from the start
        if found:
            self.book.add(*found.values())

    def _gone(self, part: BatchPart) -> bool:
        """Whether the service no longer keeps the results (29 days): the rows are then open again, and their ceilings count as spent."""
        batch = self.pace.call(lambda: self._ended(part.batch))
        if batch is None or not batch.archived_at or batch.results_url:
            return False
        self.say(
            f"Batch {part.batch}: its results are no longer kept by the service; {len(part.left)} rows are asked again."
        )
        lost = Reply("lost", note="the results were no longer kept")
        self.book.add(
            *(self.book.entry(key, lost, part.model, part.each, part.nonce) for key in sorted(part.left)),
            {"event": "done", "nonce": part.nonce},
        )
        return True


class _Draft:
    """A part in the making."""

    def __init__(self):
        self.items: list[WorkItem] = []
        self.requests: list[Request] = []
        self.size, self.each = 0, 0.0

    def put(self, item: WorkItem, request: Request, ceiling: float) -> None:
        self.items.append(item)
        self.requests.append(request)
        self.size, self.each = self.size + request.size, max(self.each, ceiling)

    def cost_with(self, ceiling: float) -> float:
        """Ceiling of the whole, were one more request put in; every row counts as dear as the dearest."""
        return max(self.each, ceiling) * (len(self.items) + 1)


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return sum(getattr(counts, name, 0) or 0 for name in ("processing", "succeeded", "errored", "canceled", "expired"))


def _when(batch: MessageBatch) -> datetime | None:
    """When a batch was made; None if that cannot be read, and it may then be any."""
    made = batch.created_at
    if not isinstance(made, datetime):
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)
