"""/readyz with what runs as JSON: BentoML's own response is an empty line."""

from __future__ import annotations

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.responses import json_response
from serving.inference.pipeline import Pipeline


class Readiness:
    """ASGI middleware for /readyz. It is reached only when all is loaded and warmed up: see service.lifespan."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """state: of the app, which holds `pipeline`."""
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/readyz":
            return await self._app(scope, receive, send)
        pipeline: Pipeline = self._state.pipeline
        await json_response(pipeline.about())(scope, receive, send)
