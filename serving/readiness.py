"""/readyz with what runs as JSON: BentoML's own response is an empty line."""

from __future__ import annotations

from starlette.datastructures import State
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import ApiError
from serving.http.limits import RETRY_AFTER_S
from serving.http.responses import json_response
from serving.inference.pipeline import Pipeline


class Readiness:
    """ASGI middleware for /readyz. It is reached only when all is loaded and warmed up: see service.lifespan."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """state: of the app, which holds `pipeline`."""
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/readyz" or scope["method"] not in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        await _readiness(self._state.pipeline)(scope, receive, send)


def _readiness(pipeline: Pipeline) -> Response:
    """Return 200 and what runs; with the reason 503 while the index does not answer or cannot be written."""
    try:
        pipeline.check_index()
    except ApiError as error:
        content = pipeline.about() | {"error": {"type": error.kind, "message": str(error)}}
        return json_response(content, {"Retry-After": str(RETRY_AFTER_S)}, error.status)
    return json_response(pipeline.about())
