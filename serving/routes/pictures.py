"""POST /pictures and GET /pictures/ID: uploaded pictures are kept, so that a search fits in a URL."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from lookalike.pixels import decode_within
from serving.auth.views import view_of
from serving.http.bodies import Upload, check_fields, read_body
from serving.http.endpoint import BUSY, RAW_IMAGE, Endpoint
from serving.http.errors import ApiError
from serving.http.limits import HEAVY_PIXELS
from serving.http.media_types import JPEG, JSON, MULTIPART
from serving.http.pictures import is_known, picture, unchanged
from serving.http.responses import json_response
from serving.inference.pipeline import unreadable
from serving.media.jpeg import jpeg_of

LONGEST_PX = 1280  # far more than an encoder takes in, also of a small region


@dataclass(frozen=True)
class PictureForm:
    """A picture as a file."""

    image: bytes


@dataclass(frozen=True)
class PictureResponse:
    """A picture that is kept: upright, and no side longer than needed."""

    id: str
    width: int
    height: int


async def keep(request: Request) -> Response:
    """Keep a picture, so that searches can name it as picture:ID."""
    pipeline = view_of(request).pipeline
    recordings = view_of(request).recordings
    with pipeline.upload_budget.lease() as lease:
        body = await read_body(request, lease)
        check_fields(body.files, [name for name, _ in body.fields], "image")
        if len(body.files) > 1:
            raise ApiError(400, "bad_request", f"{len(body.files)} images, expected one")
        [cost] = await pipeline.costs(body.files)
        jpeg, width, height = await pipeline.run_in_thread(_made_small, body.files[0], heavy=cost > HEAVY_PIXELS)
    return json_response(PictureResponse(await recordings.keep(jpeg), width, height))


async def kept(request: Request) -> Response:
    """A picture that was sent."""
    recordings = view_of(request).recordings
    picture_id = request.path_params["picture_id"]
    jpeg = await recordings.picture(picture_id)
    return unchanged(picture_id) if is_known(request, picture_id) else picture(jpeg, picture_id)


def _made_small(upload: Upload) -> tuple[bytes, int, int]:
    """JPEG, width and height."""
    try:
        rgb = decode_within(upload.data, LONGEST_PX, upload.name)
    except Exception as error:
        raise unreadable(error, 0, upload.name) from error
    return jpeg_of(rgb), rgb.shape[1], rgb.shape[0]


ENDPOINTS = (
    Endpoint(
        "POST",
        "/pictures",
        "keep_picture",
        "read",
        keep,
        {JSON: PictureResponse},
        {400: "Not an image", 413: "Too large", 415: "Neither a form nor an image"} | BUSY,
        body={MULTIPART: PictureForm, **RAW_IMAGE},
    ),
    Endpoint(
        "GET",
        "/pictures/{picture_id}",
        "picture",
        "read",
        kept,
        {JPEG: bytes},
        {404: "The picture is no longer kept"} | BUSY,
    ),
)
