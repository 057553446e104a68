"""GET /explore/...: where to begin for who does not know yet what to look for."""

from __future__ import annotations

from collections.abc import Hashable
from importlib.util import find_spec

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lookalike.explore.cluster import cluster
from lookalike.explore.duplicates import duplicates, load_tracks
from lookalike.explore.outliers import outliers
from lookalike.explore.stored import cameras
from lookalike.index import Filters, FrameIndex
from serving.http.errors import ApiError
from serving.http.responses import json_answer
from serving.http.search_fields import read_count
from serving.http.timeouts import within_time
from serving.inference.pipeline import Pipeline
from serving.recordings.explorer import Found, Report, Work
from serving.recordings.recordings import Recordings

TOP, MOST_TOP = 24, 200
CLUSTERS, MOST_CLUSTERS = 8, 64
SHOWN = 6  # moments of a cluster


@within_time
async def find_outliers(request: Request) -> Response:
    """The moments that least resemble what their camera usually shows."""
    top, filters = _count(request, "top", TOP, MOST_TOP), Filters(tuple(request.query_params.getlist("camera")))

    def work(index: FrameIndex, report: Report) -> Found:
        frames = cameras(index, filters)
        total = max(frames.total(), 1)
        found = outliers(index, filters, sorted(frames), top, on_frames=lambda done, _: report(done / total))
        return [one.to_dict() for one in found]

    return await _answer(request, ("outliers", filters, top), "comparing frames", work)


@within_time
async def find_duplicates(request: Request) -> Response:
    """Spans of two recordings that show the same."""

    def work(index: FrameIndex, report: Report) -> Found:
        tracks = load_tracks(index, Filters())
        pairs = max(len(tracks) * (len(tracks) - 1) // 2, 1)
        found = duplicates(tracks, on_pair=lambda done, _: report(done / pairs))
        return [one.to_dict() for one in found]

    return await _answer(request, "duplicates", "comparing recordings", work)


@within_time
async def find_clusters(request: Request) -> Response:
    """Groups of frames that resemble each other, with moments that are typical."""
    clusters = _count(request, "clusters", CLUSTERS, MOST_CLUSTERS)
    if find_spec("sklearn") is None:
        message = 'clusters need scikit-learn where the service runs: pip install "lookalike[explore]"'
        raise ApiError(501, "not_installed", message)

    def work(index: FrameIndex, report: Report) -> Found:
        return [one.to_dict() for one in cluster(index, Filters(), clusters, SHOWN)]

    return await _answer(request, ("clusters", clusters), "grouping frames", work)


async def _answer(request: Request, question: Hashable, doing: str, work: Work) -> Response:
    pipeline: Pipeline = request.app.state.pipeline
    gallery: Recordings = request.app.state.gallery
    frames = await pipeline.ask(lambda engine: engine.count())
    found = gallery.explorer.ask(question, pipeline.index, frames, work)
    if isinstance(found, list):
        return json_answer({"found": found}, {})
    response = json_answer({"progress": found, "doing": doing}, {"Retry-After": "1"})
    response.status_code = 202
    return response


def _count(request: Request, name: str, usual: int, most: int) -> int:
    return read_count(name, request.query_params.get(name, str(usual)), most)


ROUTES = [
    Route("/explore/outliers", find_outliers),
    Route("/explore/duplicates", find_duplicates),
    Route("/explore/clusters", find_clusters),
]
