"""A server on loopback that notes who asks: for tests that nothing is sent, and for time stamps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class NotingServer(ThreadingHTTPServer):
    """Counts connections, and answers a request by `answer` (its body → the reply's body)."""

    def __init__(self, answer: Callable[[bytes], bytes]):
        self.connections, self.answer = 0, answer
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def get_request(self):
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.server.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_) -> None:
        pass


@contextmanager
def noting_server(answer: Callable[[bytes], bytes] = lambda body: b"") -> Iterator[NotingServer]:
    with NotingServer(answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
