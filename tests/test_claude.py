"""Captions by Claude: the real SDK against a server on loopback that speaks the Messages wire format, with faults on demand."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import sys
import threading
import traceback
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from aireal.captions import augment as augmenting
from aireal.captions.augment import augment
from aireal.captions.claude import DEFAULT_MODEL, MODELS, ClaudeError, api_key, augment_row, cost_usd, encode_overlay, make_client, request
from aireal.captions.instructions import SYSTEM
from aireal.captions.language import contradictions, render
from aireal.captions.lexicon import REGION_WRITTEN
from aireal.captions.table import Answer, Row, write_answers
from aireal.evidence import Cues, EvidenceRecord

KEY = "test-key-that-must-never-show"
USAGE = {"input_tokens": 120, "output_tokens": 45, "cache_creation_input_tokens": None, "cache_read_input_tokens": 1800}


class Server:
    """Answers POST /v1/messages from `script`, a list of functions body -> (status, headers, bytes); the last one stays."""

    def __init__(self):
        self.script, self.bodies, self.headers = [good], [], []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.bodies.append(body)
                owner.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = owner.script.pop(0) if len(owner.script) > 1 else owner.script[0]
                status, headers, content = answer(body) if self.path == "/v1/messages" else error(404, "not_found_error")(body)
                self.send_response(status)
                defaults = {"content-type": "application/json", "request-id": f"req_{len(owner.bodies)}"}
                for name, value in (defaults | headers | {"content-length": str(len(content))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def message(text: str, stop: str = "end_turn", thinking: bool = True, **more) -> tuple[int, dict, bytes]:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "x"}] if thinking else []
    content = blocks + ([{"type": "text", "text": text}] if text else [])
    whole = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": DEFAULT_MODEL, "content": content, "stop_reason": stop,
        "stop_sequence": None, "usage": USAGE, **more,
    }
    return 200, {}, json.dumps(whole, ensure_ascii=False).encode()


def error(status: int, kind: str, said: str = "no", code: str | None = None, **headers: str):
    details = {"details": {"error_code": code}} if code else {}
    content = json.dumps({"type": "error", "error": {"type": kind, "message": said, **details}, "request_id": "req_x"}).encode()
    return lambda body: (status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def asked(body: dict) -> tuple[EvidenceRecord, list[str]]:
    """The record and the field names as a truthful author would read them from the request."""
    text = body["messages"][0]["content"][1]["text"]
    values = json.loads(text.split("\n")[0].removeprefix("Evidence: "))
    cues = Cues(values["colour"], values["brightness"], values["texture"], values["edges"])
    record = EvidenceRecord("?", values["label"], float(values["probability"][:-1]), 0.5, values["region"], (0, 0), cues)
    return record, body["output_config"]["format"]["schema"]["required"]


def sentences(body: dict) -> dict[str, str]:
    record, names = asked(body)
    return {name: render(record, name[:2], 16 * int(name[3:])) for name in names}


def good(body: dict):
    return message(json.dumps(sentences(body), ensure_ascii=False))


@pytest.fixture
def server(monkeypatch):
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def client(server):
    return make_client(KEY, server.url)


def make_rows(folder, count: int = 1) -> list[Row]:
    rows = []
    for i in range(count):
        label, probability = ("fake", "real")[i % 2], round(60.01 + 3.3 * i, 2)
        region = list(REGION_WRITTEN["ko"])[i % 9]
        record = EvidenceRecord(f"비밀_{i}.png", label, probability, 0.5, region, (0.1, 0.1), Cues("white", "bright", "smooth", "moderate"))
        Image.new("RGB", (256, 200), (i * 20 % 255, 90, 120)).save(folder / f"{i}.png")
        rows.append(Row(record.image, "train", f"{i}.png", record, {language: render(record, language) for language in ("ko", "en")}))
    return rows


# --- one row -----------------------------------------------------------------------------------------------------------


def test_a_good_answer_is_taken_whole(server, client, tmp_path):
    row = make_rows(tmp_path)[0]
    result = augment_row(client, row, tmp_path / row.overlay, 3)
    assert (result.status, result.request_id, result.model) == ("ok", "req_1", DEFAULT_MODEL)
    assert [language for language, _ in result.accepted] == ["ko"] * 3 + ["en"] * 3 and result.rejected == ()
    assert all(contradictions(sentence, row.record, language) == [] for language, sentence in result.accepted)
    assert result.usage == {
        "input_tokens": 120, "output_tokens": 45, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1800}
    assert type(result).from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_request_is_what_the_service_expects(server, client, tmp_path):
    row = make_rows(tmp_path)[0]
    augment_row(client, row, tmp_path / row.overlay, 2)
    body, headers = server.bodies[0], server.headers[0]
    assert headers["authorization"] == f"Bearer {KEY}" and body["model"] == MODELS["default"]
    assert not {"temperature", "top_p", "top_k", "output_format"} & set(body)
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"} and body["system"][0]["text"] == SYSTEM
    assert body["output_config"]["format"]["schema"]["required"] == ["ko_1", "ko_2", "en_1", "en_2"]
    picture, text = body["messages"][0]["content"]
    sent = Image.open(io.BytesIO(base64.b64decode(picture["source"]["data"])))
    assert (picture["type"], picture["source"]["media_type"], sent.format, sent.size) == ("image", "image/jpeg", "JPEG", (512, 400))
    assert row.captions["ko"] in text["text"] and '"60.01%"' in text["text"]
    assert "비밀" not in json.dumps(body, ensure_ascii=False), "a file's name may say its label"


def test_the_rules_list_every_region_and_its_examples_obey_them():
    assert all(phrase in SYSTEM for language in ("ko", "en") for phrases in REGION_WRITTEN[language].values() for phrase in phrases)
    record = EvidenceRecord("x", "fake", 98.67, 0.9867, "top-left", (0, 0), Cues("white", "bright", "smooth", "moderate"))
    shown = [line.split(": ", 1) for line in SYSTEM.splitlines() if line.startswith(("Good", "Bad"))]
    assert len(shown) == 8
    for verdict, sentence in shown:
        assert bool(contradictions(sentence, record)) == (verdict != "Good") or "denies" in verdict, sentence


@pytest.mark.parametrize("size, sent", [((100, 50), (512, 256)), ((600, 600), (600, 600)), ((3000, 1000), (768, 256))])
def test_overlays_are_sent_between_512_and_768_pixels(tmp_path, size, sent):
    Image.new("RGB", size).save(tmp_path / "o.png")
    assert Image.open(io.BytesIO(base64.b64decode(encode_overlay(tmp_path / "o.png")))).size == sent


def test_each_lie_is_rejected_with_its_reason_and_the_rest_is_kept(server, client, tmp_path):
    row = make_rows(tmp_path)[0]

    def lies(body):
        answer = sentences(body)
        answer["ko_1"] = answer["ko_1"].replace("60.01", "60.02")
        answer["ko_2"] = answer["en_2"]
        answer["en_1"] = answer["en_1"].replace("top left", "top right").replace("upper left", "upper right").replace("-left", "-right")
        answer["en_2"] = render(row.record, "en")
        answer["en_3"] = answer["en_3"].replace("white", "blue")
        return message(json.dumps(answer))

    server.script = [lies]
    result = augment_row(client, row, tmp_path / row.overlay, 4)
    reasons = {language + sentence: " ".join(why) for language, sentence, why in result.rejected}
    assert len(result.accepted) == 3 and len(reasons) == 5
    for word in ("number is 60.02", "language is en", "region is top-right", "repeats", "colour is blue"):
        assert sum(word in why for why in reasons.values()) == 1, (word, reasons)


def test_a_refusal_is_recorded_and_not_asked_again(server, client, tmp_path):
    server.script = [lambda body: message("", "refusal", stop_details={"type": "refusal", "category": "frontier_llm", "explanation": "x"})]
    row = make_rows(tmp_path)[0]
    result = augment_row(client, row, tmp_path / row.overlay, 2)
    assert (result.status, result.accepted, len(server.bodies)) == ("refusal", (), 1) and "frontier_llm" in result.note
    assert result.usage["output_tokens"] == 45


def test_a_cut_reply_is_asked_for_once_more_with_room(server, client, tmp_path):
    row = make_rows(tmp_path)[0]
    server.script = [lambda body: message('{"ko_1": "반', "max_tokens"), good]
    result = augment_row(client, row, tmp_path / row.overlay, 2)
    assert result.status == "ok" and len(result.accepted) == 4 and result.request_id == "req_2"
    assert server.bodies[1]["max_tokens"] == 2 * server.bodies[0]["max_tokens"]
    assert result.usage["output_tokens"] == 90, "both replies are paid for"
    server.script = [lambda body: message('{"ko_1": "반', "max_tokens")]
    result = augment_row(client, row, tmp_path / row.overlay, 2)
    assert (result.status, len(server.bodies)) == ("max_tokens", 4)


@pytest.mark.parametrize("text", ["not json", "[]", '{"ko_1": "x"}', ""])
def test_a_malformed_reply_keeps_its_usage(server, client, tmp_path, text):
    server.script = [lambda body: message(text)]
    row = make_rows(tmp_path)[0]
    result = augment_row(client, row, tmp_path / row.overlay, 2)
    assert (result.status, result.accepted) == ("malformed", ()) and result.usage["input_tokens"] == 120


def test_fields_that_are_no_text_are_rejected_alone(server, client, tmp_path):
    server.script = [lambda body: message(json.dumps(sentences(body) | {"en_1": 5, "ko_1": ""}))]
    row = make_rows(tmp_path)[0]
    result = augment_row(client, row, tmp_path / row.overlay, 2)
    assert len(result.accepted) == 2 and {reasons for *_, reasons in result.rejected} == {("the sentence is empty",)}


# --- errors ------------------------------------------------------------------------------------------------------------

ERRORS = [
    (error(401, "authentication_error", f"invalid key {KEY}"), 1, True, "the key is not valid"),
    (error(402, "billing_error"), 1, True, "no credit"),
    (error(403, "permission_error"), 1, True, "may not use"),
    (error(404, "not_found_error", "model: claude-9"), 1, True, "the model is not known"),
    (error(400, "invalid_request_error", f"bad\nimage {KEY}"), 1, False, "HTTP 400"),
    (error(413, "request_too_large"), 1, False, "too large"),
    (error(429, "rate_limit_error", retry_after_ms="1"), 5, False, "rate limit"),
    (error(429, "rate_limit_error", code="enforced_spend_limit_reached", retry_after_ms="1"), None, True, "spend limit"),
    (error(529, "overloaded_error", retry_after_ms="1"), 5, False, "overloaded"),
    (lambda body: (200, {}, b"{broken"), 1, False, "could not be read"),
    (lambda body: (200, {"content-type": "text/html"}, b"<html>login</html>"), 1, False, "no message"),
    (lambda body: (200, {}, b'{"hello": 1}'), 1, False, "no message"),
]


@pytest.mark.parametrize("answer, calls, fatal, words", ERRORS)
def test_every_error_is_one_clear_sentence_without_the_key(server, client, tmp_path, answer, calls, fatal, words):
    server.script = [answer]
    row = make_rows(tmp_path)[0]
    with pytest.raises(ClaudeError, match=words) as raised:
        augment_row(client, row, tmp_path / row.overlay, 1)
    assert raised.value.fatal == fatal and "\n" not in str(raised.value)
    assert calls is None or len(server.bodies) == calls
    assert KEY not in "".join(traceback.format_exception(raised.value)) and raised.value.__context__ is None


def test_a_rate_limit_that_ends_is_waited_for(server, client, tmp_path):
    server.script = [error(429, "rate_limit_error", retry_after_ms="20", retry_after="30"), good]
    row = make_rows(tmp_path)[0]
    assert augment_row(client, row, tmp_path / row.overlay, 1).status == "ok"
    assert [headers["x-stainless-retry-count"] for headers in server.headers] == ["0", "1"]


def test_a_server_that_is_not_there(server, tmp_path, monkeypatch):
    server.close()
    monkeypatch.setattr("anthropic._base_client.time.sleep", lambda seconds: None)
    row = make_rows(tmp_path)[0]
    with pytest.raises(ClaudeError, match="cannot be reached") as raised:
        augment_row(make_client(KEY, server.url), row, tmp_path / row.overlay, 1)
    assert not raised.value.fatal


def test_a_missing_or_broken_overlay_is_refused_before_anything_is_sent(server, client, tmp_path):
    row = make_rows(tmp_path)[0]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    for name in ("absent.png", "broken.png"):
        with pytest.raises(ValueError, match="predict the image again"):
            request(row, tmp_path / name, 1)
    assert server.bodies == []


# --- keys and prices ---------------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_or_a_secret_store(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", f" {KEY}\n")
    assert api_key() == KEY
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    assert api_key() is None
    colab, kaggle = types.ModuleType("google.colab.userdata"), types.ModuleType("kaggle_secrets")
    colab.get = lambda name: (_ for _ in ()).throw(RuntimeError("access not granted"))
    kaggle.UserSecretsClient = lambda: types.SimpleNamespace(get_secret=lambda name: KEY if name == "ANTHROPIC_API_KEY" else None)
    for name, module in (("google", types.ModuleType("google")), ("google.colab", types.ModuleType("google.colab"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", colab)
    assert api_key() is None, "a store that refuses is no key, not an error"
    monkeypatch.setitem(sys.modules, "kaggle_secrets", kaggle)
    assert api_key() == KEY


@pytest.mark.parametrize("bad", ["sk-ant secret", "test-key-that-must-never-show\u200bsecret", "sk-ant\nsecret"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch, bad):
    monkeypatch.setenv("ANTHROPIC_API_KEY", bad)
    with pytest.raises(ValueError, match="copy the key again") as refused:
        api_key()
    assert "secret" not in str(refused.value).replace("secrets", "")
    with pytest.raises(ValueError, match="there is no key"):
        make_client("")


def test_cost_on_a_case_done_by_hand():
    usage = {"input_tokens": 1_000_000, "output_tokens": 100_000, "cache_creation_input_tokens": 2_000, "cache_read_input_tokens": 300_000}
    assert cost_usd(usage, "claude-haiku-5-5") == pytest.approx(0.10 + 0.05 + 0.00025 + 0.003)
    assert cost_usd(usage, "claude-unheard-of") is None


# --- a run -------------------------------------------------------------------------------------------------------------


def everything_under(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_run_writes_base_and_claude_rows_and_no_key(server, client, tmp_path, caplog, capsys):
    caplog.set_level(logging.INFO)
    rows = make_rows(tmp_path, 4)
    server.script = [good, error(401, "authentication_error", f"bad {KEY}")]
    result = augment(rows, "claude", n=2, journal_path=tmp_path / "j.jsonl", folder=tmp_path, client=client)
    assert "the key is not valid" in result.stopped and result.missing == [row.image for row in rows[1:]]
    server.script = [good]
    result = augment(rows, "auto", n=2, journal_path=tmp_path / "j.jsonl", folder=tmp_path, client=client)
    assert len(result.rows) == 4 * (2 + 4) and result.missing == [] and result.stopped == ""
    assert {row.author for row in result.rows} == {"base", DEFAULT_MODEL}
    assert all(bool(row.request_id) == (row.author != "base") for row in result.rows)
    assert result.cost_usd == pytest.approx(4 * (120 * 0.10 + 45 * 0.50 + 1800 * 0.01) / 1e6)
    write_answers(result.rows, tmp_path / "data_answer_add.csv")
    left = everything_under(tmp_path).decode("latin-1") + caplog.text + "".join(capsys.readouterr())
    assert KEY not in left and KEY not in repr(result)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code may catch it."""


@pytest.mark.parametrize("after", range(6))
def test_a_run_killed_after_any_line_of_its_journal_pays_for_no_reply_twice(server, client, tmp_path, monkeypatch, after):
    rows, path = make_rows(tmp_path, 3), tmp_path / "j.jsonl"
    real, written = augmenting.Journal.add, []

    def add(journal, entry):
        real(journal, entry)
        written.append(entry["event"])
        if len(written) == after + 1:
            raise Killed

    monkeypatch.setattr(augmenting.Journal, "add", add)
    with pytest.raises(Killed):
        augment(rows, "claude", n=1, journal_path=path, folder=tmp_path, client=client, say=str)
    monkeypatch.setattr(augmenting.Journal, "add", real)
    result = augment(rows, "claude", n=1, journal_path=path, folder=tmp_path, client=client, say=str)
    assert len(server.bodies) == 3 and len(result.rows) == 3 * 4
    again = augment(rows, "claude", n=1, journal_path=path, folder=tmp_path, client=client, say=str)
    assert len(server.bodies) == 3 and again.rows == result.rows and again.usage == result.usage


def test_another_question_is_asked_anew(server, client, tmp_path):
    rows, path = make_rows(tmp_path, 1), tmp_path / "j.jsonl"

    def run(n, model=DEFAULT_MODEL):
        return augment(rows, "claude", n=n, journal_path=path, folder=tmp_path, client=client, model=model, say=str)

    for n in (1, 1, 2, 1):
        run(n)
    assert len(server.bodies) == 2
    assert {row.author for row in run(1, "claude-sonnet-5-5").rows} == {"base", "claude-sonnet-5-5"} and len(server.bodies) == 3
    Image.new("RGB", (256, 256), "red").save(tmp_path / "0.png")
    run(1)
    assert len(server.bodies) == 4


def test_one_bad_row_does_not_stop_the_others_but_three_failures_in_a_row_do(server, client, tmp_path):
    rows, told = make_rows(tmp_path, 7), []
    (tmp_path / "1.png").unlink()
    bad = error(400, "invalid_request_error", "bad image")
    server.script = [good, bad, bad, good, bad]
    result = augment(rows, "claude", n=1, journal_path=tmp_path / "j.jsonl", folder=tmp_path, client=client, say=told.append)
    assert [row.image for row in result.rows if row.author == DEFAULT_MODEL and row.language == "ko"] == [rows[0].image, rows[4].image]
    assert result.missing == [rows[i].image for i in (2, 3, 5, 6)] and result.stopped == ""
    assert [r.image for r in result.rejected] == [rows[i].image for i in (1, 2, 3, 5, 6)]
    server.script = [bad]
    result = augment(rows, "claude", n=2, journal_path=tmp_path / "j.jsonl", folder=tmp_path, client=client, say=told.append)
    assert result.stopped.startswith("3 requests in a row failed") and len(server.bodies) == 6 + 3
    assert told[-1].startswith("Stopped early") and "run again" in told[-1]


def test_a_refused_row_keeps_its_base_captions_and_is_listed(server, client, tmp_path):
    server.script = [lambda body: message("", "refusal")]
    result = augment(make_rows(tmp_path), "claude", n=1, journal_path=tmp_path / "j.jsonl", folder=tmp_path, client=client, say=str)
    assert [row.author for row in result.rows] == ["base", "base"] and isinstance(result.rows[0], Answer)
    assert "refused" in result.rejected[0].reasons[0] and result.missing == []
