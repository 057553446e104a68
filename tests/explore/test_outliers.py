"""What is unusual for a camera, worked out on a circle."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from lookalike.explore.outliers import Outlier, outliers, unusualness
from lookalike.explore.stored import cameras, load
from lookalike.index import Filters, FrameIndex
from lookalike.region import Region
from tests.index.circle import at, frame

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)


def found(index: FrameIndex, filters: Filters, top: int, usual: float = 0.1) -> list[Outlier]:
    return outliers(index, filters, sorted(cameras(index, filters)), top, usual)


def cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_the_distance_is_to_the_share_of_the_camera_that_is_nearest(index):
    """Ten moments, 10 s apart, at 0, 1 ... 8 and 90 degrees. A tenth of the nine others is one: that at 0 is 1 degree
    from it, that at 90 is 82. Three tenths are three: 3 degrees and 84."""
    index.add([frame("a", 10 * number) for number in range(10)], at(*range(9), 90))
    stored = load(index, Filters())
    for usual, near, far in ((0.1, 1, 82), (0.3, 3, 84)):
        distances = unusualness(stored, stored, usual)
        by_time = dict(zip(stored.times_s, distances, strict=True))
        assert by_time[0] == pytest.approx(1 - cosine(near), abs=1e-6)
        assert by_time[90] == pytest.approx(1 - cosine(far), abs=1e-6)


def test_its_own_moment_makes_nothing_usual(index):
    """Six frames at 90 degrees within 5 s; all else is 90 away. Seen again 10 s apart, they are usual."""
    index.add([frame("a", 100 + number) for number in range(6)], at(*[90] * 6))
    index.add([frame("b", 10 * number) for number in range(6)], at(*[0] * 6))
    stored = load(index, Filters())
    assert unusualness(stored, stored, 0.1)[stored.times_s >= 100] == pytest.approx([1] * 6, abs=1e-6)
    index.add([frame("c", 10 * number) for number in range(6)], at(*[90] * 6))
    stored = load(index, Filters())
    assert unusualness(stored, stored, 0.1) == pytest.approx([0] * 18, abs=1e-6)


def test_a_frame_alone_is_not_unusual(index):
    index.add([frame("a", 0)], at(0))
    assert [one.distance for one in found(index, Filters(), 5)] == [0]


def test_a_run_that_one_frame_stands_for_is_as_usual_as_all_of_it(index):
    """One of 3 stored frames, but 8 of 10: the other two are both near enough to it, so all have a distance of 0."""
    run = replace(frame("a", 0), stands_for=8)
    index.add([run, frame("b", 0), frame("c", 0)], at(0, 0, 60))
    by_source = {one.source: one.distance for one in found(index, Filters(), 5, usual=0.5)}
    assert by_source["gate/b.mp4"] == pytest.approx(0, abs=1e-6)
    assert by_source["gate/c.mp4"] == pytest.approx(1 - cosine(60), abs=1e-6)


def test_moments_come_once_with_their_span_and_the_rarest_first(index):
    """Gate: 40 still frames 1 s apart, but at 20 to 22 s something passes, most of all at 21 s. Dock: ten frames, one
    of them unusual. Of 40 frames 39 are nearer, 97.5 %; of 10 there are 9, 90 %."""
    gate = [frame("a", second, "gate", EIGHT) for second in range(40)]
    angles = [0.0] * 40
    angles[20:23] = [60, 80, 70]
    index.add(gate, at(*angles))
    index.add([frame("d", 10 * number, "dock") for number in range(10)], at(*[0] * 9, 45))
    first, second, *rest = found(index, Filters(), 10)
    assert (first.camera, first.time_s, first.span_s, first.percentile) == ("gate", 21, (20, 22), 97.5)
    assert first.distance == pytest.approx(1 - cosine(80), abs=1e-6)
    assert (first.id, first.captured_at) == (gate[21].id, "2026-01-05T08:00:00Z")
    assert (second.camera, second.time_s, second.percentile, second.captured_at) == ("dock", 90, 90, None)
    assert all(one.distance == pytest.approx(0, abs=1e-6) for one in rest)
    assert found(index, Filters(), 1) == [first]


def test_what_is_asked_about_is_compared_with_all_that_the_camera_shows(index):
    """From 50 s on a camera shows nothing but what is unusual for it."""
    index.add([frame("a", 10 * number) for number in range(6)], at(0, 0, 0, 0, 0, 70))
    (only,) = found(index, Filters(since=50.0), 5)
    assert (only.time_s, only.distance) == (50, pytest.approx(1 - cosine(70), abs=1e-6))
    assert found(index, Filters(("dock",)), 5) == []


def test_regions_of_frames_are_left_out(index):
    index.add([frame("a", 10 * number) for number in range(5)], at(*[0] * 5))
    index.add([replace(frame("a", 0), region=Region(0, 0, 0.5, 0.5))], at(90))
    assert cameras(index, Filters()) == {"gate": 5}
    assert [one.distance for one in found(index, Filters(), 5)] == [pytest.approx(0, abs=1e-6)]  # one still moment


def test_frames_are_told_as_they_are_done(index):
    index.add([frame("a", second, "gate") for second in range(600)], at(*[0] * 600))
    index.add([frame("b", second, "dock") for second in range(3)], at(*[0] * 3))
    told: list[tuple[int, str]] = []
    outliers(index, Filters(), ["dock", "gate"], 5, on_frames=lambda done, camera: told.append((done, camera)))
    assert told == [(3, "dock"), (515, "gate"), (603, "gate")]


def test_a_camera_with_many_frames_is_done_in_blocks(index):
    """3000 frames, more than are sampled and more than fit in a block; the odd ones are found."""
    for start in range(0, 3000, 500):
        index.add([frame(f"s{number}", 0) for number in range(start, start + 500)], at(*np.linspace(0, 1, 500)))
    index.add([frame("odd", 0), frame("odder", 0)], at(90, -90))
    assert {one.source for one in found(index, Filters(), 2)} == {"gate/odd.mp4", "gate/odder.mp4"}
