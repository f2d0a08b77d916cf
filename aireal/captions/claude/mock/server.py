"""The server: Messages, Batches, models and count_tokens on loopback, by the standard library, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aireal.captions.claude.prices import MODELS

from . import author
from .faults import LIES, STATUSES, Fault, Faults

_ROUTES = (
    ("POST", r"/v1/messages/count_tokens", "count_tokens"),
    ("POST", r"/v1/messages/batches", "create"),
    ("GET", r"/v1/messages/batches", "list"),
    ("POST", r"/v1/messages/batches/(\w+)/cancel", "cancel"),
    ("GET", r"/v1/messages/batches/(\w+)/results", "results"),
    ("GET", r"/v1/messages/batches/(\w+)", "retrieve"),
    ("POST", r"/v1/messages", "messages"),
    ("GET", r"/v1/models", "models"),
    ("GET", r"/v1/models/([\w.-]+)", "model"),
)
_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


class Refused(Exception):
    """A request that the service refuses: the kind of `STATUSES`, or a sentence for an invalid one."""

    def __init__(self, kind: str, said: str = ""):
        self.kind, self.said = kind, said


@dataclass
class Batch:
    id: str
    created: datetime
    rows: list[bytes]  # the results, a line each
    counts: Counter
    looks: int = 0  # how often it has been looked at
    canceled: bool = False


@dataclass
class MockServer:
    """Runs in a thread, as a context manager; `url` is where.

    Args:
        faults: what goes wrong, and when.
        looks: how often a batch must be looked at until it has ended.
        port: 0 takes a free one.

    `calls` lists (route, headers) of every request, `paid` counts by custom_id (batches) or request id (messages) how often an answer was
    billed, `usage` the tokens of all answers.
    """

    faults: Iterable[Fault] = ()
    looks: int = 1
    port: int = 0
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    paid: Counter = field(default_factory=Counter)
    usage: Counter = field(default_factory=Counter)
    batches: dict[str, Batch] = field(default_factory=dict)

    def __post_init__(self):
        self.pending, self.lock = Faults(self.faults), threading.RLock()
        self._cached = False

    def __enter__(self) -> MockServer:
        self.http = _Http(("127.0.0.1", self.port), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    # --- routes: path's id, query and body in, JSON (or lines) out ---

    def answer(self, route: str, id_: str, query: dict[str, str], body: dict) -> Any:
        with self.lock:
            return getattr(self, f"_{route}")(id_, query, body)

    def _messages(self, id_: str, query: dict[str, str], body: dict) -> dict:
        fault = self.pending.strike("row", author.text_of(body))
        kind = fault.kind if fault else ""
        if kind in ("expired", "canceled", "errored", "invalid", "billing"):
            raise Refused({"invalid": "400", "billing": "402"}.get(kind, "529"))
        message = self._message(body, kind)
        self.paid[message["id"]] += 1
        return message

    def _count_tokens(self, id_: str, query: dict[str, str], body: dict) -> dict:
        return {"input_tokens": _tokens_in(body)}

    def _models(self, id_: str, query: dict[str, str], body: dict) -> dict:
        models = [_model(name) for name in MODELS["models"]]
        return {"data": models, "has_more": False, "first_id": models[0]["id"], "last_id": models[-1]["id"]}

    def _model(self, id_: str, query: dict[str, str], body: dict) -> dict:
        if id_ not in MODELS["models"]:
            raise Refused("404", f"model: {id_}")
        return _model(id_)

    def _create(self, id_: str, query: dict[str, str], body: dict) -> dict:
        ids = [row["custom_id"] for row in body["requests"]]
        if not ids or len(set(ids)) != len(ids) or not all(_CUSTOM_ID.fullmatch(name) for name in ids):
            raise Refused("400", "custom_id: must be unique, 1 to 64 of [A-Za-z0-9_-]")
        batch = Batch(f"msgbatch_{len(self.batches) + 1:05d}", datetime.now(UTC), [], Counter())
        for row in body["requests"]:
            kind, line = self._row(row["custom_id"], row["params"])
            batch.counts[kind] += 1
            batch.rows.append(line)
        batch.rows.reverse()  # results come in no order
        self.batches[batch.id] = batch
        return self._told(batch)

    def _list(self, id_: str, query: dict[str, str], body: dict) -> dict:
        newest_first = list(self.batches.values())[::-1]
        names = [batch.id for batch in newest_first]
        begin = names.index(query["after_id"]) + 1 if query.get("after_id") in names else 0
        page = newest_first[begin : begin + int(query.get("limit", 20))]
        more = begin + len(page) < len(names)
        ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
        return {"data": [self._told(batch) for batch in page], "has_more": more, **ends}

    def _retrieve(self, id_: str, query: dict[str, str], body: dict) -> dict:
        batch = self._known(id_)
        batch.looks += 1
        return self._told(batch)

    def _cancel(self, id_: str, query: dict[str, str], body: dict) -> dict:
        batch = self._known(id_)
        batch.canceled = True
        return self._told(batch)

    def _results(self, id_: str, query: dict[str, str], body: dict) -> list[bytes]:
        return self._known(id_).rows

    def _known(self, id_: str) -> Batch:
        if id_ not in self.batches:
            raise Refused("404", f"batch: {id_}")
        return self.batches[id_]

    # --- what they are made of ---

    def _told(self, batch: Batch) -> dict:
        ended = batch.looks > self.looks
        counts = batch.counts if ended else {"processing": len(batch.rows)}
        status = "ended" if ended else "canceling" if batch.canceled else "in_progress"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {name: counts.get(name, 0) for name in _COUNTS},
            "created_at": batch.created.isoformat(),
            "expires_at": (batch.created + timedelta(days=1)).isoformat(),
            "ended_at": datetime.now(UTC).isoformat() if ended else None,
            "cancel_initiated_at": None,
            "archived_at": None,
            "results_url": f"{self.url}/v1/messages/batches/{batch.id}/results" if ended else None,
        }

    def _row(self, custom_id: str, params: dict) -> tuple[str, bytes]:
        fault = self.pending.strike("row", author.text_of(params))
        kind, told = (
            fault.kind if fault else "",
            {"errored": "overloaded_error", "invalid": "invalid_request_error", "billing": "billing_error"},
        )
        if kind in ("expired", "canceled"):
            result = {"type": kind}
        elif kind in told:
            result = {
                "type": "errored",
                "error": {"type": "error", "error": {"type": told[kind], "message": kind}, "request_id": "req_row"},
            }
        else:
            result = {"type": "succeeded", "message": self._message(params, kind)}
            self.paid[custom_id] += 1
        return result["type"], json.dumps({"custom_id": custom_id, "result": result}, ensure_ascii=False).encode()

    def _message(self, params: dict, kind: str) -> dict:
        try:
            text = json.dumps(author.write(params, kind if kind in (*LIES, "few") else ""), ensure_ascii=False)
        except ValueError as error:
            raise Refused("400", str(error)) from None
        stop = kind if kind in ("refusal", "max_tokens") else "end_turn"
        text = {"refusal": "", "max_tokens": text[: len(text) // 2], "malformed": text[:-5] + "oops"}.get(kind, text)
        content = [{"type": "thinking", "thinking": "", "signature": "x"}] + (
            [{"type": "text", "text": text}] if text else []
        )
        details = (
            {"type": "refusal", "category": "general_harms", "explanation": "asked for"} if kind == "refusal" else None
        )
        out = min(params["max_tokens"], 20 + len(text) // 2) if stop != "max_tokens" else params["max_tokens"]
        name = f"msg_{hashlib.sha256(repr(params).encode()).hexdigest()[:24]}"  # by what was asked, so that runs can be compared
        return {
            "id": name,
            "type": "message",
            "role": "assistant",
            "model": params["model"],
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "stop_details": details,
            "usage": self._usage(params, out),
        }

    def _usage(self, params: dict, out: int) -> dict:
        """Tokens of one answer; the rules in the system prompt are written to the cache once and read from it afterwards."""
        rules = sum(_tokens_text(block["text"]) for block in params.get("system", ()))
        written, read = (0, rules) if self._cached else (rules, 0)
        self._cached = True
        hour = params["system"][0].get("cache_control", {}).get("ttl") == "1h" if rules else False
        told = {
            "input_tokens": _tokens_in(params) - rules,
            "output_tokens": out,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
        }
        self.usage.update(told | {"messages": 1, "cache_write_1h" if hour else "cache_write_5m": written})
        split = {
            "ephemeral_5m_input_tokens": 0 if hour else written,
            "ephemeral_1h_input_tokens": written if hour else 0,
        }
        return told | {"cache_creation": split, "service_tier": "standard"}


def _tokens_text(text: str) -> int:
    return math.ceil(len(text.encode()) * MODELS["assumed"]["tokens_per_byte"])


def _tokens_in(params: dict) -> int:
    """About as many tokens as a request may hold: text by its bytes, a picture 400."""
    blocks = [*params.get("system", ()), *(block for message in params["messages"] for block in message["content"])]
    return 50 + sum(400 if block["type"] == "image" else _tokens_text(block["text"]) for block in blocks)


def _model(name: str) -> dict:
    supported = {"supported": True}
    return {
        "id": name,
        "type": "model",
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": {"batch": supported, "image_input": supported, "structured_outputs": supported},
    }


# --- HTTP --------------------------------------------------------------------------------------------------------------


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """A client that has gone away is what tests of time-outs are about."""


def _handler(server: MockServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet, or delayed acknowledgements cost 40 ms a call

        def do_GET(self):
            self._serve("GET")

        def do_POST(self):
            self._serve("POST")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path, _, query = self.path.partition("?")
            found = [
                (route, match)
                for verb, pattern, route in _ROUTES
                if verb == method and (match := re.fullmatch(pattern, path))
            ]
            route, match = found[0] if found else ("unknown", None)
            server.calls.append((route, {name.lower(): value for name, value in self.headers.items()}))
            fault = server.pending.strike(route)
            if fault and fault.kind in ("timeout", "close", *STATUSES):
                self._fail(fault)
                return
            status, content, kind = self._answer(route, match, query, body)
            self._give(status, content, kind, fault)

        def _answer(self, route: str, match: re.Match | None, query: str, body: bytes) -> tuple[int, bytes, str]:
            try:
                if not (self.headers.get("authorization") or "").startswith("Bearer "):
                    raise Refused("401")
                if match is None:
                    raise Refused("404")
                pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
                found = server.answer(
                    route, match[1] if match.groups() else "", pairs, json.loads(body) if body else {}
                )
            except Refused as refused:
                return self._error(refused.kind, refused.said)
            if route == "results":
                return 200, b"".join(line + b"\n" for line in found), "application/x-jsonl"
            return 200, json.dumps(found, ensure_ascii=False).encode(), "application/json"

        def _fail(self, fault: Fault) -> None:
            if fault.kind in STATUSES:
                self._give(*self._error(fault.kind), None, fault.headers or {})
                return
            if fault.kind == "timeout":
                time.sleep(fault.seconds)
            self.close_connection = True

        def _error(self, kind: str, said: str = "") -> tuple[int, bytes, str]:
            status, type_, message, code = STATUSES[kind]
            quoted = f" ({self.headers.get('authorization')})" if kind == "401" else ""  # as careless proxies do
            error = {
                "type": type_,
                "message": said or message + quoted,
                **({"details": {"error_code": code}} if code else {}),
            }
            return (
                status,
                json.dumps({"type": "error", "error": error, "request_id": "req_mock"}).encode(),
                "application/json",
            )

        def _give(
            self, status: int, content: bytes, kind: str, fault: Fault | None, headers: dict[str, str] | None = None
        ) -> None:
            what = fault.kind if fault else ""
            if what == "lost":
                self.close_connection = True
                return
            lines = content.splitlines(keepends=True)
            content = {
                "garbage": b"\xff{not json",
                "html": b"<html>login</html>",
                "cut_line": content[:-20],
                "short": b"".join(lines[:-1]),
            }.get(what, content)
            self.send_response(status)
            told = {
                "content-type": "text/html" if what == "html" else kind,
                "content-length": str(len(content)),
                "request-id": f"req_{len(server.calls)}",
            }
            for name, value in (told | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if what == "cut" else content)
            self.close_connection = self.close_connection or what == "cut"

        def log_message(self, *_):
            pass

    return Handler
