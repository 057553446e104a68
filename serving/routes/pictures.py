"""POST /pictures and GET /pictures/ID: what to search by is kept, so that a search fits in a URL."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lookalike.pixels import decode_within
from serving.http.bodies import Upload, check_fields, read_body
from serving.http.errors import ApiError
from serving.http.responses import json_answer
from serving.http.timeouts import within_time
from serving.inference.pipeline import Pipeline, unreadable
from serving.recordings.recordings import Recordings
from serving.recordings.thumbnails import jpeg_of
from serving.routes.frames import is_known, picture, unchanged

LONGEST_PX = 1280  # far more than an encoder looks at, also of a small part


@within_time
async def keep(request: Request) -> Response:
    """An image -> what to call it in searches; upright, and no larger than is useful."""
    pipeline: Pipeline = request.app.state.pipeline
    gallery: Recordings = request.app.state.gallery
    with pipeline.held.lease() as take:
        body = await read_body(request, take)
        check_fields(body.files, [name for name, _ in body.fields], "image")
        if len(body.files) > 1:
            raise ApiError(400, "bad_request", f"{len(body.files)} images, expected one")
        async with pipeline.decoding(body.files):
            jpeg, width, height = await pipeline.aside(_made_small, body.files[0])
    return json_answer({"id": await gallery.keep(jpeg), "width": width, "height": height}, {})


@within_time
async def kept(request: Request) -> Response:
    """A picture that was sent."""
    gallery: Recordings = request.app.state.gallery
    picture_id = request.path_params["picture_id"]
    jpeg = await gallery.picture(picture_id)
    return unchanged(picture_id) if is_known(request, picture_id) else picture(jpeg, picture_id)


def _made_small(upload: Upload) -> tuple[bytes, int, int]:
    try:
        rgb = decode_within(upload.data, LONGEST_PX, upload.name)
    except Exception as error:
        raise unreadable(error, 0, upload.name) from error
    return jpeg_of(rgb), rgb.shape[1], rgb.shape[0]


ROUTES = [Route("/pictures", keep, methods=["POST"]), Route("/pictures/{picture_id}", kept)]
