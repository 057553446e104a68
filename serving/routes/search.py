"""POST /search."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from lookalike.search.fields import write_values
from lookalike.search_fields import FilterFields, SearchOptions
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.bodies import check_fields, media_type, read_body, read_bytes
from serving.http.endpoint import GONE, IMAGES, RAW_IMAGE, UNKNOWN, Endpoint
from serving.http.limits import MAX_TEXT_BYTES
from serving.http.media_types import JSON, MULTIPART
from serving.http.responses import json_response
from serving.http.schema_types import DateTime, Id, Pair
from serving.http.search_fields import read_json, read_request
from serving.inference.examples import Examples


@dataclass(frozen=True)
class ExampleFields:
    """What a search compares with. An example is the id of a hit, SOURCE@SECONDS or picture:ID, each with #x,y,w,h for
    a region of it, in shares."""

    id: str | None = None
    """What to look for, instead of a picture: the id of a stored frame."""
    at: str | None = None
    """What to look for, instead of a picture: a moment of a stored recording, as SOURCE@SECONDS."""
    region: str | None = None
    """The region of it to search by: x,y,w,h in pixels, or in shares."""
    like: tuple[str, ...] = ()
    """Examples that hits should resemble: the id of a hit, SOURCE@SECONDS or picture:ID, each with #x,y,w,h for a
    region of it, in shares; may be repeated."""
    unlike: tuple[str, ...] = ()
    """Examples that hits should not resemble; as like."""


@dataclass(frozen=True)
class SearchFields(SearchOptions, FilterFields, ExampleFields):
    """A search. All fields may be left out, but something to look for must be given."""


@dataclass(frozen=True)
class SearchForm(SearchFields):
    """A search, with or without a picture."""

    image: bytes | None = None
    """What to look for."""


@dataclass(frozen=True)
class HitResponse:
    """One moment: the best of some neighbouring frames. With `by` clip, a recording."""

    id: Id
    score: float
    """Cosine similarity, weighted by part."""
    source: str
    source_id: str
    """SHA-256 of the source's bytes."""
    camera: str
    time_s: float
    """Seconds into the source."""
    span_s: Pair
    """First and last second of the moment."""
    captured_at: DateTime | None
    frames: int
    """How many frames were merged into the hit."""
    moments: int
    """How many moments it has; 1 unless by clip."""
    percentile: float
    """Share of the camera's other frames that are less similar, 0 to 100."""
    region: str | None
    """The region that matched, x,y,w,h in shares; null for the whole frame."""
    asked: str | None
    """The region of the query that matched, x,y,w,h in shares; null for the whole picture. `difference`: what the
    picture shows beyond the usual view of its camera."""


@dataclass(frozen=True)
class HitsResponse:
    """The hits of a search."""

    space: str
    hits: list[HitResponse]
    """Best first, unless diverse; neighbouring frames are merged into one hit."""


async def search(request: Request) -> Response:
    """Where else does this appear?

    By an image, by a stored frame, by a region of one, or by `like` alone. A stored frame in which something moves is
    searched by what moves. A picture of a stored camera that is far from its usual view is searched by what differs.
    The query string takes the same fields as a form.
    """
    pipeline = view_of(request).pipeline
    fields = request.query_params.multi_items()
    with pipeline.upload_budget.lease() as lease:
        if media_type(request) == JSON:
            files, fields = [], fields + read_json(await read_bytes(request, lease, MAX_TEXT_BYTES))
        else:
            body = await read_body(request, lease)
            files, fields = body.files, fields + body.fields
        if files:
            check_fields(files, [], "image")
        search_request = read_request(fields, len(files))
        note(request, pictures=len(files), **write_values(search_request))
        examples = Examples(pipeline, view_of(request).recordings, files[0] if files else None)
        hits = await pipeline.search(await examples.embedded(search_request))
    return json_response(HitsResponse(pipeline.spec.space, [HitResponse(**vars(hit)) for hit in hits]))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/search",
        "search",
        "read",
        search,
        {JSON: HitsResponse},
        IMAGES | UNKNOWN | GONE,
        query=SearchFields,
        body={MULTIPART: SearchForm, JSON: SearchFields, **RAW_IMAGE},
    ),
)
