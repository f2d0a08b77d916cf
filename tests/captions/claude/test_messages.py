"""Claude by plain messages, and permission to spend."""

from __future__ import annotations

import json

import pytest

from aireal.captions import plan
from aireal.captions.augment import Plan, augment
from aireal.captions.claude import client as claude
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL
from helpers.claude import QUICK, client_of, events, make_rows, run, tables


def test_plain_messages_bring_the_same_table_as_batches(tmp_path):
    rows = make_rows(tmp_path, 7)
    lies = [
        Fault("row", "wrong_class", about='"60.27%"'),
        Fault("row", "max_tokens", about='"60.40%"'),
        Fault("row", "malformed", about='"60.53%"'),
    ]
    with MockServer(lies) as server:
        assert run(rows, tmp_path, client_of(server), now=True).complete
    now = tables(tmp_path)[2].decode()
    (tmp_path / "journal.jsonl").unlink()
    with MockServer(lies) as server:
        assert run(rows, tmp_path, client_of(server)).complete
    sentences = [
        [(row["image"], row["sentence"], row["prompt_hash"]) for row in map(json.loads, text.splitlines())]
        for text in (now, tables(tmp_path)[2].decode())
    ]
    assert sentences[0] == sentences[1]


def test_batches_and_plain_messages_share_a_journal(tmp_path):
    rows = make_rows(tmp_path, 2)
    with MockServer() as server:
        run(rows[:1], tmp_path, client_of(server))
        run(rows, tmp_path, client_of(server), now=True)
        assert [route for route, _ in server.calls].count("messages") == 1
        run(rows, tmp_path, client_of(server))
        assert len(server.batches) == 1


@pytest.mark.fault(
    "network",
    "time-outs, cut answers and overload while Claude is asked directly",
    "",
    "asked again until it answers; what may have been paid is counted",
)
@pytest.mark.parametrize("kind", ["429", "500", "529", "close", "cut", "garbage", "html", "timeout"])
def test_plain_messages_that_fail_for_the_moment_are_asked_again(tmp_path, kind):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("messages", kind, times=2, seconds=0.3, headers={"retry-after-ms": "5"})]) as server:
        result = run(rows, tmp_path, client_of(server, timeout=0.2 if kind == "timeout" else 20), now=True)
    assert result.complete, result.stopped
    doubted = events(tmp_path)["doubt"]
    assert doubted == (0 if kind == "429" else 2)
    assert (result.cost["in_doubt_usd"] > 0) == bool(doubted)


@pytest.mark.fault(
    "network",
    "the key, the credit or the spend limit ends while Claude is asked directly",
    "the key is not valid, there is no credit, or the spend limit is reached",
    "what came; the rest is asked by the next run, and nothing is paid twice",
)
@pytest.mark.parametrize(
    "kind, word", [("401", "key is not valid"), ("spend_limit", "spend limit"), ("402", "no credit")]
)
def test_plain_messages_stop_at_what_every_other_would_meet_and_keep_what_came(tmp_path, kind, word):
    rows = make_rows(tmp_path, 9)
    with MockServer([Fault("messages", kind, skip=2)]) as server:
        result = run(rows, tmp_path, client_of(server), now=True)
        assert word in result.stopped
        assert 0 < len(result.missing) < 9
        assert run(rows, tmp_path, client_of(server), now=True).complete
        assert len(server.paid) == 9
        assert max(server.paid.values()) == 1


@pytest.mark.fault("network", "no connection to Claude", "... cannot be reached", "all rows wait for the next run")
def test_a_server_that_is_not_there_stops_the_run_with_one_sentence(tmp_path):
    rows = make_rows(tmp_path, 2)
    with MockServer() as server:
        client = client_of(server)
    result = run(rows, tmp_path, client)
    assert "cannot be reached" in result.stopped
    assert result.missing == [row.image for row in rows]


def test_claude_spends_nothing_without_a_limit_or_a_yes(tmp_path):
    rows = make_rows(tmp_path)
    with MockServer() as server:
        with pytest.raises(ValueError, match="--max-usd.*--yes"):
            augment(
                rows, "claude", 1, folder=tmp_path, journal_path=tmp_path / "j.jsonl", client=client_of(server), say=str
            )
        assert server.calls == []
        result = augment(
            rows,
            "claude",
            1,
            folder=tmp_path,
            journal_path=tmp_path / "j.jsonl",
            client=client_of(server),
            say=str,
            yes=True,
            retry=QUICK,
        )
    assert {row.author for row in result.rows} == {"base", DEFAULT_MODEL}
    assert len(result.rows) == 4
    assert all(bool(row.request_id) == bool(row.prompt_hash) == (row.author != "base") for row in result.rows)
    assert claude.KEY == "ANTHROPIC_API_KEY"


@pytest.mark.parametrize("below, route", [(4, "messages"), (3, "create")])
def test_a_small_table_is_asked_at_once_and_a_large_one_by_batches(tmp_path, monkeypatch, below, route):
    monkeypatch.setattr(plan, "NOW_BELOW", below)
    lines: list[str] = []
    with MockServer() as server:
        assert run(make_rows(tmp_path, 3), tmp_path, client_of(server), now=None, say=lines.append).complete
    assert {"messages", "create"} & {name for name, _ in server.calls} == {route}
    assert "half" in lines[0], "the price of the other way is said"


def test_a_batch_under_way_is_read_to_its_end_by_batches():
    assert Plan().with_way(3, batch_under_way=True).now is False
    assert Plan(now=True).with_way(10**6, batch_under_way=True).now is True
