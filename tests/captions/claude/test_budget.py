"""What it costs: by hand, before it is spent, and never more than was allowed."""

from __future__ import annotations

import json
import re

import anthropic
import pytest

from aireal.captions.augment import Plan, dry_run
from aireal.captions.claude.batches import BatchLimits
from aireal.captions.claude.budget import Budget, TokenCeiling
from aireal.captions.claude.ledger import Ledger
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.prices import MODELS, cost_usd, usage_of
from aireal.captions.claude.reply import Reply
from aireal.captions.claude.request import Question, build_request
from aireal.core.journal import Journal
from helpers.claude import QUICK, Killed, Life, client_of, make_rows, paid, run

HAIKU = "claude-haiku-5-5"


def bill(server: MockServer, batch: bool = True, model: str = HAIKU) -> float:
    """What the server has earned, by its own count."""
    usage = server.usage
    tokens = {
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "cache_read": usage["cache_read_input_tokens"],
        "cache_write_5m": usage["cache_write_5m"],
        "cache_write_1h": usage["cache_write_1h"],
    }
    return cost_usd(tokens, model, batch)


def test_cost_on_a_case_done_by_hand():
    usage = {
        "input_tokens": 1_000_000,
        "output_tokens": 100_000,
        "cache_write_5m": 2_000,
        "cache_write_1h": 1_000,
        "cache_read": 300_000,
    }
    assert cost_usd(usage, HAIKU) == pytest.approx(0.10 + 0.05 + 0.00025 + 0.0002 + 0.003)
    assert cost_usd(usage, HAIKU, batch=True) == pytest.approx(0.5 * cost_usd(usage, HAIKU))
    assert cost_usd(usage, "claude-unheard-of") is None


@pytest.mark.parametrize(
    "usage, write_5m, write_1h",
    [
        ({"cache_creation_input_tokens": 9}, 0, 9),
        ({}, 0, 0),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            },
            4,
            5,
        ),
        ({"cache_creation_input_tokens": None, "cache_creation": None, "cache_read_input_tokens": None}, 0, 0),
    ],
)
def test_cache_writes_of_an_untold_kind_count_as_the_dearer(usage, write_5m, write_1h):
    values = {"content": [], "usage": {"input_tokens": 1, "output_tokens": 2, **usage}}
    counts = usage_of(anthropic._models.construct_type_unchecked(value=values, type_=anthropic.types.Message))
    assert (counts["cache_write_5m"], counts["cache_write_1h"], counts["input_tokens"], counts["output_tokens"]) == (
        write_5m,
        write_1h,
        1,
        2,
    )


@pytest.mark.parametrize("now", [False, True])
def test_the_books_agree_with_the_bill(tmp_path, now):
    rows = make_rows(tmp_path, 5)
    with MockServer(
        [Fault("row", "wrong_number", times=2), Fault("row", "max_tokens", skip=3), Fault("row", "refusal", skip=5)]
    ) as server:
        result = run(rows, tmp_path, client_of(server), now=now)
        assert result.cost_usd == pytest.approx(bill(server, not now))
    cost = json.loads((tmp_path / "out/data_answer_add.cost.json").read_text("utf-8"))
    assert cost["usd"] == pytest.approx(result.cost_usd, abs=1e-6)
    assert cost["prices"]["dated"] == MODELS["dated"]
    assert (
        cost["models"][HAIKU]["replies"]
        == sum(server.paid.values())
        == sum(place["replies"] for place in cost["places"])
    )
    assert {place["batch"] for place in cost["places"]} == ({None} if now else set(server.batches))


@pytest.mark.parametrize("counted", [True, False])
def test_no_row_can_cost_more_than_its_ceiling(tmp_path, counted):
    rows = make_rows(tmp_path, 4, side=700)
    with MockServer() as server:
        client = client_of(server)
        for row in rows:
            request = build_request(row, tmp_path / row.overlay, Question.first(4), HAIKU, "1h")
            arguments = {name: request.params[name] for name in ("model", "system", "messages", "output_config")}
            count = client.messages.count_tokens(**arguments).input_tokens
            ceiling = TokenCeiling(HAIKU, True, count if counted else None)
            worst = cost_usd({"cache_write_1h": count, "output_tokens": request.params["max_tokens"]}, HAIKU, True)
            assert worst <= ceiling.ceiling_usd(request) < 3 * worst


@pytest.mark.fault(
    "network",
    "the limit on cost is reached",
    "the run stops: raise --max-usd",
    "what was paid for; a raised limit goes on",
)
@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    "faults",
    [[], [Fault("row", "wrong_class", times=99)], [Fault("row", "max_tokens", times=9)]],
    ids=["good", "lies", "long"],
)
def test_a_limit_is_never_exceeded_and_a_raised_one_goes_on(tmp_path, monkeypatch, now, faults):
    rows = make_rows(tmp_path, 8)
    with MockServer(faults) as server:
        for limit in (0.0, 0.001, 0.003, 0.006):
            result = run(rows, tmp_path, client_of(server), max_usd=limit, now=now)
            assert bill(server, not now) <= limit
            assert "raise --max-usd" in result.stopped or result.missing == []
            assert limit > 0 or "leaves $0.0000" in result.stopped
        result = run(rows, tmp_path, client_of(server), max_usd=1.0, now=now)
        assert result.stopped == ""
        assert result.missing == []
        assert max(paid(server).values()) == 1


def test_a_limit_that_does_not_allow_all_at_once_is_used_in_smaller_parts(tmp_path):
    rows = make_rows(tmp_path, 8)
    with MockServer() as server:
        result = run(rows, tmp_path, client_of(server), max_usd=0.005)
    assert result.complete
    assert len(server.batches) > 1
    assert bill(server) < 0.005


def test_plain_messages_that_may_have_been_paid_count_as_paid(tmp_path, monkeypatch):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("messages", "lost", times=99)]) as server:
        result = run(rows, tmp_path, client_of(server), max_usd=0.01, now=True)
        assert not result.complete
        assert result.sentences == 0
        assert 0 < bill(server, batch=False) <= result.cost["in_doubt_usd"] <= 0.01


@pytest.mark.fault(
    "processes",
    "a kill while Claude answers",
    "",
    "the question counts at the most that it can cost, so that the limit holds",
)
def test_a_plain_question_of_a_killed_run_counts_at_its_ceiling(tmp_path, monkeypatch):
    rows = make_rows(tmp_path, 1)
    with MockServer() as server, monkeypatch.context() as patch:
        life = Life(patch, 8)
        with pytest.raises(Killed):
            run(rows, tmp_path, client_of(server, life.transport()), now=True)
        patch.undo()
        with Journal(tmp_path / "journal.jsonl", keep=False) as journal:
            assert Ledger(journal).doubt_usd > bill(server, batch=False)


def test_a_reply_dearer_than_its_ceiling_raises_those_that_follow(tmp_path):
    with Journal(tmp_path / "j.jsonl", keep=False) as journal:
        ledger = Ledger(journal)
        budget = Budget(1.0, HAIKU, ledger)
        assert budget.fits(0.9)
        usage = {"input_tokens": 2_000_000}
        ledger.add(ledger.entry("k", Reply("ok", HAIKU, {}, usage), HAIKU, ceiling_usd=0.1))
        assert ledger.spent_usd == pytest.approx(0.2)
        assert budget.fits(0.39)
        assert not budget.fits(0.41)


@pytest.mark.parametrize(
    "limit, model, word",
    [(-1.0, HAIKU, "makes no sense"), (float("nan"), HAIKU, "makes no sense"), (1.0, "claude-new", "no price")],
)
def test_a_limit_that_cannot_be_kept_is_refused(tmp_path, limit, model, word):
    rows = make_rows(tmp_path)
    with MockServer() as server, pytest.raises(ValueError, match=word):
        run(rows, tmp_path, client_of(server), max_usd=limit, model=model)


def test_a_model_without_a_price_may_be_used_with_a_yes_and_its_cost_is_unknown(tmp_path, monkeypatch):
    rows = make_rows(tmp_path)
    with MockServer() as server:
        server.answer_model = lambda id_, query, body: {
            "id": id_,
            "type": "model",
            "lifecycle": "active",
            "created_at": "2026-01-01T00:00:00Z",
            "display_name": id_,
        }
        result = run(rows, tmp_path, client_of(server), max_usd=None, yes=True, model="claude-new")
    assert result.complete
    assert result.cost_usd is None
    assert result.usage["output_tokens"] > 0
    assert json.loads((tmp_path / "out/data_answer_add.cost.json").read_text("utf-8"))["usd"] is None


# --- before ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_needs_neither_key_nor_network_and_leaves_nothing_behind(tmp_path, monkeypatch):
    rows, lines = make_rows(tmp_path, 3), []
    before = sorted(tmp_path.iterdir())
    estimate = dry_run(
        rows, Plan("auto", 2, folder=tmp_path, journal_path=tmp_path / "journal.jsonl", say=lines.append)
    )
    assert sorted(tmp_path.iterdir()) == before
    assert (estimate.rows, estimate.counted) == (3, False)
    assert 0 < estimate.low < estimate.once < estimate.ceiling
    assert "by formula" in lines[-1]
    assert re.search(r"3 rows.*\$[\d.]+ \(low\).*ceiling", lines[-1])
    assert "No ANTHROPIC_API_KEY" in lines[0]


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("row", "max_tokens", times=6)],
        [
            *(
                Fault("row", kind, about=f'"{number}%"')
                for number in ("60.01", "60.14", "60.27")
                for kind in ("max_tokens", "malformed")
            ),
            Fault("row", "wrong_class", times=99),
        ],
    ],
    ids=["good", "long", "worst"],
)
def test_what_is_said_beforehand_holds(tmp_path, now, faults):
    rows = make_rows(tmp_path, 3)
    with MockServer(faults) as server:
        client = client_of(server)
        plan = Plan(
            "claude", 2, folder=tmp_path, journal_path=tmp_path / "journal.jsonl", client=client, now=now, say=str
        )
        estimate = dry_run(rows, plan)
        assert estimate.counted
        assert not server.paid
        run(rows, tmp_path, client, now=now)
        assert bill(server, not now) <= (estimate.ceiling if faults else estimate.once)
        assert dry_run(rows, plan).rows == 0


def test_a_dry_run_counts_only_what_is_still_to_be_asked(tmp_path):
    rows = make_rows(tmp_path, 5)
    with MockServer([Fault("create", "spend_limit", skip=1)]) as server:
        run(rows, tmp_path, client_of(server), batch_limits=BatchLimits(rows=2))
    plan = Plan("auto", 2, folder=tmp_path, journal_path=tmp_path / "journal.jsonl", retry=QUICK, say=str)
    assert dry_run(rows, plan).rows == 3
