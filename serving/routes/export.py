"""POST /export: frames to download, as pictures in a zip with a table of them."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lookalike.index import StoredFrame
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.bodies import media_type, read_body, read_bytes
from serving.http.endpoint import BUSY, NO_INDEX, Endpoint
from serving.http.errors import ApiError
from serving.http.limits import MAX_EXPORT, MAX_TEXT_BYTES, RETRY_AFTER_S
from serving.http.media_types import FORM, MULTIPART, ZIP
from serving.inference.backlog import Busy
from serving.inference.pipeline import Pipeline
from serving.recordings.file_names import file_name
from serving.recordings.recordings import Recordings, moment_of, unknown_frame

COLUMNS = ("id", "camera", "captured_at", "source", "time_s")


@dataclass(frozen=True)
class ExportForm:
    """Frames to export."""

    id: Annotated[list[str], Field(min_length=1, max_length=MAX_EXPORT)]
    """Ids of hits; repeated for each frame."""


async def export(request: Request) -> Response:
    """Frames as pictures in a zip, with a table of them.

    Each frame is as it was recorded. The zip is sent while it is made; a frame that fails has a line in errors.txt.
    """
    pipeline = view_of(request).pipeline
    pipeline.index  # noqa: B018 (fails before the body is read)
    recordings, frame_ids = view_of(request).recordings, await _read_ids(request, pipeline)
    note(request, ids=frame_ids)
    frames = await recordings.frames(frame_ids)  # before anything is sent: an index that does not answer is a 503
    headers = {"Content-Disposition": 'attachment; filename="lookalike.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(_zip(recordings, frame_ids, frames), media_type=ZIP, headers=headers)


async def _read_ids(request: Request, pipeline: Pipeline) -> list[str]:
    with pipeline.upload_budget.lease() as lease:
        if media_type(request) == FORM:
            body = await read_bytes(request, lease, MAX_TEXT_BYTES)
            fields = parse_qsl(body.decode("ascii", "replace"))
        else:
            fields = (await read_body(request, lease)).fields
    if unknown := next((name for name, _ in fields if name != "id"), None):
        raise ApiError(400, "bad_request", f"unknown field {unknown[:50]!r}, expected id")
    if not 1 <= len(fields) <= MAX_EXPORT:
        raise ApiError(400, "bad_request", f"{len(fields)} ids, expected 1 to {MAX_EXPORT}")
    return [value for _, value in fields]


class _Buffer(io.RawIOBase):
    """Collects the bytes that zipfile writes until they are sent."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


async def _zip(
    recordings: Recordings, frame_ids: Sequence[str], frames: Mapping[str, StoredFrame]
) -> AsyncIterator[bytes]:
    """frames: by id, those that are stored."""
    buffer, errors, listed = _Buffer(), list[str](), list[StoredFrame]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, frame_id in enumerate(frame_ids, start=1):
            try:
                if (frame := frames.get(frame_id)) is None:
                    raise unknown_frame(frame_id)
                listed.append(frame)
                archive.writestr(f"{number:03}_{file_name(frame)}", await _jpeg(recordings, frame))
                yield buffer.take()
            except ApiError as error:
                errors.append(f"{number:03} {frame_id[:100]}: {error}")
        archive.writestr("hits.csv", _table(listed))
        if errors:
            archive.writestr("errors.txt", "\n".join(errors) + "\n")
    yield buffer.take()


async def _jpeg(recordings: Recordings, frame: StoredFrame) -> bytes:
    """Retries while the service is busy: the response has begun, so it cannot be a 503."""
    while True:
        try:
            return await recordings.jpeg(moment_of(frame))
        except Busy:
            await asyncio.sleep(RETRY_AFTER_S)


def _table(frames: Sequence[StoredFrame]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(frame, column) for column in COLUMNS] for frame in frames)
    return text.getvalue()


ENDPOINTS = (
    Endpoint(
        "POST",
        "/export",
        "export",
        "read",
        export,
        {ZIP: bytes},
        NO_INDEX | {400: "Not a list of ids", 413: "Too large", 415: "Not a form"} | BUSY,
        body={FORM: ExportForm, MULTIPART: ExportForm},
    ),
)
