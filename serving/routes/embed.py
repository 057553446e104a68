"""POST /embed, and the same in the shape of OpenAI's API."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from lookalike.files.printable import short
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.bodies import check_fields, check_json, media_type, read_body, read_bytes
from serving.http.endpoint import IMAGES, RAW_IMAGE, Endpoint
from serving.http.errors import ApiError
from serving.http.json_images import ANY_MODEL, EncodingFormat, JsonImages, read_images
from serving.http.limits import MAX_BODY_BYTES
from serving.http.media_types import BINARY, JSON, MULTIPART, NPY
from serving.http.query import read_query
from serving.http.responses import EmbeddingsResponse, OpenAIEmbeddingsResponse, embeddings_response, openai_response
from serving.inference.pipeline import Pipeline


@dataclass(frozen=True)
class EmbedQuery:
    """The query string of /embed."""

    encoding_format: EncodingFormat = "float"
    """How JSON holds an embedding: numbers, or the base64 of little-endian float32."""


@dataclass(frozen=True)
class EmbedForm:
    """Images as files."""

    images: list[bytes]


@dataclass(frozen=True)
class Images:
    """Images as text."""

    images: list[str]
    """Each an image as base64, or as a data URL."""
    encoding_format: EncodingFormat = "float"
    """How JSON holds an embedding: numbers, or the base64 of little-endian float32."""


@dataclass(frozen=True)
class OpenAIRequest:
    """What OpenAI's clients send."""

    input: str | list[str]
    """An image as base64 or as a data URL, or a list of these."""
    model: str = ANY_MODEL
    """The space or the name of the service's encoder, or `lookalike` for any."""
    encoding_format: EncodingFormat = "float"
    """Numbers, or the base64 of little-endian float32."""
    dimensions: int | None = None
    """Those of the service's encoder."""
    user: str | None = None
    """Ignored."""


async def embed(request: Request) -> Response:
    """Images to embeddings.

    As JSON, or by `Accept` as .npy (float32, N x D) or as raw little-endian float32.
    """
    pipeline = view_of(request).pipeline
    encoding_format = read_query(EmbedQuery, request).encoding_format
    with pipeline.upload_budget.lease() as lease:
        if media_type(request) == JSON:
            body = await read_bytes(request, lease, MAX_BODY_BYTES)
            images = await pipeline.run_in_thread(read_images, body, Images, "images")
            uploads, encoding_format = images.uploads, images.encoding_format or encoding_format
        else:
            form = await read_body(request, lease)
            check_fields(form.files, [name for name, _ in form.fields], "images")
            uploads = form.files
        note(request, images=len(uploads))
        embeddings = await pipeline.embed(uploads)
    return embeddings_response(embeddings, pipeline.spec, request.headers.get("accept", ""), encoding_format)


async def openai_embeddings(request: Request) -> Response:
    """Images to embeddings, for OpenAI's clients."""
    pipeline = view_of(request).pipeline
    check_json(request)
    with pipeline.upload_budget.lease() as lease:
        body = await read_bytes(request, lease, MAX_BODY_BYTES)
        images = await pipeline.run_in_thread(read_images, body, OpenAIRequest, "input")
        _check_model(images, pipeline)
        note(request, images=len(images.uploads))
        embeddings = await pipeline.embed(images.uploads)
    return openai_response(embeddings, pipeline.spec, images.encoding_format)


def _check_model(images: JsonImages, pipeline: Pipeline) -> None:
    """Raises: ApiError if another encoder was asked for, or embeddings of another length."""
    spec, model = pipeline.spec, images.rest.get("model")
    if model not in (None, ANY_MODEL, spec.name, spec.space):
        message = f"model {short(model, 80)!r} is not here, this is {spec.space}; {ANY_MODEL!r} takes what there is"
        raise ApiError(404, "not_found", message)
    if images.rest.get("dimensions") not in (None, spec.dim):
        dimensions = short(images.rest["dimensions"], 20)
        raise ApiError(400, "bad_request", f"dimensions is {dimensions}, embeddings have {spec.dim}")


ENDPOINTS = (
    Endpoint(
        "POST",
        "/embed",
        "embed",
        "embed",
        embed,
        {JSON: EmbeddingsResponse, NPY: bytes, BINARY: bytes},
        IMAGES,
        query=EmbedQuery,
        body={MULTIPART: EmbedForm, JSON: Images, **RAW_IMAGE},
    ),
    Endpoint(
        "POST",
        "/v1/embeddings",
        "openai_embeddings",
        "embed",
        openai_embeddings,
        {JSON: OpenAIEmbeddingsResponse},
        IMAGES | {404: "The service has another model"},
        body={JSON: OpenAIRequest},
    ),
)
