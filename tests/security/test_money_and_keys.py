"""Keys stay where they are put in, and an edited journal gives no money away."""

from __future__ import annotations

import faulthandler
import json
import traceback

import pytest

from aireal.captions.augment import augment
from aireal.captions.claude import client as claude
from aireal.captions.claude.client import make_client
from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL, cost_usd
from aireal.core.journal import Journal
from aireal.core.secrets import export_secrets, without_key
from helpers.claude import KEY, client_of, make_rows, run

REPLY = {"status": "ok", "model": DEFAULT_MODEL, "sentences": {}, "usage": {"output_tokens": 100}, "note": ""}
LINE = {"event": "reply", "key": "k", "model": DEFAULT_MODEL, "reply": REPLY, "usd": 0.01, "ceiling": 0.02}
NO_AMOUNTS = (-1000, -0.01, float("nan"), float("inf"), "1", True)


def ledger(folder, *lines: dict) -> Ledger:
    path = folder / "journal.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Journal(path, keep=False) as journal:
        return Ledger(journal)


@pytest.mark.parametrize("amount", NO_AMOUNTS)
def test_a_line_with_an_amount_that_cannot_be_is_refused(tmp_path, amount):
    part = {"event": "submitting", "nonce": "n", "model": "m", "keys": ["k"], "ceiling": amount, "since": ""}
    asking = {"event": "asking", "key": "k", "model": "m", "ceiling": amount}
    tokens = LINE | {"reply": REPLY | {"usage": {"output_tokens": amount}}}
    for line in (LINE | {"usd": amount}, LINE | {"ceiling": amount}, tokens, part, asking):
        with pytest.raises(ValueError, match="byte 0: a line that this version does not write"):
            ledger(tmp_path, line)


def test_a_reply_is_never_cheaper_than_its_tokens(tmp_path):
    tokens = {"output_tokens": 1_000_000}
    edited = ledger(tmp_path, LINE | {"reply": REPLY | {"usage": tokens}, "usd": 0.0})
    assert edited.spent_usd == cost_usd(tokens, DEFAULT_MODEL) > 0.1
    assert ledger(tmp_path, LINE).spent_usd == 0.01, "a price of its day that was higher stays"
    edited = ledger(tmp_path, LINE | {"reply": REPLY | {"usage": tokens}, "usd": None}, LINE)
    assert edited.spent_usd == cost_usd(tokens, DEFAULT_MODEL) + 0.01, "null is no way around it, nor for later replies"
    assert ledger(tmp_path, LINE | {"reply": REPLY | {"usage": None}, "usd": 0.0}).spent_usd == LINE["ceiling"]
    assert ledger(tmp_path, LINE | {"model": "unpriced", "usd": None}).unpriced


def test_a_rehearsal_leaves_the_journal_of_paid_replies_alone(tmp_path):
    rows, path = make_rows(tmp_path, 1), tmp_path / "captions_journal.jsonl"
    path.write_text(json.dumps({"event": "planned", "rows": 1}) + "\n" + json.dumps(LINE) + "\n")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="perhaps replies that were paid for"):
        augment(rows, "mock", n=1, folder=tmp_path, journal_path=path, max_usd=1)
    assert path.read_bytes() == before
    for _ in range(2):  # a rehearsal may follow a rehearsal
        result = augment(rows, "mock", n=1, folder=tmp_path, journal_path=tmp_path / "mock.jsonl", max_usd=1)
        assert result.author == "mock"


# --- the key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["http://evil.example", "http://10.0.0.1:80/v1", "ftp://x.example", "evil.example", "//x"]
)
def test_the_key_is_not_sent_in_clear(monkeypatch, address):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
    with pytest.raises(ValueError, match="would be sent in clear"):
        make_client(KEY)


def test_another_host_is_named_once(monkeypatch, capsys):
    claude._say_once.cache_clear()
    for address in (
        "https://proxy.example/v1",
        "https://proxy.example/v1",
        "http://127.0.0.1:9",
        "https://api.anthropic.com",
    ):
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        make_client(KEY)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "go to proxy.example (ANTHROPIC_BASE_URL), not to Anthropic" in printed


@pytest.mark.parametrize(
    "quoted", [KEY, KEY[:12], KEY[:-3], "sk-ant-SECRE", "sk-proj-abcd1234", "hf_abcdefgh", f"Bearer {KEY}"]
)
def test_a_quoted_key_is_cut_out_whole_or_shortened(quoted):
    cleaned = without_key(f"invalid key {quoted}... see docs", KEY)
    assert quoted.removeprefix("Bearer ")[:10] not in cleaned
    assert "[key]" in cleaned
    assert without_key("a risk-free task-force of disk-space", KEY) == "a risk-free task-force of disk-space"


@pytest.mark.parametrize("kind", ["401", "403", "500", "close", "garbage", "html", "spend_limit"])
def test_the_key_is_in_no_file_no_output_and_no_traceback_of_a_run_that_fails(tmp_path, capfd, kind):
    rows = make_rows(tmp_path, 2)
    with MockServer([Fault("messages", kind, times=9)]) as server:
        try:
            run(rows, tmp_path, client_of(server), n=1, now=True, say=print)
        except Exception:
            traceback.print_exc()
    output = "".join(capfd.readouterr())
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert KEY not in output
    assert len(files) > 2
    assert not any(KEY.encode() in content for content in files)


def test_the_key_is_in_no_dump_of_a_crash(tmp_path):
    """faulthandler writes names of functions and lines, and no values."""
    client = make_client(KEY, "http://127.0.0.1:9", proxies=False)
    with (tmp_path / "dump").open("w+b") as dump:
        faulthandler.dump_traceback(dump)
        dump.seek(0)
        assert b"test_money_and_keys" in dump.read()
    assert KEY.encode() not in (tmp_path / "dump").read_bytes()
    assert KEY not in repr(client) + str(client)


def test_what_is_said_of_secrets_holds_no_value(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", "hf_secret_token")
    said = "".join(export_secrets())
    assert KEY not in said
    assert "hf_secret" not in said
