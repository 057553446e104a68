"""The routes: /embed, the same as OpenAI's clients ask for it, /search, and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from serving.answers import JSON, embeddings_answer, json_answer, openai_answer
from serving.bodies import Upload, media_type, read_body, read_bytes
from serving.examples import Examples
from serving.json_images import ANY_MODEL, OPENAI_FIELDS, OWN_FIELDS, ImagesAsked, check_format, read_images
from serving.limits import MAX_BODY_BYTES, MAX_TEXT_BYTES, TIMEOUT_S
from serving.pipeline import Pipeline
from serving.query import read_json, read_request
from serving.refusals import Refusal

PAGES = Path(__file__).parent / "ui"
# The pages load nothing from elsewhere, and the browser holds them to it.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob:",
    "Cache-Control": "no-cache",
}

Handler = Callable[[Request], Awaitable[Response]]


def within_time(handler: Handler) -> Handler:
    """Past TIMEOUT_S answer 504, and drop what of the work still waits: BentoML's own limit would let it run on."""

    @wraps(handler)
    async def limited(request: Request) -> Response:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await handler(request)
        except TimeoutError as error:
            raise Refusal(504, "timeout", f"not done within {TIMEOUT_S:g} s") from error

    return limited


@within_time
async def embed(request: Request) -> Response:
    """Images -> embeddings, all of them or none."""
    pipeline: Pipeline = request.app.state.pipeline
    check_format(encoding_format := request.query_params.get("encoding_format"))
    with pipeline.held.lease() as take:
        if media_type(request) == JSON:
            body = await read_bytes(request, take, MAX_BODY_BYTES)
            asked = await pipeline.aside(read_images, body, OWN_FIELDS, "images")
            uploads, encoding_format = asked.uploads, asked.encoding_format or encoding_format
        else:
            form = await read_body(request, take)
            check_fields(form.files, [name for name, _ in form.fields], "images")
            uploads = form.files
        embeddings = await pipeline.embed(uploads)
    return embeddings_answer(embeddings, pipeline.spec, request.headers.get("accept", ""), encoding_format)


@within_time
async def openai_embeddings(request: Request) -> Response:
    """The same for OpenAI's clients: `input` is one image or a list, as data URLs."""
    pipeline: Pipeline = request.app.state.pipeline
    if media_type(request) != JSON:
        raise Refusal(415, "unsupported_media_type", f"the body is {media_type(request) or 'unnamed'}, expected {JSON}")
    with pipeline.held.lease() as take:
        body = await read_bytes(request, take, MAX_BODY_BYTES)
        asked = await pipeline.aside(read_images, body, OPENAI_FIELDS, "input")
        _check_model(asked, pipeline)
        embeddings = await pipeline.embed(asked.uploads)
    return openai_answer(embeddings, pipeline.spec, asked.encoding_format)


@within_time
async def search(request: Request) -> Response:
    """An image, the id of a stored frame, or other examples -> hits."""
    pipeline: Pipeline = request.app.state.pipeline
    fields = request.query_params.multi_items()
    with pipeline.held.lease() as take:
        if media_type(request) == JSON:
            files, fields = [], fields + read_json(await read_bytes(request, take, MAX_TEXT_BYTES))
        else:
            body = await read_body(request, take)
            files, fields = body.files, fields + body.fields
        if files:
            check_fields(files, [], "image")
        asked = read_request(fields, len(files))
        examples = Examples(pipeline, request.app.state.gallery, files[0] if files else None)
        hits = await pipeline.search(await examples.embedded(asked))
    return json_answer({"space": pipeline.spec.space, "hits": [hit.to_dict() for hit in hits]}, {})


async def search_page(request: Request) -> Response:
    return FileResponse(PAGES / "index.html", headers=PAGE_HEADERS)


class PageFiles(StaticFiles):
    """What the page is made of."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers.update(PAGE_HEADERS)
        return response


async def api_page(request: Request) -> Response:
    return FileResponse(PAGES / "api.html", headers=PAGE_HEADERS)


def _check_model(asked: ImagesAsked, pipeline: Pipeline) -> None:
    """Vectors of another encoder, or of another length, are not passed off as what was asked for."""
    spec, model = pipeline.spec, asked.rest.get("model")
    if model not in (None, ANY_MODEL, spec.name, spec.space):
        message = f"model {str(model)[:80]!r} is not here, this is {spec.space}; {ANY_MODEL!r} takes what there is"
        raise Refusal(404, "not_found", message)
    if asked.rest.get("dimensions") not in (None, spec.dim):
        dimensions = str(asked.rest["dimensions"])[:20]
        raise Refusal(400, "bad_request", f"dimensions is {dimensions}, embeddings have {spec.dim}")


def check_fields(files: list[Upload], texts: list[str], expected: str) -> None:
    """Everything sent must be understood: a picture in a misspelt field is not left out in silence."""
    if texts:
        raise Refusal(400, "bad_request", f"text field {texts[0]!r}, expected files as {expected!r}")
    for upload in files:
        if upload.field not in (expected, None):
            raise Refusal(400, "bad_request", f"file field {upload.field!r}, expected files as {expected!r}")
    if not files:
        raise Refusal(400, "bad_request", f"no image, expected files as {expected!r}")


ROUTES = [
    Route("/", api_page),
    Route("/ui", search_page),
    Mount("/ui", PageFiles(directory=PAGES)),
    Route("/embed", embed, methods=["POST"]),
    Route("/v1/embeddings", openai_embeddings, methods=["POST"]),
    Route("/search", search, methods=["POST"]),
]
