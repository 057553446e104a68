"""POST /export: frames to take away, as pictures in a zip with a table of them."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lookalike.index import StoredFrame
from serving.http.bodies import media_type, read_body, read_bytes
from serving.http.errors import ApiError
from serving.http.limits import MAX_EXPORT, MAX_TEXT_BYTES, RETRY_AFTER_S
from serving.http.timeouts import within_time
from serving.inference.batching import Busy
from serving.inference.pipeline import Pipeline
from serving.recordings.recordings import Recordings, moment_of
from serving.routes.frames import file_name

COLUMNS = ("id", "camera", "captured_at", "source", "time_s")
FORM = "application/x-www-form-urlencoded"


@within_time
async def export(request: Request) -> Response:
    """The frames of some ids, each as it was recorded; sent while they are cut."""
    pipeline: Pipeline = request.app.state.pipeline
    pipeline.index  # noqa: B018 (refused before anything is sent)
    frame_ids = await _read_ids(request, pipeline)
    headers = {"Content-Disposition": 'attachment; filename="lookalike.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(_zip(request.app.state.gallery, frame_ids), media_type="application/zip", headers=headers)


async def _read_ids(request: Request, pipeline: Pipeline) -> list[str]:
    with pipeline.held.lease() as take:
        if media_type(request) == FORM:
            body = await read_bytes(request, take, MAX_TEXT_BYTES)
            fields = parse_qsl(body.decode("ascii", "replace"))
        else:
            fields = (await read_body(request, take)).fields
    if other := next((name for name, _ in fields if name != "id"), None):
        raise ApiError(400, "bad_request", f"unknown field {other[:50]!r}, expected id")
    if not 1 <= len(fields) <= MAX_EXPORT:
        raise ApiError(400, "bad_request", f"{len(fields)} ids, expected 1 to {MAX_EXPORT}")
    return [value for _, value in fields]


class _Sent(io.RawIOBase):
    """Takes what a zip consists of, to be sent on."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


async def _zip(gallery: Recordings, frame_ids: Sequence[str]) -> AsyncIterator[bytes]:
    sent, errors, frames = _Sent(), list[str](), list[StoredFrame]()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for number, frame_id in enumerate(frame_ids, start=1):
            try:
                frame = await gallery.frame(frame_id)
                frames.append(frame)
                archive.writestr(f"{number:03}_{file_name(frame)}", await _cut(gallery, frame))
                yield sent.taken()
            except ApiError as refusal:
                errors.append(f"{number:03} {frame_id[:100]}: {refusal}")
        archive.writestr("hits.csv", _table(frames))
        if errors:
            archive.writestr("errors.txt", "\n".join(errors) + "\n")
    yield sent.taken()


async def _cut(gallery: Recordings, frame: StoredFrame) -> bytes:
    """What is sent has begun, so that being busy is waited for."""
    while True:
        try:
            return await gallery.still(moment_of(frame))
        except Busy:
            await asyncio.sleep(RETRY_AFTER_S)


def _table(frames: Sequence[StoredFrame]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(frame, column) for column in COLUMNS] for frame in frames)
    return text.getvalue()


ROUTES = [Route("/export", export, methods=["POST"])]
