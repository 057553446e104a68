"""POST /search."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.bodies import check_fields, media_type, read_body, read_bytes
from serving.http.limits import MAX_TEXT_BYTES
from serving.http.responses import JSON, json_answer
from serving.http.search_fields import read_json, read_request
from serving.http.timeouts import within_time
from serving.inference.examples import Examples
from serving.inference.pipeline import Pipeline


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


ROUTES = [Route("/search", search, methods=["POST"])]
