"""The routes over a pipeline in trouble: too busy, an encoder that fails, an index that does not answer."""

from __future__ import annotations

import asyncio
import copy
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike.encoder import Encoder
from lookalike.errors import IndexStoreError
from lookalike.index import Filters, FrameIndex, StoredFrame, open_index
from serving.http.bodies import Budget, Upload
from serving.http.errors import ApiError
from serving.http.limits import MAX_WAIT_S, SEARCH_THREADS
from serving.http.request_ids import CURRENT, RequestIds
from serving.inference.backlog import Backlog
from serving.inference.batching import RunFailed
from serving.inference.index_health import NO_FRAME
from serving.inference.pipeline import Pipeline
from serving.recordings.library import Library
from serving.recordings.recordings import Recordings
from tests.serving.apps import app_over
from tests.serving.conftest import Shown
from tests.tiny import SPEC

Run = Callable[[np.ndarray], np.ndarray]


def running(encoder: Encoder, run: Run) -> Encoder:
    """The encoder, with another `embed`."""
    changed = copy.copy(encoder)
    changed.embed = run  # pyright: ignore[reportAttributeAccessIssue]
    return changed


def post(
    encoder: Encoder,
    path: str,
    files: list[tuple[str, bytes]],
    run: Run,
    index: FrameIndex | None = None,
) -> httpx.Response:
    """Ask the routes in this process, over a pipeline with this `run` and `index`."""

    async def ask() -> httpx.Response:
        with (
            tempfile.TemporaryDirectory() as cache,
            closing(Pipeline(running(encoder, run), index)) as pipeline,
            closing(Recordings(pipeline, Path(cache))) as recordings,
        ):
            app = app_over(pipeline, recordings)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
                return await client.post(path, files=files)

    return asyncio.run(ask())


def failing(pixels: np.ndarray) -> np.ndarray:
    raise RuntimeError("CUDA out of memory")


def not_finite(pixels: np.ndarray) -> np.ndarray:
    return np.full((len(pixels), SPEC.dim), np.nan, np.float32)


@pytest.fixture
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, "cpu")


def test_a_wait_past_the_limit_is_503_with_retry_after(
    encoder: Encoder, footage: list[Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backlog, "wait_s", lambda self, work: MAX_WAIT_S + 0.1)
    answer = post(encoder, "/embed", [("images", footage[0].png)], encoder.embed)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["type"] == "busy"
    monkeypatch.setattr(Backlog, "wait_s", lambda self, work: MAX_WAIT_S)
    assert post(encoder, "/embed", [("images", footage[0].png)], encoder.embed).status_code == 200


@pytest.mark.parametrize(
    ("run", "reason"), [(failing, "the encoder failed (RuntimeError)"), (not_finite, "a value that is not finite")]
)
def test_an_encoder_that_fails_is_503(encoder: Encoder, footage: list[Shown], run: Run, reason: str) -> None:
    answer = post(encoder, "/embed", [("images", footage[0].png)], run)
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "encoder_failed"
    assert reason in answer.json()["error"]["message"]


def test_past_its_time_a_request_is_504_and_what_of_it_waits_is_dropped(
    encoder: Encoder, footage: list[Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests: one is being run, which cannot be stopped, and one waits for it: that is never run."""
    monkeypatch.setattr("serving.http.timeouts.TIMEOUT_S", 0.5)
    go, ran = threading.Event(), []

    def held(pixels: np.ndarray) -> np.ndarray:
        ran.append(len(pixels))
        assert go.wait(60)
        return encoder.embed(pixels)

    async def ask() -> list[httpx.Response]:
        with (
            closing(Pipeline(running(encoder, held), None)) as pipeline,
            closing(Recordings(pipeline, tmp_path)) as recordings,
        ):
            app = app_over(pipeline, recordings)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
                first = asyncio.create_task(client.post("/embed", files={"images": footage[0].png}))
                while not ran:
                    await asyncio.sleep(0.01)
                second = await client.post("/embed", files={"images": footage[1].png})
                answers = [await first, second]
                go.set()
                third = await client.post("/embed", files={"images": footage[2].png})
                return [*answers, third]

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [504, 504, 200]
    assert answers[1].json()["error"] == {"type": "timeout", "message": "not done within 0.5 s"}
    assert ran == [1, 1]


def test_a_search_without_an_index_is_409(encoder: Encoder, footage: list[Shown]) -> None:
    answer = post(encoder, "/search", [("image", footage[0].png)], encoder.embed)
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "no_index")


def test_an_index_that_does_not_answer_is_503(encoder: Encoder, footage: list[Shown], tmp_path: Path) -> None:
    index = open_index(tmp_path / "index", SPEC, create=True)
    index.close()
    answer = post(encoder, "/search", [("image", footage[0].png)], encoder.embed, index=index)
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "index_failed")


@pytest.mark.trust
def test_a_stored_frame_of_an_index_that_does_not_answer_is_503_and_not_unknown(
    encoder: Encoder, tmp_path: Path
) -> None:
    """As while the process of the index is started again."""

    def fail(ids: object) -> None:
        raise IndexStoreError("the process that had it open has ended")

    with (
        closing(open_index(tmp_path / "index", SPEC, create=True)) as index,
        closing(Pipeline(encoder, index)) as pipeline,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(index.engine, "points", fail)
        with pytest.raises(ApiError) as caught:
            asyncio.run(pipeline.stored(NO_FRAME))
        assert (caught.value.status, caught.value.kind) == (503, "index_failed")
        patched.undo()
        with pytest.raises(ApiError) as caught:
            asyncio.run(pipeline.stored(NO_FRAME))
        assert (caught.value.status, caught.value.kind) == (404, "not_found")


@pytest.mark.trust
def test_an_index_is_searched_while_many_libraries_are_collected(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each set of cameras that a key is limited to has a library of its own, for which all frames are read."""
    collecting, go_on = threading.Semaphore(0), threading.Event()

    def frames(index: FrameIndex, filters: Filters) -> Iterator[StoredFrame]:
        collecting.release()
        assert go_on.wait(60)
        return iter(())

    async def search(pipeline: Pipeline) -> None:
        libraries = [Library(pipeline.limited_to([f"camera {number}"])) for number in range(2 * SEARCH_THREADS)]
        tasks = [asyncio.create_task(library.holdings()) for library in libraries]
        for _ in range(SEARCH_THREADS - 1):
            assert await asyncio.to_thread(collecting.acquire, timeout=60)
        with pytest.raises(ApiError, match=NO_FRAME):
            await asyncio.wait_for(pipeline.stored(NO_FRAME), 20)
        go_on.set()
        await asyncio.gather(*tasks)

    monkeypatch.setattr(FrameIndex, "frames", frames)
    with (
        closing(open_index(tmp_path / "index", SPEC, create=True)) as index,
        closing(Pipeline(encoder, index, 60)) as pipeline,
    ):
        try:
            asyncio.run(search(pipeline))
        finally:
            go_on.set()


@pytest.mark.trust
def test_a_batch_that_fails_is_named_in_the_log_of_its_request(
    encoder: Encoder, footage: list[Shown], caplog: pytest.LogCaptureFixture
) -> None:
    """The batch runs in a thread, for several requests."""
    ids: list[RequestIds | None] = []

    def note(record: logging.LogRecord) -> bool:
        ids.append(CURRENT.get())
        return True

    async def ask(pipeline: Pipeline) -> None:
        CURRENT.set(RequestIds("mine"))
        with pytest.raises(RunFailed):
            await pipeline.embed([Upload(None, "a.png", footage[0].png)])

    caplog.handler.addFilter(note)
    with closing(Pipeline(running(encoder, failing), None)) as pipeline:
        asyncio.run(ask(pipeline))
    caplog.handler.removeFilter(note)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["a batch of 1 images failed", "the encoder failed (RuntimeError)"]
    assert ids == [None, RequestIds("mine")]


@pytest.mark.trust
def test_a_change_that_waits_keeps_its_share_of_the_uploads(encoder: Encoder, tmp_path: Path) -> None:
    """Else the arguments of any number of changes would fill the memory."""
    body, go = f'{{"space": "{SPEC.space}"}}'.encode(), threading.Event()

    async def ask(pipeline: Pipeline, recordings: Recordings) -> list[int]:
        pipeline.upload_budget = Budget(len(body) * 3 // 2)
        transport = httpx.ASGITransport(app_over(pipeline, recordings))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:

            async def flush() -> int:
                headers = {"Content-Type": "application/json"}
                return (await client.post("/index/flush", content=body, headers=headers)).status_code

            first = asyncio.create_task(flush())
            assert await asyncio.to_thread(begun.wait, 60)
            second = await flush()
            go.set()
            return [await first, second, await flush()]

    begun = threading.Event()

    def flush() -> None:
        begun.set()
        assert go.wait(60)

    with (
        closing(open_index(tmp_path / "index", SPEC, create=True)) as index,
        closing(Pipeline(encoder, index, writable=True)) as pipeline,
        closing(Recordings(pipeline, tmp_path)) as recordings,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(index.engine, "flush", flush)
        assert asyncio.run(ask(pipeline, recordings)) == [200, 503, 200]
