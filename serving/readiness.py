"""/readyz that says what runs: BentoML's own answers an empty line."""

from __future__ import annotations

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.responses import json_answer
from serving.inference.pipeline import Pipeline


class Readiness:
    """ASGI middleware that answers /readyz. It is asked only when all is loaded and warmed up: see service.lifespan."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """state: of the app whose `pipeline` is meant."""
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/readyz":
            return await self._app(scope, receive, send)
        pipeline: Pipeline = self._state.pipeline
        await json_answer(pipeline.about(), {})(scope, receive, send)
