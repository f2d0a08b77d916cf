"""The server: which requests it refuses, and how it starts."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")

from starlette.testclient import TestClient

from aireal.app.launch import private_folder
from aireal.app.page import build_page, mount
from aireal.app.server import listen, make_web_app
from aireal.app.upload_store import MAX_BYTES
from aireal.cli import main

CLOSED = (
    "/gradio_api/upload",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/proxy=https://example.org",
    "/gradio_api/info",
    "/gradio_api/runs",
    "/gradio_api/openapi.json",
    "/docs",
    "/monitoring",
    "/gradio_api/vibe-code/",
    "/login",
)


@pytest.fixture
def client(sessions):
    app = mount(make_web_app(sessions.store), build_page(sessions))
    with private_folder(), TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


def test_the_page_forbids_other_hosts_and_storing(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


def test_routes_that_the_page_does_not_need_are_closed(client):
    for path in CLOSED:
        assert client.get(path).status_code == 404, path
        assert client.post(path).status_code == 404, path


def test_gradio_neither_reports_nor_keeps_a_history(client):
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert not config.get("run_history")
    assert not config.get("is_space")


def test_a_request_that_names_another_host_is_refused(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.people_have(
    "the page's address under a name of Colab or of another machine",
    "refused",
    "This page answers only browsers on the machine that it runs on, at 127.0.0.1 or localhost.",
)
@pytest.mark.parametrize("host", ["abc-7860-colab.googleusercontent.com", "server.example:7860"])
def test_the_refusal_says_what_to_do(client, host):
    reply = client.get("/", headers={"Host": host})
    assert reply.status_code == 403
    assert "127.0.0.1 or localhost" in reply.text
    assert "ssh -L" in reply.text
    assert "aireal explain FOLDER --report" in reply.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("http://127.0.0.1:9999", 403), ("http://127.0.0.1:7860", 200)],
)
def test_only_the_pages_own_origin_may_post(client, origin, status):
    assert client.post("/pictures", content=b"x", headers={"Origin": origin}).status_code == status


@pytest.mark.fault("page", "a file of more than 30 MB", "larger than 30 MB", "nothing of it is kept")
def test_a_large_file_is_refused_with_a_sentence(client, sessions):
    reply = client.post("/pictures", content=b"x" * (MAX_BYTES + 1))
    assert reply.status_code == 413
    assert reply.json()["error"] == "large"
    assert "30 MB" in reply.json()["sentence"]
    assert len(sessions.store) == 0


@pytest.mark.fault(
    "page",
    "more uploads than the memory is meant for",
    "refused as full (HTTP 503)",
    "the file is not taken, and what lies there stays",
)
def test_a_file_is_refused_while_the_store_is_full(client, sessions):
    sessions.store.capacity = 10
    reply = client.post("/pictures", content=b"x" * 11)
    assert reply.status_code == 503
    assert reply.json()["error"] == "full"


@pytest.mark.fault("page", "the port of the page is in use", "name a free one with --port", "the page does not begin")
def test_a_taken_port_is_one_sentence():
    with listen(0) as bound:
        bound.listen()
        with pytest.raises(ValueError, match="Name a free one with --port"):
            listen(bound.getsockname()[1])


@pytest.mark.fault("page", "Gradio is not installed", "run `make app`", "nothing is begun")
def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("server", "page"):
        monkeypatch.delitem(sys.modules, f"aireal.app.{name}")
    assert main(["app", "--profile", "smoke"]) == 2
    assert "make app" in capsys.readouterr().err
