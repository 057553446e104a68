"""A service whose index is on a Qdrant server: several share one, and all know when it does not answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from lookalike.encoder import Encoder
from lookalike.index import Filters, FrameIndex, SourceRecord, open_index
from lookalike.index.operations import MAX_POINTS
from lookalike.index.wire import write_filters
from serving.inference.backlog import Busy
from serving.inference.index_health import IndexHealth
from serving.inference.pipeline import Pipeline, open_pipeline
from serving.readiness import Readiness
from serving.recordings import explorer
from serving.recordings.recordings import Recordings
from serving.settings import Settings
from tests.index.circle import SPEC, at, frame, write_circle_encoder
from tests.index.server.qdrant_facade import KEY, Facade, Refused, Seen, nodes_of
from tests.serving.apps import app_over
from tests.serving.running import ROOT, START_S, bentoml_env, served

pytestmark = [
    pytest.mark.trust,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]
FRAME = frame("a", 0)


@pytest.fixture(scope="module")
def circle_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_circle_encoder(tmp_path_factory.mktemp("encoder") / "circle.onnx")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Seen]]:
    """A collection with one frame."""
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.setenv("QDRANT_ANSWER_S", "0.5")
    with nodes_of(Facade()) as (urls, seen):
        with open_index(f"{urls[0]}/frames", SPEC, create=True) as index:
            index.add([FRAME], at(0))
        yield f"{urls[0]}/frames", seen


def test_a_server_that_hangs_is_503_until_it_answers_again(
    server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path
) -> None:
    """The first search waits for the answer; later ones are refused without a request to the server."""
    url, seen = server

    async def ask() -> None:
        with (
            open_index(url, SPEC) as index,
            closing(Pipeline(Encoder(circle_encoder, "cpu"), index)) as pipeline,
            closing(Recordings(pipeline, tmp_path)) as recordings,
        ):
            app, health = app_over(pipeline, recordings), IndexHealth(index)
            pipeline.health = health
            transport = httpx.ASGITransport(Readiness(app, app.state))
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:

                async def status() -> list[int]:
                    found = await client.post("/search", json={"id": FRAME.id})
                    ready = await client.get("/readyz")
                    for one in (found, ready):
                        assert one.is_success or one.json()["error"]["type"] == "index_unavailable"
                        assert one.is_success or int(one.headers["retry-after"]) >= 1
                        assert one.is_success or "127.0.0.1" not in one.text
                    assert ready.json()["space"] == SPEC.space
                    return [found.status_code, ready.status_code]

                assert await status() == [200, 200]
                seen.hanging = True
                assert await status() == [503, 200]
                health.probe()
                asked = len(seen.paths)
                assert await status() == [503, 503]
                assert len(seen.paths) == asked
                seen.hanging = False
                health.probe()
                assert await status() == [200, 200]

    asyncio.run(ask())


@dataclass
class Serving:
    """The routes in this process, over an index on a server. suspicions: how often a health check was asked for."""

    client: httpx.AsyncClient
    pipeline: Pipeline
    health: IndexHealth
    suspicions: int = 0

    def suspect(self) -> None:
        self.suspicions += 1

    async def is_ready(self) -> bool:
        return (await self.client.get("/readyz")).is_success


@asynccontextmanager
async def serving(url: str, encoder: Path, cache: Path) -> AsyncIterator[Serving]:
    """Health checks are made by the test alone."""
    with (
        open_index(url, SPEC) as index,
        closing(Pipeline(Encoder(encoder, "cpu"), index)) as pipeline,
        closing(Recordings(pipeline, cache)) as recordings,
    ):
        app, pipeline.health = app_over(pipeline, recordings), IndexHealth(index)
        transport = httpx.ASGITransport(Readiness(app, app.state))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            made = Serving(client, pipeline, pipeline.health)
            pipeline.health.suspect = made.suspect
            yield made


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, IndexHealth]]:
    """What a worker starts. Health checks are made by the test alone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(IndexHealth, "start", lambda health: None)
        async with open_pipeline(settings) as pipeline:
            with closing(Recordings(pipeline, settings.cache)) as recordings:
                app = app_over(pipeline, recordings)
                transport = httpx.ASGITransport(Readiness(app, app.state))
                async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                    assert pipeline.health
                    yield client, pipeline.health


@pytest.mark.parametrize("writable", [False, True])
def test_a_worker_that_starts_while_the_server_hangs_is_503_until_it_answers(
    writable: bool, server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path
) -> None:
    """It ended with a traceback and was started again, every few seconds, while clients waited for a response."""
    url, seen = server
    settings = Settings(encoder=circle_encoder, index=url, device="cpu", writable=writable, cache=tmp_path)

    async def scenario() -> None:
        seen.hanging = True
        async with started(settings) as (client, health):
            for request in ({"id": FRAME.id}, {"like": [FRAME.id]}):
                assert_unavailable(await client.post("/search", json=request))
            health.probe()
            assert_unavailable(await client.get("/readyz"))
            seen.hanging = False
            health.probe()
            assert (await client.get("/readyz")).is_success
            found = await client.post("/search", json={"id": FRAME.id})
            assert [hit["id"] for hit in found.json()["hits"]] == [FRAME.id]

    asyncio.run(scenario())


def assert_unavailable(response: httpx.Response) -> None:
    """A 503 that says when to ask again, and not where the server is."""
    assert (response.status_code, response.headers.get("retry-after")) == (503, "1"), response.text
    assert response.json()["error"]["type"] == "index_unavailable"
    assert "127.0.0.1" not in response.text


SCROLL = {"space": SPEC.space, "filters": write_filters(Filters())}
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "scroll": ("POST", "/index/scroll", {"json": SCROLL}),
    "vectors": ("POST", "/index/vectors", {"json": SCROLL | {"page": 10}}),
    "count": ("POST", "/index/count", {"json": {"space": SPEC.space}}),
    "outliers": ("GET", "/explore/outliers", {}),
    "duplicates": ("GET", "/explore/duplicates", {}),
    "export": ("POST", "/export", {"data": {"id": [FRAME.id]}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_whatever_reads_the_index_is_503_while_its_server_hangs(
    name: str, server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path
) -> None:
    """Streams and downloads are, before anything of them is sent."""
    (url, seen), (method, path, sent) = server, REQUESTS[name]

    async def scenario() -> None:
        async with serving(url, circle_encoder, tmp_path) as service:

            async def ask() -> httpx.Response:
                while (response := await service.client.request(method, path, **sent)).status_code == 202:
                    await asyncio.sleep(0.01)  # an exploration runs
                return response

            assert (await ask()).is_success
            seen.hanging = True
            assert_unavailable(await ask())
            assert service.suspicions == 1
            service.health.probe()
            assert not await service.is_ready()
            asked = len(seen.paths)
            assert_unavailable(await ask())
            assert len(seen.paths) == asked
            seen.hanging = False
            service.health.probe()
            assert (await ask()).is_success

    asyncio.run(scenario())


def test_an_exploration_whose_server_is_lost_is_503_and_starts_again(
    server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(facade: Facade, name: str, body: dict[str, Any]) -> Any:
        raise Refused(503, "Service unavailable at 127.0.0.1")

    async def scenario() -> None:
        async with serving(server[0], circle_encoder, tmp_path) as service:

            async def settled() -> httpx.Response:
                while (response := await service.client.get("/explore/duplicates")).status_code == 202:
                    await asyncio.sleep(0.01)
                return response

            with monkeypatch.context() as lost:
                lost.setattr(Facade, "scroll", fail)
                assert_unavailable(await settled())
            assert service.suspicions == 1
            monkeypatch.setattr(explorer, "FAILED_S", 0.0)
            response = await settled()
            assert (response.status_code, response.json()) == (200, {"found": []})

    asyncio.run(scenario())


def test_a_stream_goes_on_when_the_service_was_busy(
    server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first line it is a 503; after it, the status is sent already."""
    monkeypatch.setattr("serving.routes.index.RETRY_AFTER_S", 0)
    monkeypatch.setenv("QDRANT_ANSWER_S", "60")
    with open_index(server[0], SPEC, create=True) as index:
        index.add([frame("a", number) for number in range(1, 2 * MAX_POINTS)], at(*range(1, 2 * MAX_POINTS)))

    async def scenario() -> tuple[int, list[int]]:
        async with serving(server[0], circle_encoder, tmp_path) as service:
            ask, asked = service.pipeline.ask, count()

            async def often_busy(question: Callable[[FrameIndex], Any]) -> Any:
                if next(asked) in busy:
                    raise Busy("too many")
                return await ask(question)

            monkeypatch.setattr(service.pipeline, "ask", often_busy)
            refused = await service.client.post("/index/scroll", json=SCROLL)
            response = await service.client.post("/index/scroll", json=SCROLL)
            return refused.status_code, [len(json.loads(line)) for line in response.iter_lines()]

    busy = (0, 2, 3)
    assert asyncio.run(scenario()) == (503, [MAX_POINTS, MAX_POINTS])


def test_an_unknown_frame_is_404_and_a_server_that_fails_is_503(
    server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path
) -> None:
    url, seen = server

    async def ask(failing: bool, frame_id: str) -> int:
        with (
            open_index(url, SPEC) as index,
            closing(Pipeline(Encoder(circle_encoder, "cpu"), index)) as pipeline,
            closing(Recordings(pipeline, tmp_path)) as recordings,
        ):
            app = app_over(pipeline, recordings)
            seen.refusals = 10**6 if failing else 0
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
                return (await client.post("/search", json={"id": frame_id})).status_code

    assert asyncio.run(ask(False, frame("b", 0).id)) == 404
    assert asyncio.run(ask(True, FRAME.id)) == 503


def test_two_services_share_a_collection_and_know_when_it_is_lost(
    server: tuple[str, Seen], circle_encoder: Path, tmp_path: Path
) -> None:
    """Both take the same 300 frames at the same time: each is stored once. Then the server is lost, and comes back."""
    url, seen = server
    settings = {"LOOKALIKE_ENCODER": circle_encoder, "LOOKALIKE_INDEX": url, "LOOKALIKE_WRITABLE": "1"}
    numbers = range(300)
    record = SourceRecord("a", "all", "gate/a.mp4", len(numbers), len(numbers))

    def ingest(service: str) -> int:
        with open_index(service, SPEC, create=True) as index:
            missing = index.missing([frame("a", number) for number in numbers])
            index.add(missing, at(*[one.time_s for one in missing]))
            index.mark_complete([record])
            return index.count()

    homes = [tmp_path / name for name in ("one", "two")]
    for home in homes:
        home.mkdir()
    envs = [bentoml_env(home, settings) for home in homes]
    with (
        served("serving.service:Lookalike", envs[0], ROOT, tmp_path / "one.log") as one,
        served("serving.service:Lookalike", envs[1], ROOT, tmp_path / "two.log") as two,
    ):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(ingest, [str(one.base_url), str(two.base_url)])) == [300, 300]
        for service in (one, two):
            hits = service.post("/search", json={"id": FRAME.id}).raise_for_status().json()["hits"]
            assert hits[0]["id"] == FRAME.id
        seen.refusals = 10**9
        _wait_for(one, 503)
        assert re.search(r"lookalike_index_up(\{[^}]*\})? 0\.0", one.get("/metrics").text)
        seen.refusals = 0
        _wait_for(one, 200)
    with open_index(url, SPEC) as index:
        assert (index.count(), list(index.source_records())) == (300, [record])


def _wait_for(service: httpx.Client, status: int) -> None:
    deadline = time.monotonic() + START_S
    while service.get("/readyz").status_code != status and time.monotonic() < deadline:
        time.sleep(0.1)
    assert service.get("/readyz").status_code == status
