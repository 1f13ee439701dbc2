"""Who may ask: only this machine's page. A wrong Host or Origin, a missing token or a body that is too large is
refused before anything reads it, and every answer carries a content policy that lets nothing leave the machine."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = "/static/"
"""The page's own modules and styles, which hold nothing of a user."""

LARGEST = 1 << 20
"""Bytes of a request's body."""

POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
    "media-src 'self' blob:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


class Guard:
    """An ASGI application in front of another one.

    port : that the server listens on
    token : that every address but those of :data:`OPEN` has to carry, ``?token=``
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await JSONResponse({"error": refused[1]}, refused[0])(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence for a request that is not answered."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return 403, "this address is not the explorer's; open the one that `avreplay explore` printed"
        if origin is not None and origin != f"http://{host}":
            return 403, "the explorer answers its own page only"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, f"the explorer takes no {scope['method'][:16]}"
        if scope["method"] == "POST" and not self._small(headers):
            return 413, "the request is too large, or does not say how large it is"
        if not scope["path"].startswith(OPEN):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
            if not secrets.compare_digest(given.encode(), self._token.encode()):
                return 403, "the token is missing or wrong; open the address that `avreplay explore` printed"
        return None

    @staticmethod
    def _small(headers: Headers) -> bool:
        """Whether the body is announced, and not too large. One in chunks may be longer than it announces."""
        if "transfer-encoding" in headers:
            return False
        length = headers.get("content-length", "")
        return length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= LARGEST
