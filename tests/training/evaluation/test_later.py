"""The task that needs no label."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.evaluation.footage import gallery_of
from training.evaluation.later import find_tracks, same_track_later

HALF, OTHER = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)


def two_tracks() -> tuple:
    """Track 0 is seen at 0, 1, 2.5 and 4 s, in rows 1, 4, 6 and 8; track 1 at 0 and 1 s, in rows 2 and 5 of row 3."""
    gallery = gallery_of(
        *(("gate", 0), ("gate", 0, HALF), ("gate", 0, OTHER), ("gate", 1), ("gate", 1, HALF), ("gate", 1, OTHER)),
        *(("gate", 2.5), ("gate", 2.5, HALF), ("gate", 4), ("gate", 4, HALF)),
    )
    return gallery, np.array([-1, 0, 1, -1, 0, 1, -1, 0, -1, 0])


def test_right_is_what_is_of_the_same_track_more_than_two_seconds_away() -> None:
    """Regions alone are searched; those of its own track nearer than that, and itself, are not. Track 1 is too short
    to be asked, and is wrong."""
    gallery, track = two_tracks()
    task = same_track_later(gallery, track)
    found = {
        int(row): (right.nonzero()[0].tolist(), (searched & ~right).nonzero()[0].tolist())
        for row, right, searched in zip(task.query, task.relevant, task.searched, strict=True)
    }
    assert found == {1: ([7, 9], [2, 5]), 4: ([9], [2, 5]), 7: ([1], [2, 5]), 9: ([1, 4], [2, 5])}
    assert (task.unit.tolist(), task.crops, task.clean) == ([0] * 4, True, False)


def test_a_region_that_is_not_apart_from_any_of_its_track_is_not_asked() -> None:
    """At 1.5 s of 0 to 3 s it is 1.5 s from both ends."""
    gallery = gallery_of(*(row for second in (0, 1.5, 3) for row in (("gate", second), ("gate", second, HALF))))
    assert same_track_later(gallery, np.array([-1, 0] * 3)).query.tolist() == [1, 5]


def test_tracks_that_a_head_was_fitted_to_can_be_left_out() -> None:
    """Even tracks or odd ones are asked; all are searched."""
    gallery = gallery_of(
        *(row for second in (0, 3) for row in (("a", second), ("a", second, HALF), ("a", second, OTHER)))
    )
    track = np.array([-1, 0, 1] * 2)
    assert same_track_later(gallery, track).query.tolist() == [1, 4, 2, 5]
    even, odd = same_track_later(gallery, track, "even"), same_track_later(gallery, track, "odd")
    assert (even.query.tolist(), odd.query.tolist()) == ([1, 4], [2, 5])
    assert odd.searched[0].nonzero()[0].tolist() == [1, 4, 5]
    assert same_track_later(gallery, np.array([-1, 0, -1] * 2), "odd").reason == "no odd track lasts more than 2 s"


def test_of_many_tracks_an_even_sample_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.later.TRACKS", 3)
    monkeypatch.setattr("training.evaluation.later.QUERIES", 6)
    seen = [("a", 3.0 * step, HALF) for step in range(4)]
    gallery = gallery_of(("a", 0), *(row for _ in range(5) for row in seen))
    task = same_track_later(gallery, np.concatenate([[-1], np.repeat(np.arange(5), 4)]))
    assert task.unit.tolist() == [0, 0, 2, 2, 4, 4]
    assert task.query.tolist() == [1, 4, 9, 12, 17, 20]


@pytest.mark.parametrize(
    ("track", "reason"),
    [
        ([], "no region in which something moves was found"),
        ([-1, -1], "no region could be linked with one of another frame; try a higher --fps"),
        ([0, 0], "no track lasts more than 2 s"),
    ],
)
def test_without_a_query_it_says_why(track: list[int], reason: str) -> None:
    rows = [("a", 0), ("a", 0.5), *(("a", 0.5 + step, HALF) for step, _ in enumerate(track))]
    task = same_track_later(gallery_of(*rows), np.array([-1, -1, *track]))
    assert (len(task), task.reason) == (0, reason)


def test_regions_are_linked_within_a_recording_of_a_camera() -> None:
    """The same place at the same times in two cameras' recordings of one name: two tracks; frames are in none."""
    rows = [
        row
        for camera in ("x", "y")
        for second in (0, 0.25)
        for row in ((f"{camera}/a", second), (f"{camera}/a", second, HALF))
    ]
    assert find_tracks(gallery_of(*rows)).tolist() == [-1, 0, -1, 0, -1, 1, -1, 1]
    assert find_tracks(gallery_of(("a", 0), ("a", 1))).tolist() == [-1, -1]
