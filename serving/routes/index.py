"""POST /index/{operation}: the index of this service, for those who cannot open it: `lookalike.index.service`.

No path that a client names is ever opened: frames that come this way are marked, and their recordings left alone.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lookalike.index.engine import Engine
from lookalike.index.operations import OPERATIONS, Operation, TooMany
from serving.http.bodies import media_type, read_bytes
from serving.http.errors import ApiError
from serving.http.limits import MAX_INDEX_BODY_BYTES
from serving.http.responses import JSON, json_answer
from serving.http.timeouts import within_time
from serving.inference.pipeline import Pipeline

TOKEN = "LOOKALIKE_TOKEN"
LINES = "application/x-ndjson"


@within_time
async def ask_index(request: Request) -> Response:
    """One operation of the engine: its arguments as JSON, and what it answered."""
    pipeline: Pipeline = request.app.state.pipeline
    name = request.path_params["operation"]
    operation = OPERATIONS.get(name)
    if operation is None:
        raise ApiError(404, "not_found", f"no operation {name!r}, expected {', '.join(OPERATIONS)}")
    if operation.writes and not pipeline.writable:
        message = "this service takes no frames; start it with `lookalike serve --writable`"
        raise ApiError(403, "read_only", message)
    arguments = await _read(request, pipeline, operation)
    if operation.lines:
        return StreamingResponse(_lines(pipeline.engine, name, arguments), media_type=LINES)

    def ask(engine: Engine) -> Any:
        return operation.answer.write(getattr(engine, name)(*arguments))

    answer = await (pipeline.write(ask) if operation.writes else pipeline.ask(ask))
    return json_answer({"answer": answer}, {})


def _lines(engine: Engine, name: str, arguments: Sequence[Any]) -> Iterator[bytes]:
    operation = OPERATIONS[name]
    assert operation.lines is not None
    for some in operation.lines(getattr(engine, name)(*arguments)):
        yield orjson.dumps(operation.answer.write(some)) + b"\n"


async def _read(request: Request, pipeline: Pipeline, operation: Operation) -> list[Any]:
    """Check who asks, and of which space, and read the arguments.

    JSON only: no page of another site can have a browser send that.
    """
    token = os.environ.get(TOKEN)
    if token and not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
        raise ApiError(401, "unauthorized", f"expected `Authorization: Bearer` with the {TOKEN} of this service")
    if media_type(request) != JSON:
        raise ApiError(
            415, "unsupported_media_type", f"the body is {media_type(request) or 'unnamed'}, expected {JSON}"
        )
    with pipeline.held.lease() as take:
        body = await read_bytes(request, take, MAX_INDEX_BODY_BYTES)
        try:
            return await pipeline.aside(_read_arguments, body, pipeline, operation)
        except TooMany as error:
            raise ApiError(413, "too_large", str(error)) from error
        except ValueError as error:
            raise ApiError(400, "bad_request", str(error)) from error


def _read_arguments(body: bytes, pipeline: Pipeline, operation: Operation) -> list[Any]:
    fields = orjson.loads(body)
    if not isinstance(fields, dict):
        raise ApiError(400, "bad_request", "the body is not a JSON object")
    space = fields.pop("space", None)
    if space != pipeline.spec.space:
        message = f"space is {str(space)[:80]!r}, this service is {pipeline.spec.space}; use the encoder that it serves"
        raise ApiError(409, "other_space", message)
    return operation.read(fields, pipeline.spec.dim)


ROUTES = [Route("/index/{operation}", ask_index, methods=["POST"])]
