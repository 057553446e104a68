"""POST /pictures and GET /pictures/ID: what to search by is kept, so that a search fits in a URL."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lookalike.pixels import decode_within
from serving.answers import json_answer
from serving.bodies import Upload, read_body
from serving.frame_routes import is_known, picture, unchanged
from serving.gallery import Gallery
from serving.pipeline import Pipeline, unreadable
from serving.refusals import Refusal
from serving.routes import check_fields, within_time
from serving.stills import jpeg_of

LONGEST_PX = 1280  # far more than an encoder looks at, also of a small part


@within_time
async def keep(request: Request) -> Response:
    """An image -> what to call it in searches; upright, and no larger than is useful."""
    pipeline: Pipeline = request.app.state.pipeline
    gallery: Gallery = request.app.state.gallery
    with pipeline.held.lease() as take:
        body = await read_body(request, take)
        check_fields(body.files, [name for name, _ in body.fields], "image")
        if len(body.files) > 1:
            raise Refusal(400, "bad_request", f"{len(body.files)} images, expected one")
        async with pipeline.decoding(body.files):
            jpeg, width, height = await pipeline.aside(_made_small, body.files[0])
    return json_answer({"id": await gallery.keep(jpeg), "width": width, "height": height}, {})


@within_time
async def kept(request: Request) -> Response:
    """A picture that was sent."""
    gallery: Gallery = request.app.state.gallery
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
