"""One reply of Claude: what is kept of it, whether it came by itself or as a row of a batch's results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import anthropic

from .prices import usage_of

FINAL = (
    "ok",
    "malformed",
    "max_tokens",
    "refusal",
    "invalid",
)  # statuses that settle a question; after any other it is asked again
_PERMANENT = ("invalid_request_error", "request_too_large")
_STOPS = ("authentication_error", "billing_error", "permission_error", "not_found_error")


@dataclass(frozen=True)
class Reply:
    """`status` is ok, malformed (no JSON as asked for), max_tokens (cut off), refusal, invalid (the request was refused for good), or one
    that settles nothing: expired, canceled, errored (a fault of the service), stopped (of key, credit or model: the next would fail too).

    `sentences` by field name; `usage` counts tokens, None when it could not be read although the reply may have cost something.
    """

    status: str
    model: str = ""
    sentences: dict[str, str] | None = None
    usage: dict[str, int] | None = None
    request_id: str = ""
    note: str = ""


def from_message(message: Any, request_id: str | None = None) -> Reply:
    """Read a message; whatever it holds instead of what was asked for, its usage is kept."""
    if not isinstance(message, anthropic.types.Message) or not isinstance(message.content, list):
        return Reply("malformed", request_id=request_id or "", note="the reply is no message")
    told = {
        "model": str(message.model),
        "usage": usage_of(message) if message.usage else None,
        "request_id": str(request_id or message.id or ""),
    }
    if message.stop_reason == "refusal":
        category = getattr(getattr(message, "stop_details", None), "category", None) or "no category given"
        return Reply("refusal", **told, note=f"Claude refused ({category})")
    if message.stop_reason == "max_tokens":
        return Reply("max_tokens", **told, note="the reply was cut off at its token limit")
    text = next((block.text for block in message.content if getattr(block, "type", None) == "text"), None)
    if message.stop_reason != "end_turn" or not isinstance(text, str):
        return Reply("malformed", **told, note=f"no finished text (stop reason {message.stop_reason})")
    sentences = _sentences(text)
    if not sentences:
        return Reply("malformed", **told, note="the reply is not of the form that was asked for")
    return Reply("ok", **told, sentences=sentences)


def _sentences(text: str) -> dict[str, str]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    pairs = answer.items() if isinstance(answer, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str) and len(name) < 10}


def from_result(result: Any, key: str | None) -> Reply:
    """Read the `result` of a row of a batch's results. `key` is taken out of what the service tells."""
    kind = getattr(result, "type", None)
    if kind == "succeeded":
        return from_message(getattr(result, "message", None))
    if kind in ("expired", "canceled"):
        return Reply(kind, usage={}, note=f"the batch ended before this row was done ({kind})")
    fault = getattr(getattr(result, "error", None), "error", None)
    type_, told = str(getattr(fault, "type", "")), str(getattr(fault, "message", ""))
    told = " ".join((told.replace(key, "[key]") if key else told).split())[:300]
    status = (
        "invalid"
        if type_ in _PERMANENT
        else "stopped"
        if type_ in _STOPS or "spend_limit" in str(getattr(fault, "details", ""))
        else "errored"
    )
    return Reply(
        status,
        usage={},
        request_id=str(getattr(getattr(result, "error", None), "request_id", None) or ""),
        note=f"{type_ or kind}: {told}",
    )
