"""Linking regions of the same thing over time."""

from __future__ import annotations

import numpy as np

from training.tracks import LOST_S, link_regions


def boxes_of(*centres: tuple[float, float], side: float = 0.2) -> np.ndarray:
    return np.array([(x - side / 2, y - side / 2, side, side) for x, y in centres])


def test_two_things_that_pass_each_other_keep_their_numbers() -> None:
    """One goes right, one goes left; at 1.0 s both are in the middle, and each goes on in its own direction."""
    times = [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5]
    right, left = [(0.1, 0.5), (0.3, 0.5), (0.5, 0.5), (0.7, 0.5)], [(0.9, 0.5), (0.7, 0.5), (0.51, 0.5), (0.3, 0.5)]
    boxes = boxes_of(*(point for pair in zip(right, left, strict=True) for point in pair))
    assert link_regions(boxes, np.zeros(8, int), np.array(times)).tolist() == [0, 1, 0, 1, 0, 1, 0, 1]


def test_a_region_that_goes_on_nowhere_is_no_track() -> None:
    boxes = boxes_of((0.2, 0.2), (0.8, 0.8), (0.25, 0.2))
    assert link_regions(boxes, np.zeros(3, int), np.array([0.0, 0.0, 0.5])).tolist() == [0, -1, 0]


def test_a_track_ends_when_it_is_not_seen_for_long() -> None:
    boxes = boxes_of((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
    late = 0.5 + LOST_S + 0.1
    assert link_regions(boxes, np.zeros(4, int), np.array([0.0, 0.5, late, late + 0.5])).tolist() == [0, 0, 1, 1]


def test_recordings_are_never_linked_and_rows_may_come_in_any_order() -> None:
    boxes = boxes_of((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
    source, time_s = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.0, 0.0])
    assert link_regions(boxes, source, time_s).tolist() == [1, 0, 1, 0]


def test_a_thing_does_not_become_four_times_as_large_at_once() -> None:
    boxes = np.concatenate([boxes_of((0.5, 0.5), side=0.1), boxes_of((0.5, 0.5), side=0.3)])
    assert link_regions(boxes, np.zeros(2, int), np.array([0.0, 0.5])).tolist() == [-1, -1]


def test_no_regions_are_no_tracks() -> None:
    assert link_regions(np.empty((0, 4)), np.empty(0, int), np.empty(0)).tolist() == []
