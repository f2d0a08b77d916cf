"""The web server: it listens on loopback, serves only what the page needs, and takes uploads into memory."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing, suppress
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aireal.config import DatasetRoot
from aireal.figures.style import FONT
from aireal.stages.explainer import Explainer

from .components import UPLOAD_ERRORS
from .examples import load_examples
from .job_queue import JobQueue
from .page import Sessions, build_page, mount
from .reachable import ONLY_HERE
from .service import ExplanationService
from .upload_store import MAX_BYTES, StoreFull, UploadStore

HOST, PORT, PORTS = "127.0.0.1", 7860, 10
HOSTS = {"127.0.0.1", "localhost"}
# Routes that the page needs, Gradio's and ours. Others of Gradio (uploads to disk, files, proxies, tools) are closed.
ALLOWED_PREFIXES = ("/assets/", "/static/", "/gradio_api/queue/", "/gradio_api/heartbeat/", "/pictures", "/font.ttf")
ALLOWED_PATHS = {
    "/",
    "/config",
    "/theme.css",
    "/gradio_api/theme.css",
    "/gradio_api/startup-events",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
}
CACHED_PREFIXES = ("/assets/", "/static/", "/font.ttf")  # the browser may keep these
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class Guard:
    """ASGI middleware that refuses other sites' pages (403) and routes that the page does not need (404).

    Its response headers forbid the browser to contact any other host, and to store pages and replies.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        path = scope["path"]
        if not self._from_here(scope):
            await PlainTextResponse(ONLY_HERE, status_code=403)(scope, receive, send)
        elif not (path in ALLOWED_PATHS or path.startswith(ALLOWED_PREFIXES)):
            await Response(status_code=404)(scope, receive, send)
        else:
            await self._app(scope, receive, self._with_headers(send, path.startswith(CACHED_PREFIXES)))

    @staticmethod
    def _with_headers(send: Send, cached: bool) -> Send:
        """A `send` that adds the security headers; `cached` responses keep their own cache-control."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *(
                        (name, value)
                        for name, value in message["headers"]
                        if name.lower() != b"cache-control" or cached
                    ),
                    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                    *([] if cached else [(b"cache-control", b"no-store")]),
                ]
            await send(message)

        return send_with_headers

    @staticmethod
    def _from_here(scope: Scope) -> bool:
        """Whether Host names this machine, and Origin, if there is one, is this server.

        This refuses pages elsewhere whose name resolves to this machine (DNS rebinding) or that post to it.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        return urlsplit(f"//{host}").hostname in HOSTS and (origin is None or urlsplit(origin).netloc == host)


def make_web_app(store: UploadStore) -> FastAPI:
    """The application to mount the page on. It takes uploads (POST /pictures, body: the file) and serves the font."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(Guard)

    @app.post("/pictures")
    async def upload(request: Request) -> JSONResponse:
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BYTES:
                return _refusal("large", 413)
            chunks.append(chunk)
        try:
            return JSONResponse({"token": store.put(b"".join(chunks))})
        except StoreFull:
            return _refusal("full", 503)

    @app.get("/font.ttf")
    def font() -> FileResponse:
        return FileResponse(FONT, media_type="font/ttf", headers={"Cache-Control": "max-age=86400"})

    return app


def _refusal(key: str, status: int) -> JSONResponse:
    return JSONResponse({"error": key, "sentence": UPLOAD_ERRORS[key][1]}, status_code=status)


def listen(port: int | None) -> socket.socket:
    """A socket on loopback, bound to the port; None takes the first free one of 7860 to 7869.

    Raises:
        ValueError: no such port is free.
    """
    for candidate in [port] if port is not None else range(PORT, PORT + PORTS):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, candidate))
            return bound
        except OSError:
            bound.close()
    taken = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + PORTS - 1} are"
    raise ValueError(f"{taken} taken or not allowed on this machine. Name a free one with --port.")


def serve_page(
    bound: socket.socket,
    data: DatasetRoot,
    explainer: Explainer,
    started: Callable[[str, uvicorn.Server], None] | None = None,
) -> None:
    """Serve the page on the socket until the process is interrupted or the server is told to exit."""
    job_queue, store = JobQueue(), UploadStore()
    sessions = Sessions(ExplanationService(explainer), job_queue, store, load_examples(data))
    app = mount(make_web_app(store), build_page(sessions))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    address = f"http://{HOST}:{bound.getsockname()[1]}"
    print(f"The page is ready: open {address} in a browser on this machine. Ctrl-C stops it.", flush=True)
    if started:
        started(address, server)
    with suppress(KeyboardInterrupt), closing(job_queue):
        server.run(sockets=[bound])
