"""The rehearsal server, the whole flow against it, lies through the whole flow, and the key that never shows."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys

import anthropic
import pytest

from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.mock.faults import LIES, ROUTES, STATUSES
from aireal.captions.claude.request import Question, build_request
from aireal.captions.language.grammar import contradictions
from aireal.captions.table import read_answers
from aireal.cli import main
from aireal.config import REPOSITORY
from aireal.core.spreadsheet import write_table
from helpers.claude import KEY, client_of, make_rows, run


def make_root(folder, count: int = 3):
    """A dataset root with data.csv and overlays."""
    rows = make_rows(folder, count)
    write_table(
        [
            {
                "image": row.image,
                "split": row.split,
                "overlay": row.overlay,
                "caption_ko": row.captions["ko"],
                "caption_en": row.captions["en"],
                "evidence": row.record.to_json(),
            }
            for row in rows
        ],
        folder / "data.csv",
    )
    return rows


def command(*arguments, **environment) -> subprocess.CompletedProcess:
    """`python -m aireal augment`; no key but the given one, no terminal."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    return subprocess.run(
        [sys.executable, "-m", "aireal", "augment", *map(str, arguments)],
        cwd=REPOSITORY,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


# --- lies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    "lie, word",
    [
        ("wrong_class", "the class is"),
        ("wrong_number", "the number is"),
        ("wrong_region", "the region is"),
        ("wrong_language", "language"),
        ("says_more", "outside the vocabulary"),
    ],
)
def test_every_lie_is_rejected_asked_for_again_and_never_reaches_the_table(tmp_path, lie, word, now):
    rows = make_rows(tmp_path, 9)
    with MockServer([Fault("row", lie, times=9)]) as server:
        result = run(rows, tmp_path, client_of(server), now=now)
        assert sum(server.paid.values()) == 18, "each row is asked once more"
    assert len(result.rejected) == 2 * 9
    assert all(word in " ".join(rejected.reasons) for rejected in result.rejected)
    answers = read_answers(tmp_path / "out/data_answer_add.jsonl")
    assert result.complete
    assert len(answers) == 9 * 2 * (1 + 2)
    assert all(contradictions(answer.sentence, answer.record, answer.language) == [] for answer in answers)


def test_lies_without_end_are_left_out_and_listed(tmp_path):
    rows = make_rows(tmp_path, 4)
    with MockServer([Fault("row", lie) for lie in LIES[:4] * 2]) as server:
        result = run(rows, tmp_path, client_of(server), n=1)
        assert sum(server.paid.values()) == 8, "asked once, and once more, and then no more"
    assert result.sentences == 0
    assert result.left_out == [row.image for row in rows]
    assert len(result.rejected) == 16
    listed = json.loads((tmp_path / "out/data_answer_add.rejected.json").read_text("utf-8"))
    assert len(listed) == 16
    assert all(entry["sentence"] and entry["reasons"] for entry in listed)
    assert {answer.author for answer in read_answers(tmp_path / "out/data_answer_add.csv")} == {"base"}


def test_the_second_question_asks_only_for_what_is_missing_and_says_why(tmp_path):
    rows, requests = make_rows(tmp_path, 1), []
    with MockServer([Fault("row", "wrong_number")]) as server:
        write = server.write_message
        server.write_message = lambda params, kind: requests.append(params) or write(params, kind)
        assert run(rows, tmp_path, client_of(server), n=4).complete
    first, second = (params["output_config"]["format"]["schema"]["required"] for params in requests)
    assert (len(first), second) == (8, ["ko_1", "en_1"])
    text = requests[1]["messages"][0]["content"][1]["text"]
    assert "the number is 60.02%" in text
    assert "must not be repeated" in text


# --- key -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["batches", "now"])
def test_the_key_reaches_nothing_that_a_run_leaves_behind_or_prints(tmp_path, way):
    make_root(tmp_path, 2)
    faults = [
        Fault("model", "garbage"),
        Fault("create", "lost"),
        Fault("row", "billing", skip=1),
        Fault("messages", "500"),
        Fault("messages", "401"),
    ]
    with MockServer(faults) as server:
        environment = {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": server.url,
            "ANTHROPIC_LOG": "debug",
            "NO_PROXY": "127.0.0.1",
        }
        done = command("--root", tmp_path, "--author", "claude", "--n", 1, "--max-usd", 1, f"--{way}", **environment)
        output = done.stdout + done.stderr
        assert done.returncode == 1, output
        assert "Stopped early" in done.stdout, output
        assert {"messages" if way == "now" else "create"} <= {route for route, _ in server.calls}, (
            "it came as far as asking"
        )
        assert any(headers["authorization"] == f"Bearer {KEY}" for _, headers in server.calls), "it was used"
    left = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    assert KEY not in output
    assert KEY.encode() not in left
    assert (tmp_path / "captions_journal.jsonl").exists()


def test_no_answer_of_the_server_makes_the_key_show(tmp_path, caplog, capsys):
    rows = make_rows(tmp_path, 1)
    caplog.set_level("DEBUG")
    for route, kind in itertools.product(
        ("model", "count_tokens", "create", "list", "retrieve", "results", "messages"),
        ("401", "403", "html", "garbage"),
    ):
        with MockServer([Fault(route, kind, times=99)]) as server:
            result = run(rows, tmp_path, client_of(server), now=route == "messages")
            assert KEY not in repr(result) + str(result.cost)
        (tmp_path / "journal.jsonl").rename(tmp_path / f"{route}-{kind}.jsonl")
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("latin-1")
    assert KEY not in left + "".join(capsys.readouterr())
    assert KEY not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("aireal"))


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_rehearsal_writes_files_of_its_own_and_cannot_be_mistaken(tmp_path):
    make_root(tmp_path)
    done = command(
        "--root",
        tmp_path,
        "--mock",
        "--n",
        2,
        ANTHROPIC_API_KEY=KEY,
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        HTTP_PROXY="http://127.0.0.1:9",
    )
    assert done.returncode == 0, done.stderr
    assert "REHEARSAL" in done.stdout
    assert "would have cost" in done.stdout
    assert KEY not in done.stdout
    assert {answer.author for answer in read_answers(tmp_path / "data_answer_add.mock.csv")} == {"base", "mock"}
    assert not list(tmp_path.glob("data_answer_add.csv"))
    assert not (tmp_path / "captions_journal.jsonl").exists()
    assert json.loads((tmp_path / "data_answer_add.mock.cost.json").read_text("utf-8"))["usd"] > 0


def test_what_the_command_refuses_and_how_it_ends(tmp_path, monkeypatch, capsys):
    make_root(tmp_path, 1)

    def ends(*arguments) -> tuple[int, str, str]:
        return main(["augment", "--root", str(tmp_path), *arguments]), *capsys.readouterr()

    status, output, _ = ends("--dry-run")
    assert status == 0
    assert "(low)" in output
    assert "ceiling" in output
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    status, _, output = ends()
    assert status == 2
    assert "--max-usd" in output
    assert output.count("\n") == 1
    with MockServer([Fault("row", "refusal")]) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        status, output, _ = ends("--yes", "--model", "claude-nothing")
        assert status == 1
        assert "knows no model" in output
        status, output, _ = ends("--max-usd", "1", "--now")
        assert status == 1
        assert "no new sentence" in output
        status, output, _ = ends("--max-usd", "1", "--now", "--n", "1")
        assert status == 0


# --- the server itself -----------------------------------------------------------------------------------------------


def test_lists_are_given_in_pages_newest_first(tmp_path):
    row = make_rows(tmp_path)[0]
    params = build_request(row, tmp_path / row.overlay, Question.first(1), "claude-haiku-5-5").params
    with MockServer() as server:
        batches = client_of(server).messages.batches
        made = [batches.create(requests=[{"custom_id": "a", "params": params}]).id for _ in range(5)]
        assert [batch.id for batch in batches.list(limit=2)] == made[::-1]
        assert [route for route, _ in server.calls].count("list") == 3


@pytest.mark.parametrize(
    "on, kind", [("nowhere", "429"), ("row", "429"), ("create", "refusal"), ("create", "cut_line")]
)
def test_a_fault_that_the_server_does_not_know_is_refused(on, kind):
    with pytest.raises(ValueError, match="knows no fault"):
        Fault(on, kind)
    assert "create" in ROUTES
    assert "429" in STATUSES


def test_a_batch_can_be_cancelled_and_custom_ids_are_checked(tmp_path):
    row = make_rows(tmp_path)[0]
    params = build_request(row, tmp_path / row.overlay, Question.first(1), "claude-haiku-5-5").params
    with MockServer(polls=0) as server:
        batches = client_of(server).messages.batches
        made = batches.create(requests=[{"custom_id": "a", "params": params}])
        assert batches.cancel(made.id).processing_status == "canceling"
        assert batches.retrieve(made.id).processing_status == "ended"
        for bad in ("", "한글", "a" * 65):
            with pytest.raises(anthropic.BadRequestError, match="custom_id"):
                batches.create(requests=[{"custom_id": bad, "params": params}])
