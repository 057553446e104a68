"""How widely the embedded engine looks: what decides, and that it finds what is nearest where the index is large."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lookalike.index import Filters
from lookalike.index.embedded import effort
from lookalike.index.embedded.edge import Shard
from lookalike.index.filters import Condition, NumberRange
from lookalike.index.record import StoredFrame
from tests.index.circle import frame

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
SPAN = timedelta(seconds=2799)
FILTERS = {
    "camera": Filters(("camera1",)),
    "span": Filters(since=BEGAN, until=BEGAN + SPAN),
    "camera, span": Filters(("camera1",), since=BEGAN, until=BEGAN + SPAN),
}


def counted(counts: dict[str, int]) -> effort.Count:
    """By the fields of the conditions, and how many bounds each has."""

    def count(conditions: Sequence[Condition]) -> int:
        names = [f"{getattr(one, 'field', '?')}{'=' * len(getattr(one, 'bounds', ''))}" for one in conditions]
        return counts[" ".join(names)]

    return count


def test_frames_that_few_conditions_list_are_compared_one_by_one() -> None:
    """65,536 frames of 256 numbers are the most, and of twice the dimensions half as many."""
    counts = {"": 2_000_000, "captured_at=": 1_300_000, "ended_at=": 900_000, "captured_at==": 200_000}
    for dim, frames, scan in ((256, 65_536, True), (256, 65_537, False), (512, 32_768, True), (512, 32_769, False)):
        count = counted(counts | {"camera": frames})
        assert effort.effort(FILTERS["camera"].conditions(), dim, count).scan is scan
        assert effort.effort(FILTERS["camera, span"].conditions(), dim, count).scan is scan
    assert not effort.effort(FILTERS["span"].conditions(), 256, counted(counts)).scan


def test_half_of_all_frames_are_not_compared_one_by_one() -> None:
    """Along the graph as much is found of so many, in a tenth of the time."""
    for camera, scan in ((25_000, True), (26_000, False)):
        count = counted({"": 50_000, "camera": camera})
        assert effort.effort(FILTERS["camera"].conditions(), 256, count).scan is scan


def test_along_the_graph_it_is_the_wider_the_more_frames_do_not_meet_the_conditions() -> None:
    """200,000 of 1,000,000 begin in the span, so 800,000 do not: a 400th of those are 2,000."""
    counts = {"": 1_000_000, "captured_at=": 600_000, "ended_at=": 600_000, "captured_at==": 200_000}
    assert effort.effort(FILTERS["span"].conditions(), 256, counted(counts)) == effort.Effort(False, 2000)
    assert effort.effort([], 256, counted(counts)) == effort.Effort(False, 512)
    few = {"": 100_000, "captured_at=": 90_000, "ended_at=": 90_000, "captured_at==": 80_000}
    assert effort.effort(FILTERS["span"].conditions(), 256, counted(few)) == effort.Effort(False, 512)
    many = {name: count * 10 for name, count in counts.items()}
    assert effort.effort(FILTERS["span"].conditions(), 256, counted(many)) == effort.Effort(False, 4096)


def test_seconds_into_a_clip_are_a_span_as_well() -> None:
    conditions = Filters(since=10.0, until=20.0).conditions()
    assert effort.joined(conditions) == [NumberRange("time_s", {"gte": 10.0, "lte": 20.0})]


def test_whole_frames_are_looked_for_along_the_graph() -> None:
    """No payload index says which frames are regions: each one's payload would be read."""
    conditions = Filters(("camera1",), whole=True).conditions()
    assert not effort.effort(conditions, 256, counted({"": 5000, "camera": 50, "region": 2500})).scan


def test_an_empty_index_is_searched(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "shard", "space", 4)
    for filters in (Filters(), *FILTERS.values()):
        assert shard.nearest(np.eye(4, dtype=np.float32)[0], 10, filters) == []
    shard.close()


DIM, FRAMES, CAMERAS = 1024, 6000, 2
NARROW = 16
"""Random vectors of many dimensions are all about as far from each other, so that a graph leads nowhere in particular.
3,000 of 6,000 are enough for the engine to go along it, which by itself it does from 10 MB of vectors on. A width of 16
is to those about what 512 is to a camera of 100,000."""


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    """float32 (FRAMES, DIM), of length 1."""
    made = np.random.default_rng(0).standard_normal((FRAMES, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory, made: np.ndarray):
    """Frames of CAMERAS in turn, one a second, with their graph."""
    opened = Shard(tmp_path_factory.mktemp("effort") / "shard", "space", DIM)
    for start in range(0, FRAMES, 500):
        frames = [
            StoredFrame.from_frame(
                frame(f"{number}", 0.0, f"camera{number % CAMERAS}", BEGAN + timedelta(seconds=number))
            )
            for number in range(start, start + 500)
        ]
        opened.upsert(frames, made[start : start + 500])
    opened.optimize()
    assert opened.unindexed() == 0
    yield opened
    opened.close()


def recall(shard: Shard, made: np.ndarray, meets: np.ndarray, filters: Filters) -> float:
    """The share of the ten nearest, by exact search among those that meet the conditions, that is found."""
    shares = []
    for query in np.random.default_rng(1).standard_normal((20, DIM)).astype(np.float32):
        query /= np.linalg.norm(query)
        least = np.sort(made[meets] @ query)[-10]
        found = shard.nearest(query, 10, filters)
        shares.append(sum(one.score >= least - 1e-5 for one in found) / 10)
    return float(np.mean(shares))


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_nearest_is_found_where_a_fixed_width_misses_it(
    shard: Shard, made: np.ndarray, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 frames of a camera, 2,800 of a span, and 1,400 of both, which the engine itself compares one by one.

    Before, the width was the same however many frames there were, and none of the filters led to a scan.
    """
    seconds = np.arange(FRAMES)
    camera, span = seconds % CAMERAS == 1, seconds < 2800
    meets = {"camera": camera, "span": span, "camera, span": camera & span}[name]
    monkeypatch.setattr(effort, "LEAST_WIDTH", NARROW)
    monkeypatch.setattr(effort, "MOST_WIDTH", NARROW)
    assert recall(shard, made, meets, FILTERS[name]) == 1.0
    if name != "camera, span":
        monkeypatch.setattr(effort, "SCANNED", 0)
        assert recall(shard, made, meets, FILTERS[name]) < 0.95
