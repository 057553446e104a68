"""Requests are counted by route: however many paths there are, /metrics stays small."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from serving.http.request_log import RequestLog
from serving.http.traffic import exposition, metrics

PATHS = 100_000
MEMORY_MB = 8  # that may be allocated in the meantime; a label for each path takes 100 times as much


async def answer(request: Request) -> Response:
    return PlainTextResponse("here")


async def fail(request: Request) -> Response:
    raise RuntimeError("broken")


ROUTES = [
    Route("/frames/{frame_id}", answer),
    Route("/fails", fail),
    Mount("/static", routes=[Route("/{name}", answer)]),
    Mount("/files", app=PlainTextResponse("file")),
]


def ask(paths: Sequence[str], method: str = "GET") -> None:
    """Send requests through the middleware, without a server."""
    app = RequestLog(Starlette(routes=ROUTES))

    async def send(message: object) -> None:
        pass

    async def receive() -> dict[str, str]:
        return {"type": "http.request"}

    async def each() -> None:
        for path in paths:
            scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
            try:
                await app(scope, receive, send)
            except RuntimeError:
                assert path == "/fails"

    asyncio.run(each())


def counted(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("lookalike_requests_total", labels) or 0.0


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.parametrize(
    ("method", "path", "label", "route", "status"),
    [
        ("GET", "/frames/1", "GET", "/frames/{frame_id}", 200),
        ("POST", "/frames/1", "POST", "/frames/{frame_id}", 405),
        ("BREW", "/frames/1", "other", "/frames/{frame_id}", 405),
        ("GET", "/nowhere/1", "GET", "other", 404),
        ("GET", "/fails", "GET", "/fails", 500),
        ("GET", "/files/a/b", "GET", "/files/{path}", 200),
    ],
)
def test_requests_are_counted_by_method_route_and_status(
    method: str, path: str, label: str, route: str, status: int
) -> None:
    before = counted(label, route, status)
    ask([path], method)
    assert counted(label, route, status) == before + 1


@pytest.mark.trust
def test_metrics_do_not_grow_with_the_paths_that_are_asked_for(record_property: Callable[[str, object], None]) -> None:
    ask([f"/{kind}/{number}" for kind in ("frames", "nowhere") for number in range(1000)])
    lines, memory = len(exposition().splitlines()), memory_mb()
    ask([f"/{kind}/x{number}" for kind in ("frames", "nowhere") for number in range(PATHS // 2)])
    record_property("tried", f"{PATHS:,} distinct paths")
    record_property("survived", f"{lines} lines before, {len(exposition().splitlines())} after")
    assert len(exposition().splitlines()) == lines
    assert memory_mb() - memory < MEMORY_MB


WORKER = """
from serving.http.traffic import REQUEST_SECONDS
for seconds in {seconds}:
    REQUEST_SECONDS.labels("/embed").observe(seconds)
"""


def test_histograms_of_several_workers_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for seconds in ([0.001, 0.3], [0.3, 100.0, 0.015]):
        subprocess.run([sys.executable, "-c", WORKER.format(seconds=seconds)], check=True)
    text = bytes(metrics(Request({"type": "http"})).body).decode()
    [family] = [one for one in text_string_to_metric_families(text) if one.name == "lookalike_request_seconds"]
    buckets = {sample.labels["le"]: sample.value for sample in family.samples if "le" in sample.labels}
    assert (buckets["0.005"], buckets["0.02"], buckets["0.2"], buckets["0.5"], buckets["+Inf"]) == (1, 2, 2, 4, 5)
    [total] = [sample.value for sample in family.samples if sample.name.endswith("_sum")]
    assert total == pytest.approx(100.616)
    kinds = [line.split("{")[0].rsplit("_")[-1] for line in text.splitlines() if line.startswith(f"{family.name}_")]
    assert kinds == ["bucket"] * 13 + ["sum", "count"]  # as Prometheus documents it


def test_a_worker_that_was_killed_has_no_request_in_progress(tmp_path: Path) -> None:
    script = (
        "import os, sys; from serving.http.traffic import IN_PROGRESS, exposition, forget_dead_workers\n"
        "if sys.argv[1] == 'dies': IN_PROGRESS.inc(); os._exit(9)\n"
        "forget_dead_workers(); print(exposition().decode())"
    )
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script, "dies"], env=env, check=False)
    assert list(tmp_path.glob("gauge_live*"))
    done = subprocess.run([sys.executable, "-c", script, "reads"], env=env, check=True, capture_output=True, text=True)
    assert "lookalike_requests_in_progress 0.0" in done.stdout


def test_a_worker_that_starts_next_to_others_is_no_index_that_is_down(tmp_path: Path) -> None:
    """Of a gauge, workers have the least: a worker that was started again made it 0, which is an alarm."""
    script = "import serving.inference.index_health; from serving.http.traffic import exposition; print(exposition())"
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True)
    assert "lookalike_index_up 1.0" in done.stdout
