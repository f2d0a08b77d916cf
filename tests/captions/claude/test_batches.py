"""Claude by message batches: answered in every bad way, and always the same table, each row paid once."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc

import anthropic
import pytest

from aireal.captions import augment as augmenting
from aireal.captions.claude.batches import BatchLimits
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.request import Question, build_request
from aireal.captions.table import read_answers
from aireal.config import REPOSITORY
from helpers import claude
from helpers.claude import KEY, client_of, events, make_rows, paid, tables


def run(*arguments, **plan):
    """A run in small batches."""
    return claude.run(*arguments, **{"batch_limits": BatchLimits(rows=3, results_at_once=2), "sample": 1} | plan)


# --- lost replies ----------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "network", "no network, key or money after a finished run", "", "the same tables are written from the journal"
)
def test_a_finished_run_needs_neither_key_nor_network_nor_money(tmp_path):
    rows = make_rows(tmp_path, 3)
    with MockServer() as server:
        run(rows, tmp_path, client_of(server))
    before = tables(tmp_path)
    again = run(rows, tmp_path, anthropic.Anthropic(api_key="none", base_url="http://127.0.0.1:9"), max_usd=0.0)
    assert again.complete
    assert tables(tmp_path) == before


@pytest.mark.fault(
    "network", "the answer to a submitted batch is lost", "", "the batch is found again and not paid for twice"
)
def test_a_lost_create_is_told_from_batches_of_others_by_its_results(tmp_path):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("create", "lost")], polls=2) as server:
        create = server.answer_create

        def crowded(id_, query, body):  # somebody else of the workspace submits as many rows a moment before
            create(
                id_, query, {"requests": [row | {"custom_id": f"others-{i}"} for i, row in enumerate(body["requests"])]}
            )
            return create(id_, query, body)

        server.answer_create = crowded
        result = run(rows, tmp_path, client_of(server))
    assert result.complete
    assert len(server.batches) == 2
    assert result.cost["places"][0]["batch"] == "msgbatch_00002"
    assert events(tmp_path)["submitted"] == 1


@pytest.mark.fault(
    "network", "a batch never reaches the service", "", "it is sent again only when the service's list shows none"
)
@pytest.mark.parametrize("kind", ["timeout", "close", "500", "529"])
def test_a_create_that_never_arrived_is_sent_again_once_the_list_shows_none(tmp_path, kind):
    rows = make_rows(tmp_path, 2)
    with MockServer([Fault("create", kind, seconds=0.3)]) as server:
        assert run(rows, tmp_path, client_of(server, timeout=0.2 if kind == "timeout" else 20)).complete
    assert events(tmp_path)["absent"] == 1
    assert len(server.batches) == 1
    creates = [headers for route, headers in server.calls if route == "create"]
    assert len(creates) == 2, "the SDK must not retry a create"
    assert all(headers["x-stainless-retry-count"] == "0" for headers in creates), "the SDK must not retry a create"


@pytest.mark.parametrize("kind", ["lost", "cut", "garbage", "html"])
def test_a_create_whose_answer_was_spoilt_is_found_again(tmp_path, kind):
    rows = make_rows(tmp_path, 2)
    with MockServer([Fault("create", kind)]) as server:
        assert run(rows, tmp_path, client_of(server)).complete
    assert len(server.batches) == 1
    assert max(paid(server).values()) == 1
    assert not events(tmp_path)["absent"]


@pytest.mark.fault(
    "network",
    "it stays in doubt whether a batch was taken",
    "it is not clear whether ...",
    "nothing is sent again until it is clear",
)
def test_while_it_is_in_doubt_nothing_is_sent_again(tmp_path):
    rows = make_rows(tmp_path, 2)
    with MockServer([Fault("create", "lost"), Fault("results", "500", times=50)], polls=0) as server:
        result = run(rows, tmp_path, client_of(server))
        assert "it is not clear whether" in result.stopped
        assert len(server.batches) == 1
        assert "it is not clear whether" in run(rows, tmp_path, client_of(server)).stopped
        assert len(server.batches) == 1
        server.pending = type(server.pending)([])
        assert run(rows, tmp_path, client_of(server)).complete
        assert len(server.batches) == 1


# --- everything that can go wrong ------------------------------------------------------------------------------------


@pytest.mark.fault(
    "network",
    "rate limits, overload and cut connections at any call to the batches",
    "",
    "the same table, and no row is paid for twice",
)
@pytest.mark.parametrize(
    "faults",
    [
        [Fault("any", "429", skip=i, headers={"retry-after-ms": "5"}) for i in range(0, 24, 3)],
        [Fault("any", "529", skip=i, times=1) for i in range(0, 30, 4)],
        [Fault("any", "close", skip=i) for i in range(1, 30, 4)],
        [Fault("retrieve", kind) for kind in ("cut", "garbage", "html", "500", "close")],
        [Fault("list", kind) for kind in ("cut", "garbage", "html", "500", "close")],
        [Fault("results", kind) for kind in ("cut", "cut_line", "short", "garbage", "html", "529", "close")],
        [Fault("model", "404"), Fault("count_tokens", "500", times=9)],
    ],
    ids=["429", "529", "closed", "retrieve", "list", "results", "models"],
)
def test_faults_of_service_and_network_change_nothing_but_the_time(tmp_path, monkeypatch, faults):
    monkeypatch.setattr("anthropic._base_client.time.sleep", lambda seconds: None)
    rows = make_rows(tmp_path, 7)
    with MockServer() as server:
        run(rows, tmp_path, client_of(server))
        expected = tables(tmp_path)
    (tmp_path / "journal.jsonl").unlink()
    with MockServer(faults) as server:
        client = client_of(server)
        for _ in range(4):  # a run that gave up is run again
            result = run(rows, tmp_path, client)
            if not result.stopped:
                break
    assert result.complete
    assert tables(tmp_path) == expected
    assert max(paid(server).values()) == 1


@pytest.mark.parametrize(
    "kind, batches", [("expired", 2), ("canceled", 2), ("errored", 2), ("max_tokens", 2), ("malformed", 2), ("few", 2)]
)
def test_what_can_succeed_is_asked_once_more(tmp_path, kind, batches):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("row", kind, about='"60.14%"')]) as server:
        result = run(rows, tmp_path, client_of(server))
    assert result.complete
    assert result.sentences == 3 * 4
    assert len(server.batches) == batches
    assert sum(paid(server).values()) == (3 if kind in ("expired", "canceled", "errored") else 4)


@pytest.mark.parametrize(
    "kind, times, word",
    [
        ("refusal", 1, "refused"),
        ("invalid", 1, "invalid_request_error"),
        ("malformed", 2, "not of the form"),
        ("max_tokens", 2, "cut off"),
    ],
)
def test_what_cannot_succeed_is_listed_and_not_asked_again(tmp_path, kind, times, word):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("row", kind, times=9, about='"60.14%"')]) as server:
        result = run(rows, tmp_path, client_of(server))
        assert not result.complete
        assert result.left_out == [rows[1].image]
        assert result.missing == []
        assert result.stopped == ""
        assert word in result.rejected[-1].reasons[0]
        assert len(server.batches) == times
        run(rows, tmp_path, client_of(server))
        assert len(server.batches) == times
    assert {a.author for a in read_answers(tmp_path / "out/data_answer_add.csv") if a.image == rows[1].image} == {
        "base"
    }


def test_a_second_reply_that_is_cut_off_was_given_twice_the_room(tmp_path):
    rows, max_tokens = make_rows(tmp_path, 1), []
    with MockServer([Fault("row", "max_tokens")]) as server:
        write = server.write_message
        server.write_message = lambda params, kind: max_tokens.append(params["max_tokens"]) or write(params, kind)
        assert run(rows, tmp_path, client_of(server)).complete
    assert max_tokens[1] == 2 * max_tokens[0]


@pytest.mark.fault(
    "network",
    "a row expires at the service again and again",
    "the row is listed as missing",
    "the others are written; the next run asks for it",
)
def test_a_row_that_always_expires_waits_for_the_next_run(tmp_path):
    rows = make_rows(tmp_path, 2)
    with MockServer([Fault("row", "expired", times=3, about='"60.14%"')]) as server:
        result = run(rows, tmp_path, client_of(server))
        assert result.missing == [rows[1].image]
        assert not result.complete
        assert len(server.batches) == 3
        assert run(rows, tmp_path, client_of(server)).complete


def test_when_every_request_is_invalid_the_run_stops_and_condemns_no_row(tmp_path):
    rows = make_rows(tmp_path, 5)
    with MockServer([Fault("row", "invalid", times=5)]) as server:
        result = run(rows, tmp_path, client_of(server))
        assert "refuses every request" in result.stopped
        assert len(result.missing) == 5
        assert run(rows, tmp_path, client_of(server)).complete


@pytest.mark.fault(
    "network",
    "a bad key, no credit or a spend limit at the batches",
    "the key is not valid, there is no credit, or the spend limit is reached",
    "what came; the next run completes it, and nothing is paid twice",
)
@pytest.mark.parametrize(
    "on, kind, word",
    [
        ("create", "spend_limit", "spend limit"),
        ("create", "401", "key is not valid"),
        ("create", "402", "no credit"),
        ("create", "413", "too large"),
        ("row", "billing", "billing_error"),
        ("model", "401", "key is not valid"),
        ("count_tokens", "401", "key is not valid"),
    ],
)
def test_what_every_further_request_would_meet_stops_the_run(tmp_path, on, kind, word):
    rows = make_rows(tmp_path, 5)
    with MockServer([Fault(on, kind)]) as server:
        result = run(rows, tmp_path, client_of(server))
        assert word in result.stopped
        assert KEY not in result.stopped
        assert result.missing
        assert run(rows, tmp_path, client_of(server)).complete
        assert max(paid(server).values()) == 1


def test_batches_that_were_under_way_are_waited_for_when_a_later_one_is_refused(tmp_path):
    rows = make_rows(tmp_path, 5)
    with MockServer([Fault("create", "spend_limit", skip=1)]) as server:
        result = run(rows, tmp_path, client_of(server))
    assert "spend limit" in result.stopped
    assert result.missing == [row.image for row in rows[3:]]
    assert result.sentences == 3 * 4


def test_parts_are_cut_by_count_and_by_bytes(tmp_path):
    rows = make_rows(tmp_path, 7)
    with MockServer() as server:
        run(rows, tmp_path, client_of(server))
        assert [len(batch.rows) for batch in server.batches.values()] == [3, 3, 1]
    (tmp_path / "journal.jsonl").unlink()
    size = build_request(rows[0], tmp_path / rows[0].overlay, Question.first(2), "claude-haiku-5-5").size
    with MockServer() as server:
        run(rows, tmp_path, client_of(server), batch_limits=BatchLimits(bytes=int(size * 2.5)))
        assert [len(batch.rows) for batch in server.batches.values()] == [2, 2, 2, 1]


def test_the_id_of_a_request_fits_into_the_services_64_letters(tmp_path):
    with MockServer() as server:
        run(make_rows(tmp_path, 3), tmp_path, client_of(server))
        assert len(server.paid) == 3
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in server.paid)


def test_rows_that_ask_the_same_share_one_reply(tmp_path):
    rows = make_rows(tmp_path, 1)
    twin = type(rows[0])("twin.png", *list(vars(rows[0]).values())[1:])
    with MockServer() as server:
        result = run([rows[0], twin], tmp_path, client_of(server))
    assert result.sentences == 8
    assert sum(paid(server).values()) == 1


def test_another_question_is_asked_anew_and_an_old_one_is_not(tmp_path):
    rows = make_rows(tmp_path, 1)
    with MockServer() as server:
        client = client_of(server)
        for n in (1, 1, 2, 1):
            run(rows, tmp_path, client, n)
        assert len(server.batches) == 2
        run(rows, tmp_path, client, 1, model="claude-sonnet-5-5")
        assert len(server.batches) == 3
        assert read_answers(tmp_path / "out/data_answer_add.csv")[-1].author == "claude-sonnet-5-5"
        make_rows(tmp_path, 1, side=65)
        run(rows, tmp_path, client, 1)
        assert len(server.batches) == 4


@pytest.mark.fault(
    "files",
    "an overlay that has gone or is damaged before Claude sees it",
    "predict the image again",
    "the other rows are written",
)
def test_an_overlay_that_cannot_be_sent_is_listed_and_the_others_go_on(tmp_path):
    rows = make_rows(tmp_path, 3)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"\x89PNG nothing")
    with MockServer() as server:
        result = run(rows, tmp_path, client_of(server))
    assert result.left_out == [rows[0].image, rows[1].image]
    assert result.sentences == 4
    assert not result.stopped
    assert all("predict the image again" in rejected.reasons[0] for rejected in result.rejected)


@pytest.mark.fault(
    "network",
    "the service no longer keeps the results of a batch",
    "",
    "they are asked for again, and the lost ones count as spent",
)
def test_results_no_longer_kept_are_asked_for_again_and_count_as_spent(tmp_path):
    check_that_rows_are_asked_again(tmp_path, [Fault("results", "500", times=99)], "cannot be read")


def check_that_rows_are_asked_again(tmp_path, faults, stopped):
    """The first run stops; at the second no fault is left, and the first batch's results are no longer kept."""
    rows, archived = make_rows(tmp_path, 2), {"archived_at": "2026-12-24T00:00:00Z", "results_url": None}
    with MockServer(faults, polls=0) as server:
        assert stopped in run(rows, tmp_path, client_of(server)).stopped
        server.pending, show = type(server.pending)([]), server.show_batch
        server.show_batch = lambda batch: show(batch) | (archived if batch.id == "msgbatch_00001" else {})
        result = run(rows, tmp_path, client_of(server))
    assert result.complete
    assert len(server.batches) == 2
    assert result.cost_usd > 2 * 0.0005


@pytest.mark.fault(
    "network",
    "no answer to a submitted batch, and its results are no longer kept",
    "",
    "its rows are asked for again, and the lost ones count as spent",
)
def test_a_batch_in_doubt_whose_results_are_no_longer_kept_does_not_stop_all_runs(tmp_path):
    faults = [Fault("create", "lost"), Fault("results", "500", times=99)]
    check_that_rows_are_asked_again(tmp_path, faults, "it is not clear whether")


def test_an_archived_batch_of_another_project_is_not_taken_for_one_that_never_arrived(tmp_path):
    (other := tmp_path / "other").mkdir()
    with MockServer([Fault("create", "close", skip=1)], polls=0) as server:
        assert run(make_rows(other, 2), other, client_of(server)).complete
        show, archived = server.show_batch, {"archived_at": "2026-12-24T00:00:00Z", "results_url": None}
        server.show_batch = lambda batch: show(batch) | (archived if batch.id == "msgbatch_00001" else {})
        assert run(make_rows(tmp_path, 2), tmp_path, client_of(server)).complete
    assert events(tmp_path)["absent"] == 1
    assert "msgbatch_00001" not in (tmp_path / "journal.jsonl").read_text(encoding="utf-8")


def test_a_journal_of_another_make_is_refused_in_one_sentence(tmp_path):
    rows = make_rows(tmp_path, 1)
    (tmp_path / "journal.jsonl").write_text('{"event": "asking", "prompt": "x"}\n')
    with MockServer() as server, pytest.raises(ValueError, match="move the file away"):
        run(rows, tmp_path, client_of(server))


# --- size ------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """In parts of 20, 240 more rows need no more memory than an index of 2 kB a row; a request is five times that."""
    monkeypatch.setattr(
        augmenting, "write_answers", lambda answers, path: [path] * (sum(1 for _ in answers) < 0)
    )  # tables have a test of their own
    process = subprocess.Popen(
        [sys.executable, "-m", "aireal.captions.claude.mock"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        url, peaks = process.stdout.readline().strip(), {}
        for count in (20, 60, 300):  # the first one warms up what is loaded once
            folder = tmp_path / str(count)
            folder.mkdir()
            rows = make_rows(folder, count)
            tracemalloc.start()
            with anthropic.Anthropic(api_key="k", base_url=url) as client:
                assert run(rows, folder, client, n=1, batch_limits=BatchLimits(rows=20, results_at_once=2)).complete
            peaks[count] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    finally:
        process.terminate()
        process.wait()
    assert build_request(rows[0], folder / "0.png", Question.first(1), "claude-haiku-5-5").size > 10_000
    assert peaks[300] - peaks[60] < 240 * 2_000, peaks
