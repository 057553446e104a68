"""Groups of frames on a circle: three places that the camera looks at."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lookalike.errors import LookalikeError
from lookalike.explore.cluster import cluster
from lookalike.index import Filters
from tests.index.circle import at, frame

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def places(index):
    """Gate: 60 frames 1 s apart about 0 degrees, and 20 about 120; dock: 10 about 120, and 10 about 240."""
    gate = [frame("a", second, "gate", EIGHT + timedelta(seconds=second)) for second in range(80)]
    dock = [frame("b", second, "dock") for second in range(20)]
    spread = [-1, 1] * 40
    index.add(gate, at(*[(0 if number < 60 else 120) + spread[number] for number in range(80)]))
    index.add(dock, at(*[(120 if number < 10 else 240) + spread[number] for number in range(20)]))
    return index


def test_each_place_is_a_cluster_the_largest_first(places):
    first, second, third = cluster(places, Filters(), 3, 2)
    assert [(one.number, one.frames) for one in (first, second, third)] == [(1, 60), (2, 30), (3, 10)]
    assert first.cameras == {"gate": 60}
    assert list(second.cameras.items()) == [("gate", 20), ("dock", 10)]
    assert third.cameras == {"dock": 10}
    assert (first.first, first.last) == ("2026-01-05T08:00:00Z", "2026-01-05T08:00:59Z")
    assert (third.first, third.last) == (None, None)


def test_representatives_are_near_the_middle_and_of_several_moments(places):
    for one in cluster(places, Filters(), 3, 2):
        assert len(one.representatives) == 2
        for hit in one.representatives:
            assert hit.score == pytest.approx(math.cos(math.radians(1)), abs=1e-3)
        if one.number != 2:
            times_s = [hit.time_s for hit in one.representatives]
            assert abs(times_s[0] - times_s[1]) > 5


def test_a_run_counts_as_all_of_its_frames(index):
    index.add([replace(frame("a", 0), stands_for=50), frame("b", 0), frame("c", 0)], at(0, 120, 121))
    assert [one.frames for one in cluster(index, Filters(), 2, 1)] == [50, 2]


def test_the_same_index_gives_the_same_clusters(places):
    assert cluster(places, Filters(), 5, 3) == cluster(places, Filters(), 5, 3)


def test_conditions_are_kept(places):
    (one,) = cluster(places, Filters(("dock",), until=9.0), 1, 3)
    assert (one.frames, one.cameras) == (10, {"dock": 10})


def test_more_clusters_than_frames_are_refused(places):
    with pytest.raises(LookalikeError, match="10 frames meet the conditions, too few for 11 clusters"):
        cluster(places, Filters(("dock",), until=9.0), 11, 1)


def test_a_library_that_is_missing_is_named(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)  # as if it were not installed
    with pytest.raises(LookalikeError, match=r'pip install "lookalike\[explore\]"'):
        cluster(places, Filters(), 2, 1)
