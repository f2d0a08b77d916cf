"""The HTTP server on loopback, by the standard library, with faults on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .faults import STATUSES, Fault
from .records import error_record
from .service import MockService, Refused

_ROUTES = (
    ("POST", r"/v1/messages/count_tokens", "count_tokens"),
    ("POST", r"/v1/messages/batches", "create"),
    ("GET", r"/v1/messages/batches", "list"),
    ("POST", r"/v1/messages/batches/(\w+)/cancel", "cancel"),
    ("GET", r"/v1/messages/batches/(\w+)/results", "results"),
    ("GET", r"/v1/messages/batches/(\w+)", "retrieve"),
    ("POST", r"/v1/messages", "messages"),
    ("GET", r"/v1/models", "models"),
    ("GET", r"/v1/models/([\w.-]+)", "model"),
)


@dataclass
class MockServer(MockService):
    """The service in a thread, as a context manager. `url` is its address.

    Args:
        port: 0 takes a free one.

    Attributes:
        calls: route and headers of every request.
    """

    port: int = 0
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> MockServer:
        self.http = _Http(("127.0.0.1", self.port), _Handler)
        self.http.mock = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


class _Http(ThreadingHTTPServer):
    mock: MockServer
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """Print nothing: tests of time-outs close connections."""


@dataclass(frozen=True)
class _Response:
    status: int
    content: bytes
    content_type: str = "application/json"

    @classmethod
    def of_error(cls, kind: str, message: str = "", quoted: str = "") -> _Response:
        status, error = error_record(kind, message, quoted)
        return cls(status, json.dumps(error).encode())

    def spoilt(self, kind: str) -> _Response:
        """The response as a fault of this kind changes it."""
        lines = self.content.splitlines(keepends=True)
        contents = {
            "garbage": b"\xff{not json",
            "html": b"<html>login</html>",
            "cut_line": self.content[:-20],
            "short": b"".join(lines[:-1]),
        }
        content_type = "text/html" if kind == "html" else self.content_type
        return _Response(self.status, contents.get(kind, self.content), content_type)


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    server: _Http
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet, or delayed acknowledgements cost 40 ms a call

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _serve(self, method: str) -> None:
        """Answer a request, unless a fault strikes its route before or after the answer."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        route, match = _find_route(method, path)
        self.server.mock.calls.append((route, {name.lower(): value for name, value in self.headers.items()}))
        fault = self.server.mock.pending.strike(route)
        if fault and fault.kind in ("timeout", "close", *STATUSES):
            self._fail(fault)
            return
        response, kind = self._answer(route, match, query, body), fault.kind if fault else ""
        if kind == "lost":  # carried out, and no response
            self.close_connection = True
            return
        self._send(response.spoilt(kind), cut=kind == "cut")

    def _answer(self, route: str, match: re.Match | None, query: str, body: bytes) -> _Response:
        authorization = self.headers.get("authorization") or ""
        if not authorization.startswith("Bearer "):
            return _Response.of_error("401", quoted=authorization)
        if match is None:
            return _Response.of_error("404")
        parameters = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
        id_ = match[1] if match.groups() else ""
        try:
            answer = self.server.mock.answer(route, id_, parameters, json.loads(body) if body else {})
        except Refused as refused:
            return _Response.of_error(refused.kind, refused.message)
        if route == "results":
            return _Response(200, b"".join(line + b"\n" for line in answer), "application/x-jsonl")
        return _Response(200, json.dumps(answer, ensure_ascii=False).encode())

    def _fail(self, fault: Fault) -> None:
        """Refuse with the status of a fault, or close the connection without a response."""
        if fault.kind in STATUSES:
            response = _Response.of_error(fault.kind, quoted=str(self.headers.get("authorization")))
            self._send(response, fault.headers or {})
            return
        if fault.kind == "timeout":
            time.sleep(fault.seconds)
        self.close_connection = True

    def _send(self, response: _Response, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        """Send a response with further headers; `cut` sends half of the body and closes the connection."""
        content = response.content
        self.send_response(response.status)
        standard = {
            "content-type": response.content_type,
            "content-length": str(len(content)),
            "request-id": f"req_{len(self.server.mock.calls)}",
        }
        for name, value in (standard | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut


def _find_route(method: str, path: str) -> tuple[str, re.Match | None]:
    """The name of a route and the match of its path; ('unknown', None) where there is none."""
    for verb, pattern, route in _ROUTES:
        if verb == method and (match := re.fullmatch(pattern, path)):
            return route, match
    return "unknown", None
