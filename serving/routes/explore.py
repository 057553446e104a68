"""GET /explore/...: moments to begin with, for those who have nothing to search for yet."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

from starlette.requests import Request
from starlette.responses import Response

from lookalike.explore.cluster import cluster
from lookalike.explore.duplicates import duplicates, load_tracks
from lookalike.explore.outliers import outliers
from lookalike.explore.stored import cameras
from lookalike.index import Filters, FrameIndex
from lookalike.search_fields import Range
from serving.auth.state import note
from serving.auth.views import view_of
from serving.http.endpoint import BAD_PARAMETER, BUSY, NO_INDEX, Endpoint
from serving.http.errors import ApiError
from serving.http.media_types import JSON
from serving.http.query import read_query
from serving.http.responses import json_response
from serving.http.timeouts import Handler
from serving.inference.index_health import noting_failures
from serving.recordings.explorer import Found, Report, Work

SHOWN = 6  # moments of a cluster


@dataclass(frozen=True)
class OutliersQuery:
    """The query string of /explore/outliers."""

    camera: tuple[str, ...] = ()
    """Only these cameras; may be repeated."""
    top: Annotated[int, Range(1, 200)] = 24
    """How many moments to return."""


@dataclass(frozen=True)
class ClustersQuery:
    """The query string of /explore/clusters."""

    clusters: Annotated[int, Range(1, 64)] = 8
    """How many groups to make."""


@dataclass(frozen=True)
class FoundResponse:
    """The result of an exploration."""

    found: list[dict[str, Any]]
    """As the verb of this name prints it with --json."""


@dataclass(frozen=True)
class ProgressResponse:
    """An exploration that is still running. Ask again after Retry-After seconds."""

    progress: float | None
    """0 to 1; null if it is unknown."""
    doing: str
    """One line for people."""


async def find_outliers(request: Request) -> Response:
    """The moments that least resemble what their camera usually shows."""
    query = read_query(OutliersQuery, request)
    filters = Filters(query.camera)
    note(request, camera=query.camera)

    def work(index: FrameIndex, report: Report) -> Found:
        frames = cameras(index, filters)
        total = max(frames.total(), 1)
        moments = outliers(index, filters, sorted(frames), query.top, on_frames=lambda done, _: report(done / total))
        return [moment.to_dict() for moment in moments]

    return await _respond(request, ("outliers", query), "comparing frames", work)


async def find_duplicates(request: Request) -> Response:
    """Spans of two recordings that show the same."""

    def work(index: FrameIndex, report: Report) -> Found:
        tracks = load_tracks(index, Filters())
        pairs = max(len(tracks) * (len(tracks) - 1) // 2, 1)
        return [span.to_dict() for span in duplicates(tracks, on_pair=lambda done, _: report(done / pairs))]

    return await _respond(request, "duplicates", "comparing recordings", work)


async def find_clusters(request: Request) -> Response:
    """Groups of frames that resemble each other, with typical moments."""
    query = read_query(ClustersQuery, request)
    if find_spec("sklearn") is None:
        message = 'clusters need scikit-learn where the service runs: pip install "lookalike[explore]"'
        raise ApiError(501, "not_installed", message)

    def work(index: FrameIndex, report: Report) -> Found:
        return [group.to_dict() for group in cluster(index, Filters(), query.clusters, SHOWN)]

    return await _respond(request, ("clusters", query), "grouping frames", work)


async def _respond(request: Request, question: Hashable, doing: str, work: Work) -> Response:
    pipeline = view_of(request).pipeline
    recordings = view_of(request).recordings
    frames = await pipeline.ask(lambda index: index.count(), heavy=True)  # of some cameras: by all frames

    def noted(index: FrameIndex, report: Report) -> Found:
        with noting_failures(pipeline.health):
            return work(index, report)

    result = recordings.explorer.ask(question, pipeline.index, frames, noted)
    if isinstance(result, list):
        return json_response(FoundResponse(result))
    return json_response(ProgressResponse(result, doing), {"Retry-After": "1"}, 202)


def _endpoint(
    name: str, handler: Handler, query: type | None = None, errors: Mapping[int, str] | None = None
) -> Endpoint:
    return Endpoint(
        "GET",
        f"/explore/{name}",
        f"explore_{name}",
        "read",
        handler,
        {JSON: FoundResponse},
        NO_INDEX | BUSY | {**(errors or {})},
        query,
        pending=ProgressResponse,
    )


ENDPOINTS = (
    _endpoint("outliers", find_outliers, OutliersQuery, BAD_PARAMETER),
    _endpoint("duplicates", find_duplicates),
    _endpoint("clusters", find_clusters, ClustersQuery, BAD_PARAMETER | {501: "scikit-learn is not installed"}),
)
