"""Replies of Claude: whatever they hold, their usage is kept."""

from __future__ import annotations

from types import SimpleNamespace

import anthropic
import pytest

from aireal.captions.claude.client import describe_fault
from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.reply import from_message, from_result
from aireal.core.journal import Journal


def message(text: str | None, stop: str = "end_turn", **more) -> anthropic.types.Message:
    content = [{"type": "thinking", "thinking": "hm", "signature": "x"}] + (
        [{"type": "text", "text": text}] if text is not None else []
    )
    usage = {"input_tokens": 120, "output_tokens": 45, "cache_read_input_tokens": 1800}
    values = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": stop,
        "usage": usage,
    }
    return anthropic._models.construct_type_unchecked(value=values | more, type_=anthropic.types.Message)


@pytest.mark.parametrize(
    "text, stop, status",
    [
        ('{"ko_1": "가", "en_1": "a"}', "end_turn", "ok"),
        ("not json", "end_turn", "malformed"),
        ("[]", "end_turn", "malformed"),
        ('{"ko_1": 3}', "end_turn", "malformed"),
        ("[" * 100_000, "end_turn", "malformed"),
        (None, "end_turn", "malformed"),
        ('{"ko_1": "가"}', "tool_use", "malformed"),
        ('{"ko_1": "반', "max_tokens", "max_tokens"),
        (None, "refusal", "refusal"),
    ],
)
def test_whatever_a_reply_holds_its_usage_is_kept(text, stop, status):
    reply = from_message(message(text, stop))
    assert reply.status == status
    assert reply.usage["output_tokens"] == 45
    assert reply.usage["cache_read"] == 1800
    assert bool(reply.note) == (status != "ok")


def test_what_is_no_message_has_an_unknown_price():
    assert from_message("<html>").usage is None
    assert from_message(message("x", content=None)).usage is None
    assert from_message(message('{"ko_1": "가"}', usage=None)).usage is None


USED_UP = [
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
]


@pytest.mark.parametrize("message", USED_UP)
def test_used_up_money_that_the_service_calls_an_invalid_request_is_no_fault_of_the_row(message, tmp_path):
    fault = SimpleNamespace(type="invalid_request_error", message=message)
    result = SimpleNamespace(type="errored", error=SimpleNamespace(error=fault, request_id="r"))
    assert from_result(result, None).status == "stopped"
    error = describe_fault(SimpleNamespace(status_code=400, api_message=message))
    assert (error.fatal, error.permanent, error.doubt) == (True, False, False)
    # nor is it in a journal of a version that took it for one
    reply = {"status": "invalid", "model": "m", "sentences": None, "usage": {}, "note": f"refused ({message})"}
    line = {"event": "reply", "key": "k", "model": "m", "reply": reply, "usd": 0.0, "ceiling": 0.01}
    with Journal(tmp_path / "journal.jsonl", keep=False) as journal:
        journal.add(line)
        assert Ledger(journal).reply("k", "m") is None
