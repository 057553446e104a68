"""Headers of every response that tell browsers what they must not do."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

# The pages load nothing from other sites and have no inline script or style; the browser enforces it.
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # `no-referrer` would have browsers send forms with the origin "null"
    "Cross-Origin-Resource-Policy": "same-origin",
}


_ENCODED = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_NAMES = frozenset(name for name, _ in _ENCODED)


class SecurityHeaders:
    """ASGI middleware that adds SECURITY_HEADERS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [header for header in message.get("headers", ()) if header[0] not in _NAMES]
                message = {**message, "headers": [*others, *_ENCODED]}
            await send(message)

        await self._app(connection, receive, with_headers)
