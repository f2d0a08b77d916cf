"""The service behind the mock server: the state of its batches, and an answer to each route."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aireal.captions.claude.prices import MODELS

from . import author
from .faults import LIES, Fault, Faults
from .records import (
    Batch,
    batch_record,
    caches_an_hour,
    failed_result,
    message_record,
    model_record,
    request_tokens,
    usage_record,
)

_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Refused(Exception):
    """A request that the service refuses: a kind of `faults.STATUSES`, and a message instead of the kind's own."""

    def __init__(self, kind: str, message: str = ""):
        self.kind, self.message = kind, message


@dataclass
class MockService:
    """Answers requests by the offline grammar. Batches end when they have been retrieved often enough.

    Args:
        faults: what goes wrong, and when.
        polls: how often a batch must be retrieved before it has ended.

    Attributes:
        paid: how often an answer was billed, by custom_id (batches) or message id (messages).
        usage: tokens of all answers.
        url: the address of the server.
    """

    faults: Iterable[Fault] = ()
    polls: int = 1
    paid: Counter = field(default_factory=Counter)
    usage: Counter = field(default_factory=Counter)
    batches: dict[str, Batch] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self):
        self.pending, self.lock = Faults(self.faults), threading.RLock()
        self._cached = False

    def answer(self, route: str, id_: str, query: dict[str, str], body: dict) -> Any:
        """The answer of a route: JSON, or lines for 'results'.

        Args:
            id_: of the batch or model in the path; empty where there is none.

        Raises:
            Refused: the request is not acceptable.
        """
        with self.lock:
            return getattr(self, f"answer_{route}")(id_, query, body)

    # --- messages and models ---

    def answer_messages(self, id_: str, query: dict[str, str], body: dict) -> dict:
        fault = self.pending.strike("row", author.text_of(body))
        kind = fault.kind if fault else ""
        if kind in ("expired", "canceled", "errored", "invalid", "billing"):
            raise Refused({"invalid": "400", "billing": "402"}.get(kind, "529"))
        message = self.write_message(body, kind)
        self.paid[message["id"]] += 1
        return message

    def answer_count_tokens(self, id_: str, query: dict[str, str], body: dict) -> dict:
        return {"input_tokens": request_tokens(body)}

    def answer_models(self, id_: str, query: dict[str, str], body: dict) -> dict:
        models = [model_record(name) for name in MODELS["models"]]
        return {"data": models, "has_more": False, "first_id": models[0]["id"], "last_id": models[-1]["id"]}

    def answer_model(self, id_: str, query: dict[str, str], body: dict) -> dict:
        if id_ not in MODELS["models"]:
            raise Refused("404", f"model: {id_}")
        return model_record(id_)

    # --- batches ---

    def answer_create(self, id_: str, query: dict[str, str], body: dict) -> dict:
        ids = [row["custom_id"] for row in body["requests"]]
        if not ids or len(set(ids)) != len(ids) or not all(_CUSTOM_ID.fullmatch(name) for name in ids):
            raise Refused("400", "custom_id: must be unique, 1 to 64 of [A-Za-z0-9_-]")
        batch = Batch(f"msgbatch_{len(self.batches) + 1:05d}", datetime.now(UTC))
        for row in body["requests"]:
            result = self._result(row["custom_id"], row["params"])
            line = json.dumps({"custom_id": row["custom_id"], "result": result}, ensure_ascii=False)
            batch.counts[result["type"]] += 1
            batch.rows.append(line.encode())
        batch.rows.reverse()  # results come in no order
        self.batches[batch.id] = batch
        return self.show_batch(batch)

    def answer_list(self, id_: str, query: dict[str, str], body: dict) -> dict:
        newest_first = list(self.batches.values())[::-1]
        names = [batch.id for batch in newest_first]
        begin = names.index(query["after_id"]) + 1 if query.get("after_id") in names else 0
        page = newest_first[begin : begin + int(query.get("limit", 20))]
        more = begin + len(page) < len(names)
        ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
        return {"data": [self.show_batch(batch) for batch in page], "has_more": more, **ends}

    def answer_retrieve(self, id_: str, query: dict[str, str], body: dict) -> dict:
        batch = self._batch(id_)
        batch.polls += 1
        return self.show_batch(batch)

    def answer_cancel(self, id_: str, query: dict[str, str], body: dict) -> dict:
        batch = self._batch(id_)
        batch.canceled = True
        return self.show_batch(batch)

    def answer_results(self, id_: str, query: dict[str, str], body: dict) -> list[bytes]:
        return self._batch(id_).rows

    def _batch(self, id_: str) -> Batch:
        if id_ not in self.batches:
            raise Refused("404", f"batch: {id_}")
        return self.batches[id_]

    def show_batch(self, batch: Batch) -> dict:
        """The JSON of a batch."""
        return batch_record(batch, batch.polls > self.polls, self.url)

    def _result(self, custom_id: str, params: dict) -> dict:
        """The result of one row of a batch."""
        fault = self.pending.strike("row", author.text_of(params))
        kind = fault.kind if fault else ""
        if result := failed_result(kind):
            return result
        message = self.write_message(params, kind)
        self.paid[custom_id] += 1
        return {"type": "succeeded", "message": message}

    # --- answers ---

    def write_message(self, params: dict, kind: str) -> dict:
        """The message that answers a request; a `kind` of fault spoils it."""
        try:
            text = json.dumps(author.write(params, kind if kind in (*LIES, "few") else ""), ensure_ascii=False)
        except ValueError as error:
            raise Refused("400", str(error)) from None
        text = {"refusal": "", "max_tokens": text[: len(text) // 2], "malformed": text[:-5] + "oops"}.get(kind, text)
        output_tokens = params["max_tokens"]
        if kind != "max_tokens":
            output_tokens = min(output_tokens, 20 + len(text) // 2)
        return message_record(params, text, kind, self._count(params, output_tokens))

    def _count(self, params: dict, output_tokens: int) -> dict:
        """The usage of one answer, which is added to `usage`. The first answer writes the rules to the cache."""
        usage = usage_record(params, output_tokens, self._cached)
        self._cached = True
        written = usage["cache_creation_input_tokens"]
        self.usage.update({name: count for name, count in usage.items() if isinstance(count, int)})
        self.usage.update({"messages": 1, "cache_write_1h" if caches_an_hour(params) else "cache_write_5m": written})
        return usage
