"""Who is served by the page, and how much a request may bring: other sites, other users, long and slow bodies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")

from starlette.testclient import TestClient

from aireal.app import guard, server
from aireal.app.guard import Guard
from aireal.app.server import make_web_app
from aireal.app.upload_store import StoreFull, UploadStore

KEY = "a-key-that-nobody-guesses"
HOST = "127.0.0.1:7860"


async def echo(scope, receive, send) -> None:
    """An application that answers with the headers and the body that reach it."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    content = repr(scope["headers"]).encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": content})


def client(key: str = "") -> TestClient:
    return TestClient(Guard(echo, key), base_url=f"http://{HOST}")


FOREIGN_HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost@evil.example",
    "0.0.0.0",
    "localhost.",
    "127.1",
    "2130706433",
    "[::1]",
    "[",
    "",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_name_that_leads_here_is_not_served(host):
    """DNS rebinding: the page of evil.example asks evil.example, which now resolves to this machine."""
    assert client().get("/config", headers={"Host": host}).status_code == 403


def test_two_hosts_in_one_request_are_refused():
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"localhost"), (b"host", b"evil.example")],
    }
    assert not Guard._from_here(scope)
    assert not Guard._from_here(scope | {"headers": []})


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://localhost:7860",
        "http://127.0.0.1:9999",
        "ftp://127.0.0.1:7860",
        "http://127.0.0.1:7860@evil.example",
        "http://127.0.0.1:7860.evil.example",
        "http://[",
    ],
)
def test_another_page_in_the_browser_can_send_nothing(origin):
    for path in ("/pictures", "/gradio_api/queue/join"):
        assert client().post(path, content=b"{}", headers={"Origin": origin}).status_code == 403
    assert client().post("/pictures", content=b"x", headers={"Origin": f"http://{HOST}"}).status_code == 200


def test_another_page_cannot_even_learn_that_the_page_runs():
    for site in ("cross-site", "same-site"):
        assert (
            client().get("/font.ttf", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
        )
    assert client().get("/font.ttf", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client().get("/", headers=opened).status_code == 200, "a link elsewhere may open the page itself"
    assert client().get("/config", headers=opened).status_code == 403
    reply = client().get("/")
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_headers_of_a_proxy_change_nothing():
    headers = {"X-Forwarded-Host": "evil.example", "x-forwarded-prefix": "/evil", "X-Forwarded-Proto": "https"}
    assert "evil" not in client().get("/config", headers=headers).text


@pytest.mark.parametrize(
    "path", ["/assets/../config/../secret", "/static/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/x"]
)
def test_no_path_leads_to_a_closed_route(path):
    app = TestClient(make_web_app(UploadStore()), base_url=f"http://{HOST}")
    assert app.get(path).status_code in (403, 404)


def test_a_page_that_lost_its_server_hears_of_the_new_one():
    assert client(KEY).get("/gradio_api/app_id").status_code == 200


def test_another_user_of_the_machine_is_not_served_without_the_key():
    for path in ("/", "/config", "/gradio_api/queue/data", "/gradio_api/startup-events"):
        for cookie in ("", f"aireal={KEY}", f"{Guard(echo, KEY)._cookie}=wrong", "a=b; \x01"):
            reply = client(KEY).get(path, headers={"Cookie": cookie})
            assert reply.status_code == 403
            assert KEY not in reply.text + str(reply.headers)
    assert client(KEY).post("/pictures", content=b"x").status_code == 403
    assert client(KEY).get("/?key=wrong").status_code == 403
    assert client(KEY).get(f"/config?key={KEY}").status_code == 403, "the key opens the page, and nothing else"


def test_the_printed_address_opens_the_page_and_the_cookie_the_rest():
    browser = client(KEY)
    reply = browser.get(f"/?key={KEY}")
    assert reply.status_code == 200
    assert "HttpOnly; SameSite=Strict" in reply.headers["set-cookie"]
    assert browser.get("/config").status_code == 200
    assert browser.post("/pictures", content=b"x").status_code == 200
    assert browser.get("/").status_code == 200, "the address without the key, later"


@pytest.mark.parametrize("odd", ['prefs={"a":1}', "x=dark mode", "=", "a=b; \x01", 'q="unfinished'])
def test_a_cookie_of_another_program_on_this_machine_locks_nobody_out(odd):
    own = f"{Guard(echo, KEY)._cookie}={KEY}"
    for cookies in (f"{odd}; {own}", f"{own}; {odd}"):
        assert client(KEY).get("/config", headers={"Cookie": cookies}).status_code == 200


def test_the_served_address_holds_a_new_key_each_time(monkeypatch, tmp_path):
    served = []
    monkeypatch.setattr(server, "build_page", lambda *arguments: None)
    monkeypatch.setattr(server, "mount", lambda app, page: app)
    monkeypatch.setattr(server, "Sessions", lambda *_: None)
    monkeypatch.setattr(server, "ExplanationService", lambda _: None)
    monkeypatch.setattr(server, "load_examples", lambda _: [])
    monkeypatch.setattr(server.uvicorn.Server, "run", lambda *_, **__: None)
    for _ in range(2):
        with server.listen(0) as bound:
            server.serve_page(bound, None, None, started=lambda *found: served.append(found))
    addresses = [address for address, _ in served]
    assert len({address.split("?key=")[1] for address in addresses}) == 2
    assert all(len(address.split("?key=")[1]) >= 32 for address in addresses)
    assert not any(running.config.proxy_headers for _, running in served), "uvicorn would obey them before the guard"


# --- long and slow ----------------------------------------------------------------------------------------------------


def test_a_request_that_is_no_upload_is_short():
    assert client().post("/gradio_api/queue/join", content=b"x" * guard.MOST_BODY).text.endswith("x" * 100)
    assert client().post("/gradio_api/queue/join", content=b"x" * (guard.MOST_BODY + 1)).status_code == 413


def slow_request(app, path: str) -> int:
    """The status of a request whose body never ends."""
    sent: list[dict] = []
    messages = [{"type": "http.request", "body": b"a", "more_body": True}]

    async def receive():
        if not messages:
            await asyncio.sleep(60)
        return messages.pop()

    async def send(message):
        sent.append(message)

    headers = [(b"host", HOST.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "root_path": ""}
    asyncio.run(app({**scope, "http_version": "1.1", "scheme": "http", "raw_path": path.encode()}, receive, send))
    return next(message["status"] for message in sent if message["type"] == "http.response.start")


@pytest.mark.fault("page", "an upload that stalls", "refused after a time (HTTP 408)", "its memory is free again")
def test_a_body_that_stalls_ends(monkeypatch):
    monkeypatch.setattr(guard, "UPLOAD_SECONDS", 0.05)
    monkeypatch.setattr(server, "UPLOAD_SECONDS", 0.05)
    assert slow_request(Guard(echo), "/gradio_api/queue/join") == 408
    store = UploadStore()
    assert slow_request(make_web_app(store), "/pictures") == 408
    assert len(store) == store._under_way == 0


def test_bytes_under_way_count():
    store = UploadStore(capacity=100)
    with store.room() as first, store.room() as second:
        first(60)
        with pytest.raises(StoreFull):
            second(41)
        with pytest.raises(StoreFull):
            store.put(b"x" * 41)
        second(40)
    assert len(store.put(b"x" * 100)) > 20


def test_the_bytes_of_uploads_under_way_are_bounded_by_the_server():
    store = UploadStore(capacity=10)

    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 6, b"x" * 6]

    reply = TestClient(make_web_app(store), base_url=f"http://{HOST}").post("/pictures", content=chunks())
    assert reply.status_code == 503
    assert store._under_way == 0


def test_many_empty_files_cost_one_thread_and_are_limited():
    store, before = UploadStore(), threading.active_count()
    app = TestClient(make_web_app(store), base_url=f"http://{HOST}")
    statuses = [app.post("/pictures", content=b"").status_code for _ in range(65)]
    assert statuses == [200] * 64 + [503]
    assert threading.active_count() <= before + 2
    assert len({store.put(b"") for store in [UploadStore()] for _ in range(64)}) == 64


@pytest.mark.fault("page", "no thread can be started for an upload", "refused as full", "nothing of it is kept")
def test_where_no_thread_can_be_started_nothing_is_kept(monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    store = UploadStore()
    monkeypatch.setattr("aireal.app.upload_store.Timer.start", fail)
    with pytest.raises(StoreFull):
        store.put(b"x")
    assert len(store) == 0
