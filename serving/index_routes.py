"""POST /index/{operation}: the index of this service, for those who cannot open it: `lookalike.index.service`.

No path that a client names is ever opened: frames that come this way are marked, and their recordings left alone.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lookalike.index import is_frame_id
from lookalike.index.engine import Engine
from lookalike.index.filters import Filters
from lookalike.index.frames import LAST_FETCH
from lookalike.index.record import HIT_FIELDS, StoredFrame, check_payload
from lookalike.index.schema import first_not_unit
from lookalike.index.wire import (
    MAX_POINTS,
    number,
    pack,
    payload_of,
    read_filters,
    read_finished,
    texts,
    unpack,
    write_finished,
)
from serving.answers import JSON, json_answer
from serving.bodies import media_type, read_bytes
from serving.limits import MAX_INDEX_BODY_BYTES
from serving.pipeline import Pipeline
from serving.refusals import Refusal
from serving.routes import within_time

TOKEN = "LOOKALIKE_TOKEN"
LINES = "application/x-ndjson"
MAX_PAGE = 4096  # points of one line

Fields = Mapping[str, Any]
Ask = Callable[[Engine], dict[str, Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class Operation:
    """read: fields of a request and the length of vectors -> what to ask the engine; ValueError for what is wrong."""

    read: Callable[[Fields, int], Ask]
    writes: bool = False


@within_time
async def ask_index(request: Request) -> Response:
    """One operation of the engine: its arguments as JSON, and what it answered."""
    pipeline: Pipeline = request.app.state.pipeline
    name = request.path_params["operation"]
    if name not in OPERATIONS:
        raise Refusal(404, "not_found", f"no operation {name!r}, expected {', '.join((*STREAMED, *OPERATIONS))}")
    operation = OPERATIONS[name]
    if operation.writes and not pipeline.writable:
        message = "this service takes no frames; start it with `lookalike serve --writable`"
        raise Refusal(403, "read_only", message)
    ask = await _read(request, pipeline, operation.read)
    return json_answer(await (pipeline.write(ask) if operation.writes else pipeline.ask(ask)), {})


async def scroll(request: Request) -> Response:
    """Payloads, and `id`, of all frames that meet the conditions, some in each line."""
    pipeline: Pipeline = request.app.state.pipeline
    filters = await _read(request, pipeline, lambda fields, dim: read_filters(fields.get("where", {})))
    return StreamingResponse(_payload_lines(pipeline.engine, filters), media_type=LINES)


async def vectors(request: Request) -> Response:
    """The same with their vectors, `page` of them in each line."""
    pipeline: Pipeline = request.app.state.pipeline
    filters, page = await _read(request, pipeline, _paged)
    return StreamingResponse(_vector_lines(pipeline.engine, filters, page), media_type=LINES)


def _payload_lines(engine: Engine, filters: Filters) -> Iterator[bytes]:
    frames = engine.scroll(filters)
    while some := [_point(frame) for frame in islice(frames, MAX_POINTS)]:
        yield orjson.dumps({"points": some}) + b"\n"


def _vector_lines(engine: Engine, filters: Filters, page: int) -> Iterator[bytes]:
    for some, rows in engine.vectors(filters, page):
        yield orjson.dumps({"points": [_point(frame) for frame in some], "vectors": pack(rows)}) + b"\n"


def _paged(fields: Fields, dim: int) -> tuple[Filters, int]:
    page = number(fields.get("page"), "page")
    if not 1 <= page <= MAX_PAGE:
        raise ValueError(f"page is {page}, expected 1 to {MAX_PAGE}")
    return read_filters(fields.get("where", {})), int(page)


async def _read(request: Request, pipeline: Pipeline, read: Callable[[Fields, int], T]) -> T:
    """Check who asks, and of which space, and read what.

    JSON only: no page of another site can have a browser send that.
    """
    token = os.environ.get(TOKEN)
    if token and not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
        raise Refusal(401, "unauthorized", f"expected `Authorization: Bearer` with the {TOKEN} of this service")
    if media_type(request) != JSON:
        raise Refusal(415, "unsupported_media_type", f"the body is {media_type(request) or 'unnamed'}, expected {JSON}")
    with pipeline.held.lease() as take:
        body = await read_bytes(request, take, MAX_INDEX_BODY_BYTES)
        try:
            return await pipeline.aside(_read_fields, body, pipeline, read)
        except ValueError as error:
            raise Refusal(400, "bad_request", str(error)) from error


def _read_fields(body: bytes, pipeline: Pipeline, read: Callable[[Fields, int], T]) -> T:
    fields = orjson.loads(body)
    if not isinstance(fields, dict):
        raise Refusal(400, "bad_request", "the body is not a JSON object")
    space = fields.get("space")
    if space != pipeline.spec.space:
        message = f"space is {str(space)[:80]!r}, this service is {pipeline.spec.space}; use the encoder that it serves"
        raise Refusal(409, "other_space", message)
    return read(fields, pipeline.spec.dim)


def _ids(fields: Fields) -> list[str]:
    ids = list(texts(fields.get("ids"), "ids"))
    if len(ids) > MAX_POINTS:
        raise Refusal(413, "too_large", f"{len(ids)} points in one request, at most {MAX_POINTS}")
    for one in ids:
        if not is_frame_id(one):
            raise ValueError(f"{one[:50]!r} is no id of a frame")
    return ids


def _check_unit(vectors: np.ndarray) -> None:
    if (row := first_not_unit(vectors)) is not None:
        raise ValueError(f"vector {row} has length {np.linalg.norm(vectors[row])}, expected 1")


def _text(fields: Fields, name: str) -> str:
    return texts([fields.get(name)], name)[0]


def _point(frame: StoredFrame) -> tuple[str, dict[str, Any]]:
    return frame.id, payload_of(frame)


def _upsert(fields: Fields, dim: int) -> Ask:
    ids, payloads = _ids(fields), fields.get("payloads")
    if not isinstance(payloads, list) or len(payloads) != len(ids):
        raise ValueError(f"expected {len(ids)} payloads, one for each id")
    for one in payloads:
        check_payload(one)
    vectors = unpack(fields.get("vectors"), len(ids), dim)
    _check_unit(vectors)
    frames = [
        StoredFrame.from_payload(one, payload | {"remote": True}) for one, payload in zip(ids, payloads, strict=True)
    ]
    return lambda engine: _done(engine.upsert(frames, vectors))


def _existing(fields: Fields, dim: int) -> Ask:
    ids = _ids(fields)
    return lambda engine: {"ids": sorted(engine.existing(ids))}


def _points(fields: Fields, dim: int) -> Ask:
    ids = _ids(fields)

    def ask(engine: Engine) -> dict[str, Any]:
        found = engine.points(ids)
        vectors = np.array([vector for vector, _ in found.values()], np.float32)
        return {"points": [_point(frame) for _, frame in found.values()], "vectors": pack(vectors)}

    return ask


def _nearest(fields: Fields, dim: int) -> Ask:
    vector, filters = unpack(fields.get("vectors"), 1, dim)[0], read_filters(fields.get("where", {}))
    _check_unit(vector[None])
    limit, min_score = number(fields.get("limit"), "limit"), fields.get("min_score")
    if not 1 <= limit <= LAST_FETCH:
        raise ValueError(f"limit is {limit}, expected 1 to {LAST_FETCH}")
    if min_score is not None:
        number(min_score, "min_score")

    def ask(engine: Engine) -> dict[str, Any]:
        found = engine.nearest(vector, int(limit), filters, min_score)
        return {
            "points": [
                (one.frame.id, one.score, {name: getattr(one.frame, name) for name in HIT_FIELDS}) for one in found
            ]
        }

    return ask


def _delete(fields: Fields, dim: int) -> Ask:
    filters = read_filters(fields.get("where"))
    return lambda engine: _done(engine.delete(filters))


def _rename(fields: Fields, dim: int) -> Ask:
    source_id, told = _text(fields, "source_id"), fields.get("fields")
    if not isinstance(told, dict) or told.keys() != {"source", "camera"}:
        raise ValueError("fields is no object of source and camera")
    source, camera = _text(told, "source"), _text(told, "camera")
    return lambda engine: _done(engine.rename(source_id, source, camera, remote=True))


def _finished(fields: Fields, dim: int) -> Ask:
    source_id, sampler = _text(fields, "source_id"), _text(fields, "sampler")

    def ask(engine: Engine) -> dict[str, Any]:
        found = engine.finished(source_id, sampler)
        return {"finished": write_finished(found) if found else None}

    return ask


def _finish(fields: Fields, dim: int) -> Ask:
    entries = fields.get("finished")
    if not isinstance(entries, list) or len(entries) > MAX_POINTS:
        raise ValueError(f"finished is no list of at most {MAX_POINTS}")
    done = [read_finished(one) for one in entries]
    return lambda engine: _done(engine.finish(done))


def _all_finished(fields: Fields, dim: int) -> Ask:
    return lambda engine: {"finished": [write_finished(one) for one in engine.all_finished()]}


def _unfinish(fields: Fields, dim: int) -> Ask:
    source_ids = texts(fields.get("source_ids"), "source_ids")
    return lambda engine: _done(engine.unfinish(source_ids))


def _done(nothing: None) -> dict[str, Any]:
    return {}


OPERATIONS = {
    "existing": Operation(_existing),
    "points": Operation(_points),
    "nearest": Operation(_nearest),
    "finished": Operation(_finished),
    "all_finished": Operation(_all_finished),
    "count": Operation(lambda fields, dim: lambda engine: {"points": engine.count()}),
    "upsert": Operation(_upsert, writes=True),
    "delete": Operation(_delete, writes=True),
    "rename": Operation(_rename, writes=True),
    "finish": Operation(_finish, writes=True),
    "unfinish": Operation(_unfinish, writes=True),
    "flush": Operation(lambda fields, dim: lambda engine: _done(engine.flush()), writes=True),
    "optimize": Operation(lambda fields, dim: lambda engine: _done(engine.optimize()), writes=True),
}

STREAMED = {"scroll": scroll, "vectors": vectors}

ROUTES = [
    *(Route(f"/index/{name}", handler, methods=["POST"]) for name, handler in STREAMED.items()),
    Route("/index/{operation}", ask_index, methods=["POST"]),
]
