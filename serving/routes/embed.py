"""POST /embed, and the same as OpenAI's clients ask for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.bodies import check_fields, media_type, read_body, read_bytes
from serving.http.errors import ApiError
from serving.http.json_images import ANY_MODEL, OPENAI_FIELDS, OWN_FIELDS, ImagesAsked, check_format, read_images
from serving.http.limits import MAX_BODY_BYTES
from serving.http.responses import JSON, embeddings_answer, openai_answer
from serving.http.timeouts import within_time
from serving.inference.pipeline import Pipeline


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
        raise ApiError(
            415, "unsupported_media_type", f"the body is {media_type(request) or 'unnamed'}, expected {JSON}"
        )
    with pipeline.held.lease() as take:
        body = await read_bytes(request, take, MAX_BODY_BYTES)
        asked = await pipeline.aside(read_images, body, OPENAI_FIELDS, "input")
        _check_model(asked, pipeline)
        embeddings = await pipeline.embed(asked.uploads)
    return openai_answer(embeddings, pipeline.spec, asked.encoding_format)


def _check_model(asked: ImagesAsked, pipeline: Pipeline) -> None:
    """Vectors of another encoder, or of another length, are not passed off as what was asked for."""
    spec, model = pipeline.spec, asked.rest.get("model")
    if model not in (None, ANY_MODEL, spec.name, spec.space):
        message = f"model {str(model)[:80]!r} is not here, this is {spec.space}; {ANY_MODEL!r} takes what there is"
        raise ApiError(404, "not_found", message)
    if asked.rest.get("dimensions") not in (None, spec.dim):
        dimensions = str(asked.rest["dimensions"])[:20]
        raise ApiError(400, "bad_request", f"dimensions is {dimensions}, embeddings have {spec.dim}")


ROUTES = [
    Route("/embed", embed, methods=["POST"]),
    Route("/v1/embeddings", openai_embeddings, methods=["POST"]),
]
