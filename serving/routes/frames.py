"""GET /frames/...: what a stored frame shows, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lookalike.index import StoredFrame
from serving.http.errors import ApiError
from serving.http.responses import json_answer
from serving.http.timeouts import within_time
from serving.recordings.recordings import Recordings, moment_of

SIZES_PX = (160, 320, 640)
# The ids of frames and recordings are made from their content. Other sites may not show what they are asked for.
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "same-origin"}


@within_time
async def thumb(request: Request) -> Response:
    """The frame, small."""
    gallery: Recordings = request.app.state.gallery
    size_px = read_size(request)
    frame = await gallery.frame(request.path_params["frame_id"])
    name, moment = f"{frame.id}-{size_px}.jpg", moment_of(frame)
    if is_known(request, name):
        return unchanged(name)
    return picture(await gallery.thumb(name, moment, size_px), name)


@within_time
async def whole(request: Request) -> Response:
    """The frame as it was recorded."""
    gallery: Recordings = request.app.state.gallery
    frame = await gallery.frame(request.path_params["frame_id"])
    moment = moment_of(frame)
    if is_known(request, frame.id):
        return unchanged(frame.id)
    jpeg = await gallery.still(moment)
    return picture(jpeg, frame.id, {"Content-Disposition": f'inline; filename="{file_name(frame)}"'})


@within_time
async def about(request: Request) -> Response:
    """As a hit, without what it was compared with."""
    gallery: Recordings = request.app.state.gallery
    frame = await gallery.frame(request.path_params["frame_id"])
    same = ("id", "source_id", "source", "camera", "time_s", "captured_at", "region", "width", "height")
    known = {name: getattr(frame, name) for name in same}
    return json_answer(known | {"span_s": [frame.time_s, frame.end_s]}, {})


def file_name(frame: StoredFrame) -> str:
    """What to save a frame as: `gate_2026-01-05T08-00-12.5Z.jpg`, or `gate_clip_12.5s.jpg` where it has no date."""
    if frame.captured_at:
        moment = datetime.fromisoformat(frame.captured_at)
        fraction = f"{moment.microsecond / 1e6:.3f}".rstrip("0").rstrip(".")[1:]
        when = f"{moment:%Y-%m-%dT%H-%M-%S}{fraction}Z"
    else:
        when = f"{Path(frame.source).stem}_{round(frame.time_s, 3):g}s"
    plain = f"{frame.camera}_{when}".encode("ascii", "replace").decode()
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in plain) + ".jpg"


def read_size(request: Request) -> int:
    """`px`. Raises: ApiError 400."""
    text = request.query_params.get("px", "320")
    if text not in map(str, SIZES_PX):
        raise ApiError(400, "bad_request", f"px is {text[:20]!r}, expected one of {', '.join(map(str, SIZES_PX))}")
    return int(text)


def is_known(request: Request, name: str) -> bool:
    """Whether the client has the picture of this name."""
    return f'"{name}"' in request.headers.get("if-none-match", "")


def unchanged(name: str) -> Response:
    return Response(status_code=304, headers=FOR_EVER | {"ETag": f'"{name}"'})


def picture(jpeg: bytes, name: str, headers: Mapping[str, str] = FOR_EVER) -> Response:
    return Response(jpeg, media_type="image/jpeg", headers={**FOR_EVER, **headers, "ETag": f'"{name}"'})


ROUTES = [
    Route("/frames/{frame_id}", whole),
    Route("/frames/{frame_id}/thumb", thumb),
    Route("/frames/{frame_id}/about", about),
]
