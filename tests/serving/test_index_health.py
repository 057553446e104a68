"""A service whose index is on a Qdrant server: several share one, and all know when it does not answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from lookalike.encoder import Encoder
from lookalike.index import SourceRecord, open_index
from serving.inference.index_health import IndexHealth
from serving.inference.pipeline import Pipeline
from serving.readiness import Readiness
from serving.recordings.recordings import Recordings
from tests.index.circle import SPEC, at, frame, write_circle_encoder
from tests.index.server.qdrant_facade import KEY, Facade, Seen, nodes_of
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
