"""Key, client, preflight, request, reply and plain messages: the real SDK against the mock server."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import traceback
import types

import anthropic
import pytest
from PIL import Image

from aireal.captions.augment import augment
from aireal.captions.claude import client as claude
from aireal.captions.claude.client import ClaudeError, api_key, call, check_model, make_client
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL
from aireal.captions.claude.prompt import COMPLAINT_BYTES, SYSTEM, complaint_text
from aireal.captions.claude.reply import from_message
from aireal.captions.claude.request import Question, build_request, encode_overlay, image_tokens, question_key
from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.captions.language.validate import violations
from aireal.evidence.record import Cues, EvidenceRecord
from helpers.claude import KEY, QUICK, client_of, events, make_rows, run, tables

# --- key -------------------------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_or_a_secret_store(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", f" {KEY}\n")
    assert api_key() == KEY
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    assert api_key() is None
    colab, kaggle = types.ModuleType("google.colab.userdata"), types.ModuleType("kaggle_secrets")
    colab.get = lambda name: (_ for _ in ()).throw(RuntimeError("access not granted"))
    kaggle.UserSecretsClient = lambda: types.SimpleNamespace(
        get_secret=lambda name: KEY if name == "ANTHROPIC_API_KEY" else None
    )
    for name, module in (("google", types.ModuleType("google")), ("google.colab", types.ModuleType("google.colab"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", colab)
    assert api_key() is None, "a store that refuses is no key, not an error"
    monkeypatch.setitem(sys.modules, "kaggle_secrets", kaggle)
    assert api_key() == KEY


def test_a_key_is_asked_for_unseen_and_only_at_a_terminal(monkeypatch):
    prompts = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: prompts.append(prompt) or KEY)
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: False))
    assert api_key(ask=True) is None
    assert not prompts
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    assert api_key() is None
    assert not prompts
    assert api_key(ask=True) == KEY
    assert KEY not in prompts[0]


@pytest.mark.parametrize("bad", ["sk-ant secret", "test-key-that-must-never-show\u200bsecret", "sk-ant\nsecret"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch, bad):
    monkeypatch.setenv("ANTHROPIC_API_KEY", bad)
    with pytest.raises(ValueError, match="copy the key again") as refused:
        api_key()
    assert "secret" not in str(refused.value).replace("secrets", "")
    with pytest.raises(ValueError, match="there is no key"):
        make_client("")


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, fatal, permanent, doubt, word",
    [
        ("401", True, False, False, "key is not valid"),
        ("402", True, False, False, "no credit"),
        ("403", True, False, False, "may not use"),
        ("404", True, False, False, "does not know"),
        ("413", False, True, False, "too large"),
        ("400", False, True, False, "HTTP 400"),
        ("429", False, False, False, "rate limit"),
        ("500", False, False, True, "fault or is overloaded"),
        ("529", False, False, True, "overloaded"),
        ("spend_limit", True, False, False, "spend limit"),
        ("close", False, False, True, "cannot be reached"),
        ("cut", False, False, True, "cannot be reached"),
        ("garbage", False, False, True, "could not be read"),
        ("html", False, False, True, "another server"),
    ],
)
def test_every_fault_is_one_clear_sentence_without_the_key(kind, fatal, permanent, doubt, word):
    with MockServer([Fault("count_tokens", kind, times=9)]) as server:
        client = client_of(server).with_options(max_retries=0)
        with pytest.raises(ClaudeError, match=word) as raised:
            call(
                client,
                client.messages.count_tokens,
                anthropic.types.MessageTokensCount,
                model="m",
                messages=[{"role": "user", "content": []}],
            )
    error = raised.value
    assert (error.fatal, error.permanent, error.doubt) == (fatal, permanent, doubt)
    assert "\n" not in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
    assert error.__context__ is None
    assert ("[key]" in str(error)) == (kind == "401"), "the server quotes the header"


def test_a_model_is_looked_up_before_anything_is_spent(monkeypatch):
    with MockServer() as server:
        client = client_of(server)
        check_model(client, DEFAULT_MODEL, batch=True)
        with pytest.raises(ClaudeError, match="knows no model 'claude-nothing'.*claude-sonnet-5-5") as raised:
            check_model(client, "claude-nothing", batch=True)
        assert raised.value.fatal
        model = server.answer_model
        server.answer_model = lambda *call: model(*call) | {"lifecycle": "retired"}
        with pytest.raises(ClaudeError, match="is retired"):
            check_model(client, DEFAULT_MODEL, batch=True)
        server.answer_model = lambda *call: (
            model(*call) | {"capabilities": {"batch": {"supported": False}, "image_input": {"supported": True}}}
        )
        with pytest.raises(ClaudeError, match="lacks batch"):
            check_model(client, DEFAULT_MODEL, batch=True)
        check_model(client, DEFAULT_MODEL, batch=False)
    with MockServer([Fault("model", "404")]) as server:
        check_model(client_of(server), DEFAULT_MODEL, batch=True)  # a server that only lists its models


def test_a_rehearsal_does_not_go_through_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with MockServer() as server:
        check_model(make_client("rehearsal", server.url, proxies=False), DEFAULT_MODEL, batch=True)


# --- request ---------------------------------------------------------------------------------------------------------


def test_the_request_is_what_the_service_expects(tmp_path):
    row = make_rows(tmp_path, side=300)[0]
    request = build_request(row, tmp_path / row.overlay, Question.first(2), DEFAULT_MODEL, "1h")
    params = request.params
    assert not {"temperature", "top_p", "top_k", "output_format"} & set(params)
    assert params["output_config"]["effort"] == "low"
    assert params["system"] == [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert params["output_config"]["format"]["schema"]["required"] == ["ko_1", "ko_2", "en_1", "en_2"]
    picture, text = params["messages"][0]["content"]
    sent = Image.open(io.BytesIO(base64.b64decode(picture["source"]["data"])))
    assert (picture["type"], picture["source"]["media_type"], sent.format, sent.size) == (
        "image",
        "image/jpeg",
        "JPEG",
        (512, 512),
    )
    assert row.captions["ko"] in text["text"]
    assert '"60.01%"' in text["text"]
    whole = json.dumps(params, ensure_ascii=False)
    assert "비밀" not in whole, "a file's name may say its label"
    assert request.size == len(whole.encode())
    assert request.image_tokens == 19 * 19
    assert request.user_bytes == len(text["text"].encode())


@pytest.mark.parametrize("size, sent", [((100, 50), (512, 256)), ((600, 600), (600, 600)), ((3000, 1000), (768, 256))])
def test_overlays_are_sent_between_512_and_768_pixels(tmp_path, size, sent):
    Image.new("RGB", size).save(tmp_path / "o.png")
    data, encoded_size = encode_overlay(tmp_path / "o.png")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == sent
    assert encoded_size == sent


@pytest.mark.parametrize(
    "size, tokens", [((224, 224), 64), ((512, 512), 361), ((768, 768), 784), ((1024, 1024), 1369), ((29, 28), 2)]
)
def test_tokens_of_a_picture(size, tokens):
    assert image_tokens(size) == tokens


def test_a_key_names_the_whole_question(tmp_path):
    rows, ask = make_rows(tmp_path, 2), Question.first(2)
    keys = [
        question_key(*question)
        for question in (
            (ask, rows[0], "a", "m"),
            (ask, rows[1], "a", "m"),
            (ask, rows[0], "b", "m"),
            (ask, rows[0], "a", "n"),
            (Question.first(3), rows[0], "a", "m"),
            (ask.doubled(), rows[0], "a", "m"),
            (ask.again(), rows[0], "a", "m"),
            (Question(ask.wanted, ask.max_tokens, 1, "why"), rows[0], "a", "m"),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == question_key(Question.first(2), rows[0], "a", "m")


def test_the_rules_list_every_region_and_its_examples_obey_them():
    assert all(
        phrase in SYSTEM
        for language in ("ko", "en")
        for phrases in REGION_WRITTEN[language].values()
        for phrase in phrases
    )
    record = EvidenceRecord(
        "x", "fake", 98.67, 0.9867, "top-left", (0, 0), Cues("white", "bright", "smooth", "moderate")
    )
    examples = [line.split(": ", 1) for line in SYSTEM.splitlines() if line.startswith(("Good", "Bad"))]
    assert len(examples) == 8
    for verdict, sentence in examples:
        language = "ko" if re.search("[가-힣]", sentence) else "en"
        assert bool(violations(sentence, record, language)) == (verdict != "Good") or "denies" in verdict, sentence


def test_a_complaint_names_what_was_wrong_and_never_grows_without_bound():
    rejected = [("ko", "문장" * 500, ("the number is 1%",))] * 50
    text = complaint_text(rejected, [("en", "It stands.")])
    assert "the number is 1%" in text
    assert len(text.encode()) <= COMPLAINT_BYTES
    assert "It stands." in complaint_text(rejected[:1], [("en", "It stands.")])


# --- reply -----------------------------------------------------------------------------------------------------------


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


# --- plain messages --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("kind", ["429", "500", "529", "close", "cut", "garbage", "html", "timeout"])
def test_plain_messages_that_fail_for_the_moment_are_asked_again(tmp_path, kind):
    rows = make_rows(tmp_path, 3)
    with MockServer([Fault("messages", kind, times=2, seconds=0.3, headers={"retry-after-ms": "5"})]) as server:
        result = run(rows, tmp_path, client_of(server, timeout=0.2 if kind == "timeout" else 20), now=True)
    assert result.complete, result.stopped
    doubted = events(tmp_path)["doubt"]
    assert doubted == (0 if kind == "429" else 2)
    assert (result.cost["in_doubt_usd"] > 0) == bool(doubted)


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


def test_a_server_that_is_not_there_stops_the_run_with_one_sentence(tmp_path):
    rows = make_rows(tmp_path, 2)
    with MockServer() as server:
        client = client_of(server)
    result = run(rows, tmp_path, client)
    assert "cannot be reached" in result.stopped
    assert result.missing == [row.image for row in rows]


# --- who writes ------------------------------------------------------------------------------------------------------


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
