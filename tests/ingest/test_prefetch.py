"""Prefetching in threads."""

from __future__ import annotations

import itertools
import threading

import pytest

from lookalike.footage import find_sources, read_frames
from lookalike.ingest.prefetch import Prefetch
from lookalike.ingest.settings import USUAL
from tests.two_clips import decoding


def test_prefetching_gives_the_same_frames_in_order(two_clips):
    sources = find_sources([two_clips / "a.mp4"])
    assert [frame.id for frame in Prefetch(read_frames(sources), depth=2)] == [
        frame.id for frame in read_frames(sources)
    ]


def test_prefetching_passes_errors_on_where_they_happened(two_clips):
    def failing():
        yield from itertools.islice(read_frames(find_sources([two_clips / "a.mp4"])), 3)
        raise RuntimeError("the camera fell down")

    frames = iter(Prefetch(failing(), USUAL.queue_frames))
    assert len(list(itertools.islice(frames, 3))) == 3
    with pytest.raises(RuntimeError, match="the camera fell down"):
        next(frames)


@pytest.mark.parametrize("depth", [1, USUAL.queue_frames])
def test_prefetching_stops_when_the_consumer_stops(two_clips, depth):
    """Of an endless source no more is decoded than the queue holds, one in hand, and those taken."""
    frame = next(read_frames(find_sources([two_clips / "a.mp4"])))
    decoded: list[int] = []

    def endless():
        for number in itertools.count():
            decoded.append(number)
            yield frame

    before = set(decoding())
    frames = iter(Prefetch(endless(), depth))
    assert [next(frames), next(frames)] == [frame, frame]
    (thread,) = set(decoding()) - before
    frames.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
    assert not thread.is_alive()
    assert len(decoded) <= 2 + depth + 1


def test_items_produced_alongside_are_mixed_in_and_no_producer_waits_for_another():
    """The first gives its second item only when one of the other has come through."""
    came = threading.Event()

    def first():
        yield "first"
        assert came.wait(10)
        yield "last"

    found = []
    for item in Prefetch(first(), 1, [iter(["alongside"])]):
        found.append(item)
        if item == "alongside":
            came.set()
    assert sorted(found[:2]) == ["alongside", "first"]
    assert found[2:] == ["last"]


def test_an_error_of_one_ends_all():
    def failing():
        raise RuntimeError("the camera fell down")
        yield

    before = set(decoding())
    with pytest.raises(RuntimeError, match="the camera fell down"):
        list(Prefetch(itertools.repeat(1), 4, [failing()]))
    assert set(decoding()) == before
