"""GET /frames/...: what a stored frame shows, and what the index knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from lookalike.index import StoredFrame
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.endpoint import BAD_PARAMETER, BUSY, GONE, UNKNOWN, Endpoint
from serving.http.media_types import JPEG, JSON
from serving.http.pictures import Size, is_known, picture, unchanged
from serving.http.query import read_query
from serving.http.responses import json_response
from serving.http.schema_types import DateTime, Id, Pair
from serving.recordings.file_names import file_name
from serving.recordings.recordings import Recordings, moment_of


@dataclass(frozen=True)
class ThumbQuery:
    """The query string of a thumbnail."""

    px: Size = 320
    """Longer side, pixels."""


@dataclass(frozen=True)
class FrameResponse:
    """A stored frame."""

    id: Id
    source_id: str
    """SHA-256 of the source's bytes."""
    source: str
    """Its path, as it was indexed."""
    camera: str
    time_s: float
    """Seconds into the source."""
    span_s: Pair
    """First and last second that it stands for."""
    captured_at: DateTime | None
    region: str | None
    """x,y,w,h in shares; null for a whole frame."""
    width: int
    """Of the frame as it was recorded, pixels."""
    height: int


async def thumb(request: Request) -> Response:
    """A frame, small."""
    recordings = view_of(request).recordings
    size_px = read_query(ThumbQuery, request).px
    frame = await _frame(request, recordings)
    name, moment = f"{frame.id}-{size_px}.jpg", moment_of(frame)
    if is_known(request, name):
        return unchanged(name)
    return picture(await recordings.thumb(name, moment, size_px), name)


async def whole(request: Request) -> Response:
    """A frame as it was recorded."""
    recordings = view_of(request).recordings
    frame = await _frame(request, recordings)
    moment = moment_of(frame)
    if is_known(request, frame.id):
        return unchanged(frame.id)
    jpeg = await recordings.jpeg(moment)
    return picture(jpeg, frame.id, {"Content-Disposition": f'inline; filename="{file_name(frame)}"'})


async def about(request: Request) -> Response:
    """What is known of a frame."""
    frame = await _frame(request, view_of(request).recordings)
    response = FrameResponse(
        id=frame.id,
        source_id=frame.source_id,
        source=frame.source,
        camera=frame.camera,
        time_s=frame.time_s,
        span_s=[frame.time_s, frame.end_s],
        captured_at=frame.captured_at,
        region=frame.region,
        width=frame.width,
        height=frame.height,
    )
    return json_response(response)


async def _frame(request: Request, recordings: Recordings) -> StoredFrame:
    frame = await recordings.frame(request.path_params["frame_id"])
    note(request, camera=frame.camera)
    return frame


_THUMB_ERRORS = BAD_PARAMETER | UNKNOWN | GONE | BUSY
ENDPOINTS = (
    Endpoint("GET", "/frames/{frame_id}", "frame", "read", whole, {JPEG: bytes}, UNKNOWN | GONE | BUSY),
    Endpoint("GET", "/frames/{frame_id}/thumb", "frame_thumb", "read", thumb, {JPEG: bytes}, _THUMB_ERRORS, ThumbQuery),
    Endpoint("GET", "/frames/{frame_id}/about", "frame_about", "read", about, {JSON: FrameResponse}, UNKNOWN | BUSY),
)
