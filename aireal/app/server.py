"""The web server: loopback only, no other host asked, nothing served but the page, pictures taken into memory."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing, suppress
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aireal.config import DatasetRoot
from aireal.explain.predictor import Predictor
from aireal.figures.style import FONT
from aireal.stages.explain import Writer

from .components import LIMITS
from .examples import examples
from .job_queue import JobQueue
from .page import Sessions, build_page, mount
from .service import ExplanationService
from .upload_store import MOST_BYTES, StoreFull, UploadStore

HOST, PORT = "127.0.0.1", 7860
HOSTS = {"127.0.0.1", "localhost"}
OPEN = (
    "/assets/",
    "/static/",
    "/gradio_api/queue/",
    "/gradio_api/heartbeat/",
    "/pictures",
    "/font.ttf",
)  # what the page needs of Gradio, and ours
OPEN_EXACTLY = {
    "/",
    "/config",
    "/theme.css",
    "/gradio_api/theme.css",
    "/gradio_api/startup-events",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
}
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware: requests from other hosts' pages and for anything that the page does not need are refused (Gradio also has routes for
    uploads to disk, files, proxies and its own tools), and the browser is told to ask nobody else and to keep nothing."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        known = scope["path"] in OPEN_EXACTLY or scope["path"].startswith(OPEN)
        if not (known and self._from_here(headers)):
            await Response(status_code=404 if self._from_here(headers) else 403)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                lasting = scope["path"].startswith(("/assets/", "/static/", "/font.ttf"))
                message["headers"] = [
                    *((n, v) for n, v in message["headers"] if n.lower() != b"cache-control" or lasting),
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                    *([] if lasting else [(b"cache-control", b"no-store")]),
                ]
            await send(message)

        await self._app(scope, receive, guarded)

    @staticmethod
    def _from_here(headers: dict[str, str]) -> bool:
        """Whether the request names this server, and comes from a page of it if from any: a page elsewhere that has its name lead here
        (DNS rebinding) or posts to it gets nothing."""
        origin = headers.get("origin")
        return urlsplit(f"//{headers.get('host', '')}").hostname in HOSTS and (
            origin is None or urlsplit(origin).netloc == headers.get("host")
        )


def web(store: UploadStore) -> FastAPI:
    """The application that Gradio's page is mounted on: takes pictures (POST /pictures, the file as the body) and serves the font."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(Guard)

    @app.post("/pictures")
    async def take(request: Request) -> JSONResponse:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                return _refused("large", 413)
            parts.append(part)
        try:
            return JSONResponse({"token": store.put(b"".join(parts))})
        except StoreFull:
            return _refused("full", 503)

    @app.get("/font.ttf")
    def font() -> FileResponse:
        return FileResponse(FONT, media_type="font/ttf", headers={"Cache-Control": "max-age=86400"})

    return app


def _refused(key: str, status: int) -> JSONResponse:
    return JSONResponse({"error": key, "sentence": LIMITS[key][1]}, status_code=status)


def listen(port: int | None) -> socket.socket:
    """A listening socket on loopback: on the port, or, where none is named, on 7860 or the first free one of the nine behind it.

    Raises:
        ValueError: taken.
    """
    for candidate in [port] if port is not None else range(PORT, PORT + 10):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, candidate))
            return bound
        except OSError:
            bound.close()
    taken = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + 9} are"
    raise ValueError(f"{taken} taken or not allowed on this machine: name a free one with --port")


def listening(
    bound: socket.socket,
    data: DatasetRoot,
    predictor: Predictor,
    writer: Writer | None,
    samples: int,
    started: Callable[[str, uvicorn.Server], None] | None = None,
) -> None:
    """Serve the page on the socket until the process is interrupted or the server told to exit."""
    desk, store = JobQueue(), UploadStore()
    app = mount(
        web(store), build_page(Sessions(ExplanationService(predictor, writer, samples), desk, store, examples(data)))
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    address = f"http://{HOST}:{bound.getsockname()[1]}"
    print(f"the page is ready: open {address} in a browser on this machine; Ctrl-C stops it", flush=True)
    if started:
        started(address, server)
    with suppress(KeyboardInterrupt), closing(desk):
        server.run(sockets=[bound])
