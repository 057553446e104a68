"""Precision and self-retrieval on frames whose every similarity is written down."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from training.evaluation.gallery import Gallery, whole_frames
from training.evaluation.labels import Event
from training.evaluation.moments import camera_share, event_precision, self_retrieval, temporal_recall


def gallery_of(*frames: tuple[str, float]) -> Gallery:
    """Clip and time of each frame; its picture is black."""
    clips, times = zip(*frames, strict=True)
    pictures = [np.zeros((4, 4, 3), np.uint8)] * len(frames)
    return whole_frames(pictures, np.array(clips), np.array(times, float), np.array(clips))


def precision(similarity: np.ndarray, gallery: Gallery, events: list[Event], guard_s: float) -> dict[str, float]:
    """Against vectors that are the axes, a query is its own row of similarities."""
    return event_precision(similarity, np.eye(len(similarity)), gallery, events, guard_s)


def perfect(labels: str) -> np.ndarray:
    """Similarity 1 where the labels agree, else 0."""
    letters = np.array(list(labels))
    return (letters[:, None] == letters[None]).astype(float)


# Six frames of one clip, a second apart: x x y y x x.
SIX = gallery_of(*(("a", second) for second in range(6)))
XYX = [Event("a", 0, 1, "x"), Event("a", 2, 3, "y"), Event("a", 4, 5, "x")]


def test_precision_counts_the_querys_event_among_as_many_as_there_are_to_find() -> None:
    """Query 0 can find x at 1, 4 and 5, so three count: 2 (y), 1 (x), 4 (x) give 2/3. The other five give 1."""
    similarity = perfect("xxyyxx")
    similarity[0] = [9, 4, 5, 2, 3, 1]
    assert precision(similarity, SIX, XYX, guard_s=0.5) == pytest.approx(
        {"a": (2 / 3 + 5) / 6, "mean": (2 / 3 + 5) / 6}
    )


def test_frames_within_the_guard_do_not_count() -> None:
    """At a guard of 1 s query 0 loses x at 1: two count, 2 (y) and 4 (x) give 1/2. The two y lose each other.

    Left are the queries 0, 1, 4, 5, of which three give 1.
    """
    similarity = perfect("xxyyxx")
    similarity[0] = [9, 4, 5, 2, 3, 1]
    assert precision(similarity, SIX, XYX, guard_s=1.0)["mean"] == pytest.approx((0.5 + 3) / 4)


def test_the_guard_holds_within_a_clip_alone() -> None:
    """The same second of another clip is another place; there it is the nearest, and wrong."""
    gallery = gallery_of(("a", 0), ("a", 9), ("b", 0), ("b", 9))
    events = [Event("a", 0, 9, "x"), Event("b", 0, 9, "x")]
    similarity = np.array([[0, 1, 2, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    assert precision(similarity, gallery, events, guard_s=3) == {"a": 0.5, "b": 1.0, "mean": 0.75}


def test_only_five_are_looked_at() -> None:
    """Eight frames each of x and y. Query 0 ranks x y x y x first: 3/5; of the first seven it would be 5/7."""
    gallery = gallery_of(*(("a", second) for second in range(16)))
    events = [Event("a", 0, 7, "x"), Event("a", 8, 15, "y")]
    similarity = perfect("x" * 8 + "y" * 8)
    similarity[0] = 0
    similarity[0, [1, 8, 2, 9, 3, 4, 5]] = [9, 8, 7, 6, 5, 4, 3]
    assert precision(similarity, gallery, events, guard_s=0.5)["mean"] == pytest.approx((0.6 + 15) / 16)


def test_a_query_with_nothing_to_find_is_left_out() -> None:
    """z is seen once: its own row would be 0 of 0, and the frame stays as a wrong answer for others."""
    gallery = gallery_of(("a", 0), ("a", 5), ("a", 9))
    events = [Event("a", 0, 5, "x"), Event("a", 9, 9, "z")]
    similarity = np.array([[0, 1, 2], [1, 0, 0], [1, 0, 0]])
    assert precision(similarity, gallery, events, guard_s=1) == {"a": 0.5, "mean": 0.5}


def test_without_any_query_there_is_no_mean() -> None:
    found = precision(np.eye(2), gallery_of(("a", 0), ("a", 1)), [Event("a", 0, 1, "x")], guard_s=5)
    assert set(found) == {"mean"}
    assert math.isnan(found["mean"])


def test_a_frame_with_two_labels_matches_either() -> None:
    """Frame 1 is x and y: right for query 0 (x), right for query 2 (y), and itself content with either."""
    gallery = gallery_of(("a", 0), ("a", 1), ("a", 2))
    events = [Event("a", 0, 1, "x"), Event("a", 1, 2, "y")]
    similarity = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    # 0: one to find, the nearest is 2 (y only): 0. 1: two to find, both right: 1. 2: one to find, nearest 0: 0.
    assert precision(similarity, gallery, events, guard_s=0.5)["mean"] == pytest.approx(1 / 3)
    similarity[0], similarity[2] = [0, 2, 1], [1, 2, 0]
    assert precision(similarity, gallery, events, guard_s=0.5)["mean"] == 1


def test_frames_without_a_label_are_neither_asked_nor_answered() -> None:
    gallery = gallery_of(("a", 0), ("a", 3), ("a", 6))
    events = [Event("a", 0, 0, "x"), Event("a", 6, 6, "x")]
    similarity = np.array([[0, 9, 1], [0, 0, 0], [1, 9, 0]])
    assert precision(similarity, gallery, events, guard_s=1) == {"a": 1.0, "mean": 1.0}


def test_empty_of_one_clip_is_not_empty_of_another() -> None:
    gallery = gallery_of(("a", 0), ("a", 9), ("b", 0), ("b", 9))
    events = [Event("a", 0, 9, "empty"), Event("b", 0, 9, "empty")]
    crossed = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [2, 2, 0, 1], [2, 2, 1, 0]])
    assert precision(crossed, gallery, events, guard_s=1)["mean"] == 0


def test_the_mean_weighs_clips_equally() -> None:
    """Clip a: four queries, all right. Clip b: two, all wrong. Over queries it would be 4/6."""
    gallery = gallery_of(("a", 0), ("a", 2), ("a", 4), ("a", 6), ("b", 0), ("b", 2))
    events = [Event("a", 0, 6, "x"), Event("b", 0, 2, "y")]
    similarity = perfect("xxxxyy")
    similarity[4:] = 1 - similarity[4:]
    assert precision(similarity, gallery, events, guard_s=1) == {"a": 1.0, "b": 0.0, "mean": 0.5}


def test_an_event_includes_both_of_its_ends_and_nothing_beyond() -> None:
    gallery = gallery_of(("a", 0.9), ("a", 1.0), ("a", 3.0), ("a", 3.1))
    events = [Event("a", 1, 3, "x")]
    found = np.array([[0, 0, 0, 0], [9, 0, 1, 9], [9, 1, 0, 9], [0, 0, 0, 0]])
    assert precision(found, gallery, events, guard_s=0.5) == {"a": 1.0, "mean": 1.0}


def test_self_retrieval_is_the_share_that_finds_its_own_moment() -> None:
    """0 finds itself; 1 finds 0, a second off; 2 finds 0, two seconds off; 3 finds the same second of another clip."""
    gallery = gallery_of(("a", 0), ("a", 1), ("a", 2), ("b", 0))
    queries = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    assert self_retrieval(queries, np.eye(4), gallery, within_s=1.0) == 0.5
    assert self_retrieval(queries, np.eye(4), gallery, within_s=0.5) == 0.25
    assert self_retrieval(np.eye(4), np.eye(4), gallery, within_s=0.0) == 1.0
    assert self_retrieval(queries[2:], np.eye(4), gallery, 1.0, np.array([2, 3])) == 0.0  # of two of them


# Five frames of clip a, at 0, 2, 5, 9 and 30 s, and one of clip b.
SPACED = gallery_of(("a", 0), ("a", 2), ("a", 5), ("a", 9), ("a", 30), ("b", 0))


def recall(similarity: Sequence[Sequence[float]], guard_s: float = 3, window_s: float = 10) -> float:
    return temporal_recall(np.array(similarity, float), np.eye(6), SPACED, guard_s, window_s)


def test_near_in_time_is_beyond_the_guard_and_within_the_window_of_the_same_clip() -> None:
    """At 30 s and in b there is nothing near, so four queries count: 0, 2, 5 and 9 s.

    The 0 s query prefers 2 s, which the guard takes away, then 5 s: right. 2 s finds 30 s: too far. 5 s finds b:
    another clip. 9 s finds 5 s: right.
    """
    found = [[9, 8, 7, 0, 1, 2], [1, 9, 0, 0, 5, 0], [0, 0, 9, 0, 0, 4], [0, 0, 3, 9, 0, 0], [0] * 6, [0] * 6]
    assert recall(found) == 2 / 4


def test_both_ends_of_the_band_are_what_they_are_called() -> None:
    """A frame exactly at the guard is the own moment; one exactly at the window is still near.

    At a guard of 3 and a window of 4, the pairs are 5 and 9 s alone (2 and 5 s are 3 s apart). With the window a
    little shorter there are none, and no mean.
    """
    found = np.full((6, 6), 0.0)
    found[2, [1, 3]], found[3, 2] = [9, 1], 1
    assert recall(found.tolist(), 3, 4) == 1
    assert math.isnan(recall(found.tolist(), 3, 3.9))


def test_recall_is_of_all_queries_however_many_are_compared_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [[9, 8, 7, 0, 1, 2], [1, 9, 0, 0, 5, 0], [0, 0, 9, 0, 0, 4], [0, 0, 3, 9, 0, 0], [0] * 6, [0] * 6]
    monkeypatch.setattr("training.evaluation.moments.CHUNK", 4)
    assert recall(found) == 2 / 4
    assert self_retrieval(np.eye(6), np.eye(6), SPACED, within_s=0) == 1


@pytest.mark.parametrize(
    ("vectors", "share"),
    [
        ([[1, 0], [1, 0], [0, 1], [0, 1]], 1.0),  # nothing but the camera
        ([[1, 0], [0, 1], [1, 0], [0, 1]], 0.0),  # the cameras' means coincide
        ([[3, 0], [1, 0], [-1, 0], [-3, 0]], 0.8),  # means 2 and -2: 4 * 4 of 9 + 1 + 1 + 9
        ([[1, 0]] * 4, 0.0),  # all the same
    ],
)
def test_the_cameras_share_is_the_variance_between_them(vectors: list[list[float]], share: float) -> None:
    cameras = np.array(["gate", "gate", "road", "road"])
    assert camera_share(np.array(vectors, np.float32), cameras) == pytest.approx(share)


def test_a_camera_with_more_frames_weighs_more() -> None:
    """1, 1, 1 and -3: mean 0, between 3 * 1 + 9, which is all there is. With 1, 2, 3 and -6: 3 * 4 + 36 of 1+4+9+36."""
    cameras = np.array(["gate", "gate", "gate", "road"])
    assert camera_share(np.array([[1.0], [1], [1], [-3]]), cameras) == pytest.approx(1)
    assert camera_share(np.array([[1.0], [2], [3], [-6]]), cameras) == pytest.approx(48 / 50)


def test_one_camera_has_no_share() -> None:
    assert math.isnan(camera_share(np.eye(3), np.array(["gate"] * 3)))
