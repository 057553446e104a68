"""Segments of frames that say the same, on a circle."""

from __future__ import annotations

import math

import numpy as np

from lookalike.ingest.dedupe import Deduper
from tests.index.circle import at, frame

LEAST = math.cos(math.radians(10))


def test_a_run_goes_on_while_it_is_near_to_its_first_frame() -> None:
    """Not to the frame before: a slow drift of 4 degrees a frame ends a run of 10 degrees after three."""
    deduper = Deduper(LEAST)
    frames, vectors = deduper.push([frame("a", second) for second in range(7)], at(0, 4, 8, 12, 16, 20, 60))
    assert [(one.time_s, one.end_us, one.stands_for) for one in frames] == [(0, 2_000_000, 3), (3, 5_000_000, 3)]
    np.testing.assert_allclose(vectors, at(0, 12), atol=1e-6)
    (last,), _ = deduper.close()
    assert (last.time_s, last.end_us, last.stands_for) == (6, 6_000_000, 1)
    assert deduper.count() == 3


def test_a_run_spans_batches() -> None:
    deduper = Deduper(LEAST)
    assert deduper.push([frame("a", 0), frame("a", 1)], at(0, 1))[0] == []
    assert deduper.push([frame("a", 2)], at(2))[0] == []
    (only,), vectors = deduper.close()
    assert (only.time_s, only.end_us, only.stands_for, vectors.shape) == (0, 2_000_000, 3, (1, 2))
    assert deduper.close()[0] == []


def test_a_run_ends_with_its_source() -> None:
    deduper = Deduper(LEAST)
    (one,), _ = deduper.push([frame("a", 0), frame("a", 1), frame("b", 0)], at(0, 0, 0))
    assert (one.source_id, one.stands_for, deduper.count()) == ("a", 2, 1)
    deduper.close()
    assert deduper.count() == 1  # of the source that was closed last
