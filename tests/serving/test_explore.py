"""GET /explore: found out once, in the background, and kept while the index is the same."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

import httpx
import pytest

from lookalike.errors import IndexStoreError, LookalikeError
from lookalike.index import FrameIndex
from serving.http.errors import ApiError
from serving.inference.backlog import Busy
from serving.recordings import explorer
from serving.recordings.explorer import Explorer, Found, Report
from tests.serving.conftest import refused
from tests.serving.queues import waited, waiting
from tests.serving.recordings import FRAMES, SECONDS
from tests.serving.running import START_S

INDEX = cast(FrameIndex, None)  # what these questions do not look at
ANSWER: Found = [{"id": "a"}]


def found(recordings: httpx.Client, path: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + START_S
    while (answer := recordings.get(path)).status_code == 202:
        assert time.monotonic() < deadline
        assert answer.headers["retry-after"] == "1"
        assert answer.json().keys() == {"progress", "doing"}
        time.sleep(0.05)
    assert answer.status_code == 200, answer.text
    return answer.json()["found"]


def test_outliers_are_of_their_camera(recordings: httpx.Client) -> None:
    everywhere = found(recordings, "/explore/outliers?top=50")
    assert {one["camera"] for one in everywhere} == {"gate", "late", "old", "third", "phone", "yard", "gone", "other"}
    assert all(len(one["source_id"]) == 64 and 0 <= one["percentile"] <= 100 for one in everywhere)
    assert {one["camera"] for one in found(recordings, "/explore/outliers?camera=gate&camera=late")} == {"gate", "late"}
    assert len(found(recordings, "/explore/outliers?top=2")) == 2


def test_duplicates_say_which_recordings_they_are_of(recordings: httpx.Client) -> None:
    """Four clips show the same frames at the same times, though each was encoded in its own way: six pairs."""
    pairs = {frozenset((one["source_id"], one["other_source_id"])) for one in found(recordings, "/explore/duplicates")}
    listed = recordings.get("/library").json()["recordings"]
    long = [recording["source_id"] for recording in listed if FRAMES.get(recording["name"]) == SECONDS]
    assert len(long) == 4
    assert pairs == {frozenset(pair) for pair in itertools.combinations(long, 2)}


def test_clusters_are_of_all_frames(recordings: httpx.Client) -> None:
    groups = found(recordings, "/explore/clusters?clusters=3")
    assert sum(one["frames"] for one in groups) == sum(FRAMES.values())
    assert all(len(one["source_id"]) == 64 for group in groups for one in group["representatives"])


@pytest.mark.parametrize(
    "path", ["outliers?top=0", "outliers?top=many", "outliers?top=201", "clusters?clusters=65", "clusters?clusters=0"]
)
def test_what_cannot_be_asked_is_400(recordings: httpx.Client, path: str) -> None:
    refused(recordings.get(f"/explore/{path}"), 400)


@pytest.fixture
def asked() -> Iterator[Explorer]:
    one = Explorer()
    yield one
    one.close()


def settled(ask: Callable[[], Found | float | None]) -> Found:
    deadline = time.monotonic() + START_S
    while not isinstance(got := ask(), list):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return got


def test_a_question_is_worked_on_once_while_the_index_is_the_same(
    asked: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, reported, go_on = [], threading.Event(), threading.Event()

    def work(index: FrameIndex, report: Report) -> Found:
        begun.append(index)
        report(0.5)
        reported.set()
        assert go_on.wait(START_S)
        return ANSWER

    assert asked.ask("q", INDEX, 3, work) in (None, 0.5)
    assert reported.wait(START_S)
    assert asked.ask("q", INDEX, 4, work) == 0.5  # frames come in: what was begun is answered first
    go_on.set()
    assert settled(lambda: asked.ask("q", INDEX, 5, work)) == ANSWER
    assert len(begun) == 1
    monkeypatch.setattr(explorer, "VALID_S", 0.0)
    assert settled(lambda: asked.ask("q", INDEX, 3, work)) == ANSWER
    assert len(begun) == 1
    asked.ask("q", INDEX, 5, work)
    assert settled(lambda: asked.ask("q", INDEX, 5, work)) == ANSWER
    assert len(begun) == 2


def test_what_cannot_be_found_out_says_why(asked: Explorer) -> None:
    def work(index: FrameIndex, report: Report) -> Found:
        raise LookalikeError("3 frames, too few")

    with pytest.raises(ApiError, match="3 frames, too few"):
        settled(lambda: asked.ask("q", INDEX, 3, work))


class Panic(BaseException):
    """As the embedded engine raises it."""


@pytest.mark.trust
@pytest.mark.parametrize("error", [Panic("at 10.0.0.1"), IndexStoreError("the Qdrant server at 10.0.0.1 refuses")])
def test_an_index_that_fails_is_503_and_ends_no_queue(asked: Explorer, error: BaseException) -> None:
    def fail(index: FrameIndex, report: Report) -> Found:
        raise error

    with pytest.raises(ApiError, match=rf"^the exploration failed \({type(error).__name__}\)$") as caught:
        settled(lambda: asked.ask("q", INDEX, 3, fail))
    assert caught.value.status == 503
    assert settled(lambda: asked.ask("other", INDEX, 3, lambda index, report: ANSWER)) == ANSWER


def test_closing_ends_what_is_worked_on() -> None:
    one, begun = Explorer(), threading.Event()

    def work(index: FrameIndex, report: Report) -> Found:
        begun.set()
        while True:
            report(0.1)
            time.sleep(0.001)

    one.ask("q", INDEX, 3, work)
    assert begun.wait(START_S)
    one.close()  # hangs for ever if the work does not end


@pytest.mark.trust
def test_past_the_most_explorations_is_busy(asked: Explorer) -> None:
    go_on = threading.Event()

    def work(index: FrameIndex, report: Report) -> Found:
        assert go_on.wait(START_S)
        return ANSWER

    for number in range(explorer.MAX_QUEUED):
        asked.ask(number, INDEX, 3, work)
    with pytest.raises(Busy, match=f"{explorer.MAX_QUEUED} explorations run or wait"):
        asked.ask("one more", INDEX, 3, work)
    with pytest.raises(Busy):
        asked.separate().ask("of some cameras", INDEX, 3, work)
    assert asked.ask(0, INDEX, 3, work) is None  # it is known
    go_on.set()
    assert settled(lambda: asked.ask(explorer.MAX_QUEUED - 1, INDEX, 3, work)) == ANSWER
    assert settled(lambda: asked.ask("one more", INDEX, 3, work)) == ANSWER


def test_explorations_that_wait_are_counted() -> None:
    before, begun_before = waiting("explore"), waited("explore")
    begun, go_on = threading.Event(), threading.Event()

    def work(index: FrameIndex, report: Report) -> Found:
        begun.set()
        assert go_on.wait(START_S)
        return ANSWER

    with closing(Explorer()) as one:
        for number in range(3):
            one.ask(number, INDEX, 3, work)
        assert begun.wait(START_S)
        assert (waiting("explore") - before, waited("explore") - begun_before) == (2, 1)
        go_on.set()
        for number in range(3):
            assert settled(lambda number=number: one.ask(number, INDEX, 3, work)) == ANSWER
    assert (waiting("explore") - before, waited("explore") - begun_before) == (0, 3)
