"""Runs of frames that say the same, on a circle."""

from __future__ import annotations

import math

import numpy as np

from lookalike.runs import Runs
from tests.index.circle import at, frame

LEAST = math.cos(math.radians(10))


def test_a_run_goes_on_while_it_is_near_to_its_first_frame() -> None:
    """Not to the frame before: a slow drift of 4 degrees a frame ends a run of 10 degrees after three."""
    runs = Runs(LEAST)
    frames, vectors = runs.push([frame("a", second) for second in range(7)], at(0, 4, 8, 12, 16, 20, 60))
    assert [(one.time_s, one.end_us, one.stands_for) for one in frames] == [(0, 2_000_000, 3), (3, 5_000_000, 3)]
    np.testing.assert_allclose(vectors, at(0, 12), atol=1e-6)
    (last,), _ = runs.close()
    assert (last.time_s, last.end_us, last.stands_for) == (6, 6_000_000, 1)
    assert runs.count() == 3


def test_a_run_spans_batches() -> None:
    runs = Runs(LEAST)
    assert runs.push([frame("a", 0), frame("a", 1)], at(0, 1))[0] == []
    assert runs.push([frame("a", 2)], at(2))[0] == []
    (only,), vectors = runs.close()
    assert (only.time_s, only.end_us, only.stands_for, vectors.shape) == (0, 2_000_000, 3, (1, 2))
    assert runs.close()[0] == []


def test_a_run_ends_with_its_source() -> None:
    runs = Runs(LEAST)
    (one,), _ = runs.push([frame("a", 0), frame("a", 1), frame("b", 0)], at(0, 0, 0))
    assert (one.source_id, one.stands_for, runs.count()) == ("a", 2, 1)
    runs.close()
    assert runs.count() == 1  # of the source that was closed last
