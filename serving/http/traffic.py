"""Counts of requests by route, and /metrics. BentoML's own labels are raw paths, of which there is no end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.samples import Sample
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Scope

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER = "other"  # any other method, and any path that is no route
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # set by BentoML: each worker writes its counts to files there

REQUESTS = Counter("lookalike_requests", "Requests by outcome", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "lookalike_request_seconds",
    "Time of a request, until its response is complete",
    ["route"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
IN_PROGRESS = Gauge("lookalike_requests_in_progress", "Requests at this moment", multiprocess_mode="livesum")


def count_request(scope: Scope, status: int, took_s: float) -> None:
    """Count a request. Labels are templates of routes: `/frames/{frame_id}`, not the path."""
    route = template(scope)
    REQUESTS.labels(scope["method"] if scope["method"] in METHODS else OTHER, route, status).inc()
    REQUEST_SECONDS.labels(route).observe(took_s)


def count_refused(status: int) -> None:
    """Count a request that was refused before it was read."""
    REQUESTS.labels(OTHER, OTHER, status).inc()


def template(scope: Scope) -> str:
    """The path of the route that a request took, with its variables; Starlette notes the route in the scope."""
    route = scope.get("route")
    if isinstance(route, Mount):
        return f"{route.path}/{{path}}"
    return route.path if isinstance(route, Route) else OTHER


def metrics(request: Request) -> Response:
    """All metrics, of all workers. Not a coroutine, so that it runs in a thread."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)


def exposition() -> bytes:
    """All metrics, of all workers, in Prometheus' text format."""
    return generate_latest(_AllWorkers() if MULTIPROCESS in os.environ else REGISTRY)


def forget_dead_workers() -> None:
    """Remove the gauges of workers that were killed: they would count as in progress for ever."""
    for path in Path(os.environ.get(MULTIPROCESS) or os.devnull).glob("gauge_live*.db"):
        digits = re.search(r"(\d+)\.db$", path.name)
        if digits and not Path(f"/proc/{digits[1]}").exists():
            mark_process_dead(int(digits[1]))


class _AllWorkers(CollectorRegistry):
    """Metrics of all workers. The collector puts the sum of a histogram before its buckets; readers expect it after.

    Source: Prometheus, "Exposition formats": _bucket, _sum, _count.
    """

    def collect(self) -> Iterator[Metric]:
        for metric in MultiProcessCollector(None).collect():
            if metric.type == "histogram":
                metric.samples.sort(key=_histogram_order)
            yield metric


def _histogram_order(sample: Sample) -> tuple[list[tuple[str, str]], int, float]:
    labels = sorted((name, value) for name, value in sample.labels.items() if name != "le")
    return labels, 0 if sample.name.endswith("_bucket") else 1, float(sample.labels.get("le", 0))
