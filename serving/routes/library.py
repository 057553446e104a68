"""GET /library and /recordings/...: what the index holds, recording by recording."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from lookalike.contract import EncoderSpec
from serving.http.errors import ApiError
from serving.http.responses import json_answer
from serving.http.timeouts import within_time
from serving.inference.pipeline import Pipeline
from serving.recordings.library import Recorded
from serving.recordings.playback import Media
from serving.recordings.recordings import Recordings, not_served
from serving.recordings.thumbnails import Moment
from serving.routes.frames import FOR_EVER, is_known, picture, read_size, unchanged


@within_time
async def library(request: Request) -> Response:
    """Every recording of which a frame is stored, by camera and time."""
    gallery: Recordings = request.app.state.gallery
    pipeline: Pipeline = request.app.state.pipeline
    holdings = await gallery.library.holdings()
    found = sorted(holdings.recordings.values(), key=lambda one: (one.camera, one.began_at or "", one.source))
    content = {"space": pipeline.spec.space, "frames": holdings.frames, "recordings": [one.to_dict() for one in found]}
    return json_answer(content | _weights(pipeline.spec), {})


def _weights(spec: EncoderSpec) -> dict[str, Any]:
    """The parts of an embedding, and how they are weighed if a search does not say."""
    weights = {"crop": asdict(spec.crop), "frame": asdict(spec.frame)}
    return {"parts": [part.name for part in spec.parts], "weights": weights}


@within_time
async def thumb(request: Request) -> Response:
    """What a recording shows at a time, small."""
    gallery: Recordings = request.app.state.gallery
    size_px, time_s = read_size(request), _time_s(request)
    recording = await gallery.recording(request.path_params["source_id"])
    name = f"{recording.source_id}-{time_s:.3f}-{size_px}.jpg"
    moment = Moment(served(recording), recording.source_id, time_s)
    if is_known(request, name):
        return unchanged(name)
    return picture(await gallery.thumb(name, moment, size_px), name)


@within_time
async def about(request: Request) -> Response:
    """What is known of a recording, and what a browser plays of it; if a proxy is needed, that is begun."""
    gallery: Recordings = request.app.state.gallery
    recording = await gallery.recording(request.path_params["source_id"])
    media = await _media(gallery, recording)
    rest = {"fps": media.fps, "media": media.state, "progress": media.progress}
    return json_answer(recording.to_dict() | rest | {"reason": media.reason, "offset_s": media.offset_s}, {})


@within_time
async def media(request: Request) -> Response:
    """The recording, or its proxy, or a range of that."""
    gallery: Recordings = request.app.state.gallery
    recording = await gallery.recording(request.path_params["source_id"])
    found = await _media(gallery, recording)
    if found.state == "preparing":
        raise ApiError(503, "preparing", f"{recording.source}: being made playable, {found.progress:.0%} done")
    if found.path is None:
        raise ApiError(410, "gone", found.reason or "")
    about = await asyncio.to_thread(found.path.stat)
    headers = FOR_EVER | {"ETag": f'"{recording.source_id}-{about.st_mtime_ns}"'}
    return FileResponse(found.path, headers=headers, media_type=found.media_type, stat_result=about)


async def _media(gallery: Recordings, recording: Recorded) -> Media:
    if not recording.served:
        return Media("none", reason=not_served(recording.source))
    if recording.kind == "picture":
        return Media("none", reason=f"{recording.source}: a picture, of which nothing is played")
    return await gallery.player.media(recording.source, recording.source_id)


def served(recording: Recorded) -> str:
    """The path of a recording. Raises: ApiError 410 if it is not for clients."""
    if not recording.served:
        raise ApiError(410, "gone", not_served(recording.source))
    return recording.source


def _time_s(request: Request) -> float:
    text = request.query_params.get("t", "0")
    try:
        time_s = round(float(text), 3)
    except ValueError:
        time_s = math.nan
    if not 0 <= time_s < 1e7:
        raise ApiError(400, "bad_request", f"t is {text[:20]!r}, expected seconds into the recording")
    return time_s


ROUTES = [
    Route("/library", library),
    Route("/recordings/{source_id}", about),
    Route("/recordings/{source_id}/media", media),
    Route("/recordings/{source_id}/thumb", thumb),
]
