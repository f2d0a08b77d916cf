"""One reply of Claude, read from a plain message or from a row of a batch's results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import anthropic

from aireal.core.json_text import parse_json
from aireal.core.secrets import without_key

from .prices import usage_of

FINAL = ("ok", "malformed", "max_tokens", "refusal", "invalid")  # settle a question; others ask it again
_PERMANENT = ("invalid_request_error", "request_too_large")
_STOPS = ("authentication_error", "billing_error", "permission_error", "not_found_error")
# in the service's messages where money is used up, which it calls an invalid request (HTTP 400)
OUT_OF_MONEY = re.compile(r"credit balance|usage limits?|spend(?:ing)? limit", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """What is kept of a reply.

    Attributes:
        status: ok, malformed (not the JSON of the schema), max_tokens (cut off), refusal, invalid (the service refused
            the request for good), or a status that settles nothing: expired, canceled, errored (a fault of the
            service), lost (no longer kept by the service), stopped (key, credit or model: the next request would fail
            too).
        sentences: by field name; None unless the status is ok.
        usage: tokens by kind; None when it could not be read although the reply may have cost something.
        note: why the status is not ok.
    """

    status: str
    model: str = ""
    sentences: dict[str, str] | None = None
    usage: dict[str, int] | None = None
    request_id: str = ""
    note: str = ""


def from_message(message: Any, request_id: str | None = None) -> Reply:
    """Read a message. Its usage is kept whatever its content is."""
    if not isinstance(message, anthropic.types.Message) or not isinstance(message.content, list):
        return Reply("malformed", request_id=request_id or "", note="the reply is no message")
    common = {
        "model": str(message.model),
        "usage": usage_of(message) if message.usage else None,
        "request_id": str(request_id or message.id or ""),
    }
    if message.stop_reason == "refusal":
        category = getattr(getattr(message, "stop_details", None), "category", None) or "no category given"
        return Reply("refusal", **common, note=f"Claude refused ({category})")
    if message.stop_reason == "max_tokens":
        return Reply("max_tokens", **common, note="the reply was cut off at its token limit")
    text = next((block.text for block in message.content if getattr(block, "type", None) == "text"), None)
    if message.stop_reason != "end_turn" or not isinstance(text, str):
        return Reply("malformed", **common, note=f"no finished text (stop reason {message.stop_reason})")
    sentences = _sentences(text)
    if not sentences:
        return Reply("malformed", **common, note="the reply is not of the form of the schema")
    return Reply("ok", **common, sentences=sentences)


def _sentences(text: str) -> dict[str, str]:
    try:
        answer = parse_json(text, utf8=True)
    except ValueError:
        return {}
    pairs = answer.items() if isinstance(answer, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str) and len(name) < 10}


def from_result(result: Any, key: str | None) -> Reply:
    """Read the `result` of a row of a batch's results. The API key is cut out of the service's message."""
    kind = getattr(result, "type", None)
    if kind == "succeeded":
        return from_message(getattr(result, "message", None))
    if kind in ("expired", "canceled"):
        return Reply(kind, usage={}, note=f"the batch ended before this row was done ({kind})")
    fault = getattr(getattr(result, "error", None), "error", None)
    error_type, message = str(getattr(fault, "type", "")), str(getattr(fault, "message", ""))
    message = " ".join(without_key(message, key).split())[:300]
    request_id = str(getattr(getattr(result, "error", None), "request_id", None) or "")
    return Reply(
        _error_status(fault, error_type, message),
        usage={},
        request_id=request_id,
        note=f"{error_type or kind}: {message}",
    )


def _error_status(fault: Any, error_type: str, message: str) -> str:
    if OUT_OF_MONEY.search(message):
        return "stopped"
    if error_type in _PERMANENT:
        return "invalid"
    stops = error_type in _STOPS or "spend_limit" in str(getattr(fault, "details", ""))
    return "stopped" if stops else "errored"
