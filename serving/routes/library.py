"""GET /library and /recordings/...: what the index holds, recording by recording."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from lookalike.footage.playable import CODECS
from lookalike.parts import Weights
from lookalike.search_fields import Range
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.endpoint import BAD_PARAMETER, BUSY, GONE, NO_INDEX, UNKNOWN, Endpoint
from serving.http.errors import ApiError
from serving.http.media_types import JPEG, JSON
from serving.http.pictures import FOR_EVER, Size, is_known, picture, unchanged
from serving.http.query import read_query
from serving.http.responses import json_response
from serving.recordings.library import Recording
from serving.recordings.playback import Media, State
from serving.recordings.recordings import Recordings, not_served
from serving.recordings.thumbnails import Moment


@dataclass(frozen=True)
class MomentQuery:
    """The query string of a recording's thumbnail."""

    t: Annotated[float, Range(0, 1e7, below=True)] = 0.0
    """Seconds into the recording."""
    px: Size = 320
    """Longer side, pixels."""


@dataclass(frozen=True)
class UsualWeights:
    """The weights that a search has if it does not state them."""

    crop: Weights
    """Of a region of a picture."""
    frame: Weights
    """Of a whole picture."""


@dataclass(frozen=True)
class LibraryResponse:
    """All that is stored."""

    space: str
    """Of the embeddings."""
    frames: int
    """How many are stored, regions not counted."""
    recordings: list[Recording]
    """By camera and time."""
    parts: list[str]
    """Of an embedding; empty if it has one."""
    weights: UsualWeights


@dataclass
class MediaResponse(Recording):
    """A recording, and what a browser plays of it."""

    fps: float | None
    media: State
    progress: float
    """Of making a proxy, 0 to 1."""
    reason: str | None
    """Why it cannot be played."""
    offset_s: float
    """How far a browser's currentTime is ahead of time_s."""


async def library(request: Request) -> Response:
    """Every recording of which a frame is stored."""
    recordings = view_of(request).recordings
    pipeline = view_of(request).pipeline
    holdings, spec = await recordings.library.holdings(), pipeline.spec
    response = LibraryResponse(
        space=spec.space,
        frames=holdings.frames,
        recordings=sorted(holdings.recordings.values(), key=_by_camera_and_time),
        parts=[part.name for part in spec.parts],
        weights=UsualWeights(spec.crop, spec.frame),
    )
    return json_response(response)


def _by_camera_and_time(recording: Recording) -> tuple[str, str, str]:
    return recording.camera, recording.began_at or "", recording.source


async def thumb(request: Request) -> Response:
    """A recording at a time, small."""
    recordings = view_of(request).recordings
    query = read_query(MomentQuery, request)
    time_s = round(query.t, 3)
    recording = await _recording(request, recordings)
    name = f"{recording.source_id}-{time_s:.3f}-{query.px}.jpg"
    moment = Moment(_served(recording), recording.source_id, time_s)
    if is_known(request, name):
        return unchanged(name)
    return picture(await recordings.thumb(name, moment, query.px), name)


async def about(request: Request) -> Response:
    """A recording, and whether a browser plays it.

    If a proxy is needed, the service begins to make it.
    """
    recordings = view_of(request).recordings
    recording = await _recording(request, recordings)
    media = await _media(recordings, recording)
    response = MediaResponse(
        **vars(recording),
        fps=media.fps,
        media=media.state,
        progress=media.progress,
        reason=media.reason,
        offset_s=media.offset_s,
    )
    return json_response(response)


async def media(request: Request) -> Response:
    """A recording as browsers play it, by ranges."""
    recordings = view_of(request).recordings
    recording = await _recording(request, recordings)
    media = await _media(recordings, recording)
    if media.state == "preparing":
        raise ApiError(503, "preparing", f"{recording.source}: being made playable, {media.progress:.0%} done")
    if media.path is None:
        raise ApiError(410, "gone", media.reason or "")
    status = await asyncio.to_thread(media.path.stat)
    headers = FOR_EVER | {"ETag": f'"{recording.source_id}-{status.st_mtime_ns}"'}
    return FileResponse(media.path, headers=headers, media_type=media.media_type, stat_result=status)


async def _recording(request: Request, recordings: Recordings) -> Recording:
    recording = await recordings.recording(request.path_params["source_id"])
    note(request, camera=recording.camera)
    return recording


async def _media(recordings: Recordings, recording: Recording) -> Media:
    if not recording.served:
        return Media("none", reason=not_served(recording.source))
    if recording.kind == "picture":
        return Media("none", reason=f"{recording.source}: a picture, which cannot be played")
    return await recordings.player.media(recording.source, recording.source_id)


def _served(recording: Recording) -> str:
    """The path of a recording. Raises: ApiError 410 if it is not for clients."""
    if not recording.served:
        raise ApiError(410, "gone", not_served(recording.source))
    return recording.source


_PREPARING = {416: "The range is out of bounds", 503: "Being made playable; see Retry-After"}
ENDPOINTS = (
    Endpoint("GET", "/library", "library", "read", library, {JSON: LibraryResponse}, NO_INDEX | BUSY),
    Endpoint("GET", "/recordings/{source_id}", "recording", "read", about, {JSON: MediaResponse}, UNKNOWN | BUSY),
    Endpoint(
        "GET",
        "/recordings/{source_id}/media",
        "recording_media",
        "read",
        media,
        dict.fromkeys(CODECS, bytes),
        UNKNOWN | GONE | BUSY | _PREPARING,
    ),
    Endpoint(
        "GET",
        "/recordings/{source_id}/thumb",
        "recording_thumb",
        "read",
        thumb,
        {JPEG: bytes},
        BAD_PARAMETER | UNKNOWN | GONE | BUSY,
        query=MomentQuery,
    ),
)
