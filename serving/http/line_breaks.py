"""Paths with a line break. No mount of Starlette matches one, so that BentoML would answer it, in plain text."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import ApiError, error_response


class LineBreaks:
    """ASGI middleware that answers such a path with 404, as any other path that does not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "\n" in scope["path"]:
            response = error_response(ApiError(404, "not_found", "no such path: it has a line break"))
            return await response(scope, receive, send)
        await self._app(scope, receive, send)
