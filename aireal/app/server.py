"""The web server: it listens on loopback, serves only what the page needs, and takes uploads into memory."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse

from aireal.config import DatasetRoot
from aireal.figures.style import FONT
from aireal.stages.explainer import Explainer

from .components import UPLOAD_ERRORS
from .examples import load_examples
from .guard import UPLOAD_SECONDS, Guard
from .job_queue import JobQueue
from .page import Sessions, build_page, mount
from .service import ExplanationService
from .upload_store import MAX_BYTES, StoreFull, UploadStore

HOST, PORT, PORTS = "127.0.0.1", 7860, 10
CONNECTIONS = 256  # at a time; a browser holds six


def make_web_app(store: UploadStore, key: str = "") -> FastAPI:
    """The application to mount the page on. It takes uploads (POST /pictures, body: the file) and serves the font.

    Args:
        key: without which nobody is served; "" serves every user of the machine.
    """
    app = FastAPI(openapi_url=None)
    app.add_middleware(Guard, key=key)

    @app.post("/pictures")
    async def upload(request: Request) -> JSONResponse:
        content = bytearray()
        try:
            with store.room() as need:  # files under way count as well
                async with asyncio.timeout(UPLOAD_SECONDS):
                    async for chunk in request.stream():
                        if len(content) + len(chunk) > MAX_BYTES:
                            return _refusal("large", 413)
                        need(len(chunk))
                        content += chunk
            return JSONResponse({"token": store.put(bytes(content))})
        except StoreFull:
            return _refusal("full", 503)
        except TimeoutError:
            return _refusal("slow", 408)

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
    out: Path | None = None,
) -> None:
    """Serve the page on the socket until the process is interrupted or the server is told to exit.

    Args:
        out: folder of a run with metrics/, for what the page says of verdicts elsewhere.
    """
    job_queue, store, key = JobQueue(), UploadStore(), secrets.token_urlsafe(24)
    sessions = Sessions(ExplanationService(explainer), job_queue, store, load_examples(data))
    app = mount(make_web_app(store, key), build_page(sessions, out))
    # uvicorn would believe a proxy's headers before the guard drops them
    how = {"log_level": "warning", "timeout_graceful_shutdown": 1, "limit_concurrency": CONNECTIONS}
    server = uvicorn.Server(uvicorn.Config(app, proxy_headers=False, **how))
    address = f"http://{HOST}:{bound.getsockname()[1]}/?key={key}"
    print(f"The page is ready: open {address} in a browser on this machine. Ctrl-C stops it.", flush=True)
    if started:
        started(address, server)
    with suppress(KeyboardInterrupt), closing(job_queue):
        server.run(sockets=[bound])
