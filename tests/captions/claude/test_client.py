"""The key, the client, faults of the service and the check of the model: the real SDK against the mock server."""

from __future__ import annotations

import sys
import traceback
import types

import anthropic
import pytest

from aireal.captions.claude.client import ClaudeError, api_key, call, check_model, make_client
from aireal.captions.claude.mock import Fault, MockServer
from aireal.captions.claude.prices import DEFAULT_MODEL
from helpers.claude import KEY, client_of


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


@pytest.mark.fault(
    "network",
    "a key with line breaks or invisible letters",
    "copy the key again",
    "the key is not shown, and nothing is sent",
)
@pytest.mark.parametrize("bad", ["sk-ant secret", "test-key-that-must-never-show\u200bsecret", "sk-ant\nsecret"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch, bad):
    monkeypatch.setenv("ANTHROPIC_API_KEY", bad)
    with pytest.raises(ValueError, match="copy the key again") as refused:
        api_key()
    assert "secret" not in str(refused.value).replace("secrets", "")
    with pytest.raises(ValueError, match="there is no key"):
        make_client("")


@pytest.mark.fault(
    "network",
    "any other refusal of Claude's service",
    "one sentence for each kind, without the key",
    "the run knows whether to ask again",
)
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


@pytest.mark.fault(
    "network",
    "a model of Claude that is unknown or retired",
    "knows no model '...', and those that there are",
    "nothing is spent",
)
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
