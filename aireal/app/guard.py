"""The page's guard: it refuses other sites' pages, other users of the machine, and routes that the page needs not."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .reachable import NEEDS_KEY, ONLY_HERE

HOSTS = {"127.0.0.1", "localhost"}
# Routes that the page needs, Gradio's and ours. Others of Gradio (uploads to disk, files, proxies, tools) are closed.
ALLOWED_PREFIXES = ("/assets/", "/static/", "/gradio_api/queue/", "/gradio_api/heartbeat/", "/pictures", "/font.ttf")
ALLOWED_PATHS = {
    "/",
    "/config",
    "/theme.css",
    "/gradio_api/theme.css",
    "/gradio_api/startup-events",
    "/gradio_api/app_id",  # asked for after a lost connection: the page then loads itself again
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
}
CACHED_PREFIXES = ("/assets/", "/static/", "/font.ttf")  # the browser may keep these
# Gradio's own files, the same in every installation: served without the key, for browsers ask for some without cookies
PUBLIC = (*CACHED_PREFIXES, "/theme.css", "/gradio_api/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
PUBLIC += ("/gradio_api/app_id",)  # a random number; after a new start of the server the browser's key is an old one
UPLOAD = "/pictures"  # counts and limits its own body
MOST_BODY = 2**20  # bytes of every other request; the page sends some hundred
UPLOAD_SECONDS = 60.0  # from the first to the last byte of a request's body
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
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """ASGI middleware that refuses other sites' pages and other users (403), and routes that the page does not need
    (404).

    Its response headers forbid the browser to contact any other host, and to store pages and replies.

    Args:
        key: the page is served to those who know it: from the printed address at first, from a cookie later. The
            loopback address is shared by all users of a machine. "" asks for none.
    """

    def __init__(self, app: ASGIApp, key: str = ""):
        self._app, self._key = app, key
        # a name of its own: cookies of one host are shared by its ports
        self._cookie = "aireal_" + hashlib.sha256(key.encode()).hexdigest()[:12]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        path = scope["path"]
        knows_key = not self._key or self._asked_with_key(scope)
        if not self._from_here(scope):
            await PlainTextResponse(ONLY_HERE, status_code=403)(scope, receive, send)
        elif not (path in ALLOWED_PATHS or path.startswith(ALLOWED_PREFIXES)):
            await Response(status_code=404)(scope, receive, send)
        elif not (knows_key or path.startswith(PUBLIC)):
            await PlainTextResponse(NEEDS_KEY, status_code=403)(scope, receive, send)
        else:
            await self._serve(scope, receive, self._with_headers(send, path))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, without headers that only a proxy may set, and with its body if that is short."""
        headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(b"x-forwarded")]
        scope = {**scope, "headers": headers}
        if scope["path"] == UPLOAD or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            await PlainTextResponse("The request took too long.\n", status_code=408)(scope, receive, send)
            return
        if body is None:
            await PlainTextResponse("The request is too large.\n", status_code=413)(scope, receive, send)
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)

    def _with_headers(self, send: Send, path: str) -> Send:
        """A `send` that adds the security headers and the cookie; `cached` responses keep their own cache-control."""
        cached = path.startswith(CACHED_PREFIXES)
        added = [*SECURITY_HEADERS, *([] if cached else [(b"cache-control", b"no-store")])]
        if self._key and path == "/":
            added.append((b"set-cookie", f"{self._cookie}={self._key}; Path=/; HttpOnly; SameSite=Strict".encode()))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(n, value) for n, value in message["headers"] if n.lower() != b"cache-control" or cached]
                message["headers"] = [*own, *added]
            await send(message)

        return send_with_headers

    def _asked_with_key(self, scope: Scope) -> bool:
        """Whether the cookie holds the key, or the page's own address does."""
        # by hand: `http.cookies` takes none at all where another program on this machine has set an odd one
        cookies = (part.partition("=") for value in _values(scope, b"cookie") for part in value.split(";"))
        offered = [value.strip() for name, _, value in cookies if name.strip() == self._cookie]
        if scope["path"] == "/":
            offered += parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [])
        return any(secrets.compare_digest(one.encode(), self._key.encode()) for one in offered)

    @staticmethod
    def _from_here(scope: Scope) -> bool:
        """Whether Host names this machine, and Origin, if there is one, is this server.

        This refuses pages elsewhere whose name resolves to this machine (DNS rebinding), that post to it, or that load
        a part of it to learn that it runs.
        """
        hosts, origins, sites = (_values(scope, name) for name in (b"host", b"origin", b"sec-fetch-site"))
        try:
            if len(hosts) != 1 or urlsplit(f"//{hosts[0]}").hostname not in HOSTS:
                return False
        except ValueError:  # such as "["
            return False
        opened = scope["path"] == "/" and _values(scope, b"sec-fetch-mode") == ["navigate"]  # by a link elsewhere
        if not opened and any(site not in ("same-origin", "none") for site in sites):
            return False
        return all(origin == f"http://{hosts[0]}" for origin in origins)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for own, value in scope["headers"] if own.lower() == name]


async def _read(receive: Receive) -> bytes | None:
    """A request's body; None if it is longer than `MOST_BODY`."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            return None
        if not message.get("more_body"):
            return body
