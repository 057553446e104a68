"""POST /index/{operation}: the index of this service, for processes that cannot open it: `lookalike.index.service`.

No path that a client names is ever opened: frames that come this way are marked, and their recordings are not read.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lookalike.index.operations import OPERATIONS, Operation, TooMany
from lookalike.printable import short
from serving.http.bodies import check_json, read_bytes
from serving.http.endpoint import BUSY, Endpoint
from serving.http.errors import ApiError
from serving.http.limits import MAX_INDEX_BODY_BYTES
from serving.http.media_types import JSON, LINES
from serving.http.responses import json_response
from serving.inference.operations import operation_lines, run_operation
from serving.inference.pipeline import Pipeline

TOKEN = "LOOKALIKE_TOKEN"


@dataclass(frozen=True)
class IndexRequest:
    """The space, and the arguments of the operation as further fields."""

    space: str
    """Of the client's encoder."""


@dataclass(frozen=True)
class IndexAnswer:
    """What the operation returned."""

    answer: Any


async def ask_index(request: Request) -> Response:
    """The index, for `lookalike --index http://...`

    One operation of an engine of lookalike.index, in the format of lookalike.index.service. Operations that change the
    index need `lookalike serve --writable`. Results of unlimited length are JSON lines.
    """
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
        return StreamingResponse(operation_lines(pipeline.index, name, arguments), media_type=LINES)
    run = partial(run_operation, name=name, arguments=arguments)
    return json_response(IndexAnswer(await (pipeline.write(run) if operation.writes else pipeline.ask(run))))


async def _read(request: Request, pipeline: Pipeline, operation: Operation) -> Sequence[Any]:
    """Check the token and the space, and read the arguments.

    JSON only: a page of another site cannot make a browser send that.
    """
    token = os.environ.get(TOKEN)
    if token and not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
        raise ApiError(401, "unauthorized", f"expected `Authorization: Bearer` with the {TOKEN} of this service")
    check_json(request)
    with pipeline.upload_budget.lease() as reserve:
        body = await read_bytes(request, reserve, MAX_INDEX_BODY_BYTES)
        try:
            return await pipeline.run_in_thread(_read_arguments, body, pipeline, operation)
        except TooMany as error:
            raise ApiError(413, "too_large", str(error)) from error
        except ValueError as error:
            raise ApiError(400, "bad_request", str(error)) from error


def _read_arguments(body: bytes, pipeline: Pipeline, operation: Operation) -> Sequence[Any]:
    fields = orjson.loads(body)
    if not isinstance(fields, dict):
        raise ApiError(400, "bad_request", "the body is not a JSON object")
    space = fields.pop("space", None)
    if space != pipeline.spec.space:
        message = (
            f"space is {short(space, 80)!r}, this service is {pipeline.spec.space}; use the encoder that it serves"
        )
        raise ApiError(409, "other_space", message)
    return operation.read(fields, pipeline.spec.dim)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/index/{operation}",
        "ask_index",
        ask_index,
        {JSON: IndexAnswer, LINES: bytes},
        BUSY
        | {
            400: "An argument is invalid",
            401: f"{TOKEN} is set here, and was not sent",
            403: "The service was started without --writable",
            404: "There is no such operation",
            409: "The service has no index, or one of another space",
            413: "The body is too large, or has too many frames",
            415: "The body is not JSON",
        },
        body={JSON: IndexRequest},
        choices={"operation": OPERATIONS},
    ),
)
