"""Pictures of recordings: each waits a bounded time for its turn, and recordings take turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from serving.inference.backlog import Busy
from serving.media.worker import MediaPool, MediaWorker
from serving.recordings import thumbnails
from serving.recordings.source_verifier import SourceVerifier
from serving.recordings.thumbnails import Moment, Thumbnails
from tests.serving.queues import waited, waiting

THREADS = 2
WAIT_S = 0.2
FOREVER_S = 60.0


class Decoding:
    """In the place of processes: `picture` notes what is decoded, and waits until `go` is set."""

    def __init__(self) -> None:
        self.go, self.began = threading.Event(), threading.Semaphore(0)
        self.order: list[tuple[str, float]] = []

    def picture(self, worker: MediaWorker, source: str, time_s: float, longest_px: int | None) -> bytes:
        self.order.append((source, time_s))
        self.began.release()
        assert self.go.wait(FOREVER_S)
        return f"{source} {time_s:g}".encode()


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Decoding:
    decoding = Decoding()
    monkeypatch.setattr(MediaWorker, "picture", lambda *arguments: decoding.picture(*arguments))
    monkeypatch.setattr(SourceVerifier, "check", lambda self, source, source_id: None)
    monkeypatch.setattr(thumbnails, "THUMBNAIL_THREADS", THREADS)
    return decoding


@pytest.fixture
def pictures(decoding: Decoding) -> Iterator[Callable[..., Thumbnails]]:
    made: list[Thumbnails] = []

    def make(max_wait_s: float) -> Thumbnails:
        made.append(Thumbnails(SourceVerifier(), MediaPool(THREADS, 0), max_wait_s))
        return made[-1]

    yield make
    decoding.go.set()
    for each in made:
        each.close()


def ask(pictures: Thumbnails, source: str, time_s: float) -> asyncio.Task[bytes]:
    return asyncio.ensure_future(pictures.jpeg(Moment(source, source, time_s), None))


async def until_decoding(decoding: Decoding) -> None:
    assert await asyncio.to_thread(decoding.began.acquire, timeout=FOREVER_S)


@pytest.mark.trust
def test_a_picture_whose_turn_does_not_come_in_time_is_busy(
    pictures: Callable[..., Thumbnails], decoding: Decoding
) -> None:
    async def scenario(made: Thumbnails) -> list[Any]:
        begun = [ask(made, "a", 0), ask(made, "b", 0)]
        for _ in begun:
            await until_decoding(decoding)
        late = [ask(made, "a", 1), ask(made, "c", 0)]  # of a recording in work, and of another
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        decoding.go.set()
        return [*outcomes, *await asyncio.gather(*begun), await ask(made, "c", 0)]

    *late, first, second, again = asyncio.run(scenario(pictures(WAIT_S)))
    assert [(type(error), str(error)) for error in late] == [
        (Busy, f"too many concurrent requests: this one waited more than {WAIT_S:g} s")
    ] * 2
    assert (first, second, again) == (b"a 0", b"b 0", b"c 0")  # what had begun is answered, and room is given back
    assert ("a", 1) not in decoding.order  # what is refused is not decoded


def test_many_pictures_that_are_done_in_time_are_answered(
    pictures: Callable[..., Thumbnails], decoding: Decoding
) -> None:
    async def scenario(made: Thumbnails) -> list[bytes]:
        return await asyncio.gather(*(ask(made, "a", number) for number in range(1000)))

    decoding.go.set()
    assert asyncio.run(scenario(pictures(FOREVER_S))) == [f"a {number}".encode() for number in range(1000)]


def test_pictures_that_wait_are_counted_until_their_turn_comes_or_nobody_waits(
    pictures: Callable[..., Thumbnails], decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "THUMBNAIL_THREADS", 1)
    before, begun = waiting("thumbnail"), waited("thumbnail")
    depths: list[float] = []

    async def scenario(made: Thumbnails) -> None:
        tasks = [ask(made, "a", 0)]
        await until_decoding(decoding)
        tasks += [ask(made, "a", 1), ask(made, "a", 2), ask(made, "b", 0)]
        await asyncio.sleep(0)  # all wait now
        depths.append(waiting("thumbnail") - before)
        tasks.pop().cancel()
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))  # the cancellation is passed on
        depths.append(waiting("thumbnail") - before)
        decoding.go.set()
        await asyncio.gather(*tasks)

    with closing(pictures(FOREVER_S)) as made:
        asyncio.run(scenario(made))
    assert [*depths, waiting("thumbnail") - before] == [3, 2, 0]
    assert waited("thumbnail") - begun == 4


def test_reading_a_recording_to_verify_it_is_not_waiting(
    pictures: Callable[..., Thumbnails], decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = threading.Event()
    monkeypatch.setattr(SourceVerifier, "check", lambda self, source, source_id: verified.wait(FOREVER_S))
    decoding.go.set()

    async def scenario(made: Thumbnails) -> bytes:
        picture = ask(made, "a", 0)
        done, _ = await asyncio.wait([picture], timeout=3 * WAIT_S)
        assert not done
        verified.set()
        return await picture

    assert asyncio.run(scenario(pictures(WAIT_S))) == b"a 0"


@pytest.mark.trust
def test_a_recording_that_is_always_requested_lets_others_have_turns(
    pictures: Callable[..., Thumbnails], decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "THUMBNAIL_THREADS", 1)

    async def scenario(made: Thumbnails) -> None:
        tasks = [ask(made, "a", 0)]
        await until_decoding(decoding)
        tasks += [ask(made, "a", 1), ask(made, "a", 2), ask(made, "b", 0)]
        await asyncio.sleep(0)  # all wait now
        decoding.go.set()
        await asyncio.gather(*tasks)

    with closing(pictures(FOREVER_S)) as made:
        asyncio.run(scenario(made))
    assert decoding.order == [("a", 0), ("b", 0), ("a", 1), ("a", 2)]
