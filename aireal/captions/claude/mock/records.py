"""JSON objects in the wire format of Claude's service: messages, batches, results, models, errors and token counts."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aireal.captions.claude.prices import MODELS

from .faults import STATUSES

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_ROW_ERRORS = {"errored": "overloaded_error", "invalid": "invalid_request_error", "billing": "billing_error"}


@dataclass
class Batch:
    """A batch on the server.

    Attributes:
        rows: the results, a line of JSON each.
        counts: results by their type.
        polls: how often a client has retrieved it.
    """

    id: str
    created: datetime
    rows: list[bytes] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    polls: int = 0
    canceled: bool = False


def batch_record(batch: Batch, ended: bool, url: str) -> dict:
    """A batch as the service shows it; `url` is the address of the server."""
    counts = batch.counts if ended else {"processing": len(batch.rows)}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if batch.canceled else "in_progress",
        "request_counts": {name: counts.get(name, 0) for name in _COUNTS},
        "created_at": batch.created.isoformat(),
        "expires_at": (batch.created + timedelta(days=1)).isoformat(),
        "ended_at": datetime.now(UTC).isoformat() if ended else None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": f"{url}/v1/messages/batches/{batch.id}/results" if ended else None,
    }


def failed_result(kind: str) -> dict | None:
    """The result of a batch's row that a fault of this kind strikes; None for kinds that are a message."""
    if kind in ("expired", "canceled"):
        return {"type": kind}
    if kind in _ROW_ERRORS:
        error = {"type": "error", "error": {"type": _ROW_ERRORS[kind], "message": kind}, "request_id": "req_row"}
        return {"type": "errored", "error": error}
    return None


def message_record(params: dict, text: str, kind: str, usage: dict) -> dict:
    """A message that answers a request with `text`. `kind` may be refusal, max_tokens or malformed."""
    content = [{"type": "thinking", "thinking": "", "signature": "x"}]
    if text:
        content.append({"type": "text", "text": text})
    refusal = {"type": "refusal", "category": "general_harms", "explanation": "asked for"}
    return {
        # depends on the request alone, so that runs can be compared
        "id": f"msg_{hashlib.sha256(repr(params).encode()).hexdigest()[:24]}",
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": content,
        "stop_reason": kind if kind in ("refusal", "max_tokens") else "end_turn",
        "stop_sequence": None,
        "stop_details": refusal if kind == "refusal" else None,
        "usage": usage,
    }


def usage_record(params: dict, output_tokens: int, cached: bool) -> dict:
    """Tokens of one answer. The rules in the system prompt are read from the cache, or written to it."""
    rules = rules_tokens(params)
    written, read = (0, rules) if cached else (rules, 0)
    hour = caches_an_hour(params)
    return {
        "input_tokens": request_tokens(params) - rules,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if hour else written,
            "ephemeral_1h_input_tokens": written if hour else 0,
        },
        "service_tier": "standard",
    }


def caches_an_hour(params: dict) -> bool:
    """Whether a request caches its rules for an hour, not five minutes."""
    system = params.get("system", ())
    return bool(system) and system[0].get("cache_control", {}).get("ttl") == "1h"


def rules_tokens(params: dict) -> int:
    """Tokens of the system prompt."""
    return sum(_text_tokens(block["text"]) for block in params.get("system", ()))


def request_tokens(params: dict) -> int:
    """About as many tokens as a request may hold: text by its bytes, a picture 400."""
    blocks = [block for message in params["messages"] for block in message["content"]]
    images = sum(400 if block["type"] == "image" else _text_tokens(block["text"]) for block in blocks)
    return 50 + rules_tokens(params) + images


def _text_tokens(text: str) -> int:
    return math.ceil(len(text.encode()) * MODELS["assumed"]["tokens_per_byte"])


def model_record(name: str) -> dict:
    """A model as the service shows it."""
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


def error_record(kind: str, message: str = "", quoted: str = "") -> tuple[int, dict]:
    """HTTP status and error of a kind of `STATUSES`. A 401 quotes the client's header `quoted`, as some proxies do."""
    status, error_type, default, code = STATUSES[kind]
    error = {"type": error_type, "message": message or default + (f" ({quoted})" if kind == "401" else "")}
    if code:
        error["details"] = {"error_code": code}
    return status, {"type": "error", "error": error, "request_id": "req_mock"}
