"""POST /index/{operation}: the index of this service, for processes that cannot open it: `lookalike.index.service`.

No path that a client names is ever opened: frames that come this way are marked, and their recordings are not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lookalike.files.printable import short
from lookalike.index import Filters
from lookalike.index.operations import ALL, OPERATIONS, Operation, TooMany, is_everything
from lookalike.index.wire import write_filters
from lookalike.keys import Scope
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.bodies import Lease, check_json, read_bytes
from serving.http.endpoint import BUSY, Endpoint
from serving.http.errors import ApiError
from serving.http.json_bodies import load_object
from serving.http.limits import MAX_INDEX_BODY_BYTES, RETRY_AFTER_S
from serving.http.media_types import JSON, LINES
from serving.http.responses import json_response
from serving.inference.backlog import Busy
from serving.inference.operations import operation_lines, run_operation
from serving.inference.pipeline import Pipeline

OVER_ALL = ("count", "source_records")  # operations that may look at all frames


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
    pipeline = view_of(request).pipeline
    name = request.path_params["operation"]
    operation = OPERATIONS.get(name)
    if operation is None:
        raise ApiError(404, "not_found", f"no operation {name!r}, expected {', '.join(OPERATIONS)}")
    if operation.writes and not pipeline.writable:
        message = "this service takes no frames; start it with `lookalike serve --writable`"
        raise ApiError(403, "read_only", message)
    with pipeline.upload_budget.lease() as lease:  # until it is done: changes wait for each other
        arguments = await _read(request, lease, pipeline, operation)
        note(request, **_noted(operation, arguments))
        if operation.lines:
            lines = operation_lines(pipeline.index, name, arguments)
            first = await _next_line(pipeline, lines)  # an index that does not answer is a 503, not half a response
            return StreamingResponse(_rest(pipeline, first, lines), media_type=LINES)
        run = partial(run_operation, name=name, arguments=arguments)
        answer = await (pipeline.write(run) if operation.writes else pipeline.ask(run, heavy=name in OVER_ALL))
    if name == "upsert":
        pipeline.note_stored(arguments[0])
    return json_response(IndexAnswer(answer))


async def _rest(pipeline: Pipeline, line: bytes, lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The first line and those after it. Retries while the service is busy: the response has begun."""
    while line:
        yield line
        while True:
            try:
                line = await _next_line(pipeline, lines)
                break
            except Busy:
                await asyncio.sleep(RETRY_AFTER_S)


async def _next_line(pipeline: Pipeline, lines: Iterator[bytes]) -> bytes:
    """The next line; empty after the last. Raises: as `Pipeline.ask`; Busy, and then no line is lost."""
    return await pipeline.ask(lambda index: next(lines, b""))


async def _read(request: Request, lease: Lease, pipeline: Pipeline, operation: Operation) -> Sequence[Any]:
    """Check the space, and read the arguments."""
    check_json(request)
    body = await read_bytes(request, lease, MAX_INDEX_BODY_BYTES)
    try:
        return await pipeline.run_in_thread(_read_arguments, body, pipeline, operation)
    except TooMany as error:
        raise ApiError(413, "too_large", str(error)) from error
    except ValueError as error:
        raise ApiError(400, "bad_request", str(error)) from error


def _read_arguments(body: bytes, pipeline: Pipeline, operation: Operation) -> Sequence[Any]:
    fields = load_object(body)
    space = fields.pop("space", None)
    if space != pipeline.spec.space:
        message = (
            f"space is {short(space, 80)!r}, this service is {pipeline.spec.space}; use the encoder that it serves"
        )
        raise ApiError(409, "other_space", message)
    if operation is not OPERATIONS["delete"]:
        return operation.read(fields, pipeline.spec.dim)
    is_confirmed = fields.pop(ALL, None) is True
    arguments = operation.read(fields, pipeline.spec.dim)
    if is_everything(arguments[0]) and not is_confirmed:
        raise ApiError(400, "bad_request", f'no conditions: this removes all frames; say so with "{ALL}": true')
    return arguments


def scope_of(variables: Mapping[str, str]) -> Scope:
    """What a key needs for an operation."""
    operation = OPERATIONS.get(variables["operation"])
    return "write" if operation and operation.writes else "read"


def _noted(operation: Operation, arguments: Sequence[Any]) -> dict[str, Any]:
    """The arguments for the audit log: of frames, records and vectors how many there are."""
    noted: dict[str, Any] = {}
    for name, argument in zip(operation.arguments, arguments, strict=True):
        if isinstance(argument, Filters):
            noted[name] = {field: value for field, value in write_filters(argument).items() if value}
        elif name in ("frames", "records"):
            noted[name] = len(argument)
        elif name not in ("vector", "vectors"):
            noted[name] = argument
    return noted


ENDPOINTS = (
    Endpoint(
        "POST",
        "/index/{operation}",
        "ask_index",
        scope_of,
        ask_index,
        {JSON: IndexAnswer, LINES: bytes},
        BUSY
        | {
            400: "An argument is invalid",
            403: "The service was started without --writable, or the key lacks the scope",
            404: "There is no such operation",
            409: "The service has no index, or one of another space",
            413: "The body is too large, or has too many frames",
            415: "The body is not JSON",
            507: "Too little room on the disk of the index; searches are still answered",
        },
        body={JSON: IndexRequest},
        choices={"operation": OPERATIONS},
    ),
)
