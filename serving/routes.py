"""The routes: /embed and /search, and the pages."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lookalike.contract import EncoderSpec
from serving.bodies import Upload, media_type, read_body, read_bytes
from serving.limits import MAX_TEXT_BYTES
from serving.pipeline import Pipeline
from serving.query import read_json, read_query
from serving.refusals import Refusal

PAGES = Path(__file__).parent / "ui"
NPY, RAW = "application/x-npy", "application/octet-stream"
# The pages load nothing from elsewhere, and the browser holds them to it.
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:"}


async def embed(request: Request) -> Response:
    """Images -> embeddings, all of them or none."""
    pipeline: Pipeline = request.app.state.pipeline
    with pipeline.held.lease() as take:
        body = await read_body(request, take)
        _check_fields(body.files, [name for name, _ in body.fields], "images")
        embeddings = await pipeline.embed(body.files)
    return _embeddings(embeddings, pipeline.spec, request.headers.get("accept", ""))


async def search(request: Request) -> Response:
    """An image or the id of a stored frame -> hits."""
    pipeline: Pipeline = request.app.state.pipeline
    fields = request.query_params.multi_items()
    with pipeline.held.lease() as take:
        if media_type(request) == "application/json":
            files, fields = [], fields + read_json(await read_bytes(request, take, MAX_TEXT_BYTES))
        else:
            body = await read_body(request, take)
            files, fields = body.files, fields + body.fields
        query = read_query(fields)
        if len(files) + (query.id is not None) != 1:
            got = f"{len(files)} images and {'an' if query.id else 'no'} id"
            raise Refusal(400, "bad_request", f"got {got}, expected one image or one id")
        if files:
            _check_fields(files, [], "image")
        hits = await pipeline.search(query, files[0] if files else None)
    return JSONResponse({"space": pipeline.spec.space, "hits": [hit.to_dict() for hit in hits]})


async def search_page(request: Request) -> Response:
    return FileResponse(PAGES / "index.html", headers=PAGE_HEADERS)


async def api_page(request: Request) -> Response:
    return FileResponse(PAGES / "api.html", headers=PAGE_HEADERS)


def _check_fields(files: list[Upload], texts: list[str], expected: str) -> None:
    """Everything sent must be understood: a picture in a misspelt field is not left out in silence."""
    if texts:
        raise Refusal(400, "bad_request", f"text field {texts[0]!r}, expected files as {expected!r}")
    for upload in files:
        if upload.field not in (expected, None):
            raise Refusal(400, "bad_request", f"file field {upload.field!r}, expected files as {expected!r}")
    if not files:
        raise Refusal(400, "bad_request", f"no image, expected files as {expected!r}")


def _embeddings(embeddings: np.ndarray, spec: EncoderSpec, accept: str) -> Response:
    """embeddings: float32 (N, D). As JSON, unless the first type in Accept that we have is another."""
    accepted = [entry.split(";")[0].strip().lower() for entry in accept.split(",")]
    kind = next((entry for entry in accepted if entry in (NPY, RAW, "application/json", "*/*")), "*/*")
    headers = {"X-Lookalike-Space": quote(spec.space), "X-Lookalike-Dim": str(spec.dim)}
    if kind == NPY:
        file = io.BytesIO()
        np.save(file, embeddings, allow_pickle=False)
        return Response(file.getvalue(), media_type=NPY, headers=headers)
    if kind == RAW:  # float32, little-endian, row by row
        return Response(embeddings.astype("<f4").tobytes(), media_type=RAW, headers=headers)
    content = {"space": spec.space, "dim": spec.dim, "embeddings": embeddings.tolist()}
    return JSONResponse(content, headers=headers)


ROUTES = [
    Route("/", api_page),
    Route("/ui", search_page),
    Route("/embed", embed, methods=["POST"]),
    Route("/search", search, methods=["POST"]),
]
