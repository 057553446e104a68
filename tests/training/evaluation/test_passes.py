"""What is asked, where it is searched, and what is right, with labels."""

from __future__ import annotations

import pytest

from tests.training.evaluation.footage import gallery_of, seen
from training.evaluation.labels import Event, Labelled, by_kind, label_gallery
from training.evaluation.passes import another_pass, other_cameras
from training.evaluation.task import Task

HALF = (0.0, 0.0, 0.5, 1.0)


def asked(task: Task) -> dict[int, tuple[list[int], list[int]]]:
    """For each query's row: the rows that are right, and the others that are searched."""
    return {
        int(row): (relevant.nonzero()[0].tolist(), (searched & ~relevant).nonzero()[0].tolist())
        for row, relevant, searched in zip(task.query, task.relevant, task.searched, strict=True)
    }


# A car passes twice, a dog once; in between nothing; at 70 s nobody knows.
GATE = gallery_of(*((("gate"), second) for second in (0, 1, 10, 20, 21, 30, 70)))
PASSES = [
    *(Event("gate", 0, 1, "car"), Event("gate", 10, 11, "empty"), Event("gate", 20, 21, "car")),
    Event("gate", 30, 31, "dog"),
]


def test_the_querys_own_interval_is_not_searched_and_another_pass_is_right() -> None:
    task = another_pass(GATE, label_gallery(GATE, Labelled(PASSES)), crops=False)
    assert asked(task) == {
        0: ([3, 4], [2, 5]),
        1: ([3, 4], [2, 5]),
        3: ([0, 1], [2, 5]),
        4: ([0, 1], [2, 5]),
    }
    assert (task.units, len(set(task.unit.tolist()))) == ("passes", 2)
    assert task.possible == {("car", "gate"): 4}


def test_nothing_is_left_out_in_silence() -> None:
    """Every label of every camera has a query or a reason."""
    events = [*PASSES, Event("elsewhere", 0, 1, "cat")]
    task = another_pass(GATE, label_gallery(GATE, Labelled(events)), crops=False)
    assert {(one.label, one.camera): one.reason for one in task.unasked} == {
        ("dog", "gate"): "one interval only",
        ("cat", ""): "no frame shows it",
        ("empty", "gate"): "a state: nothing is there",
    }
    assert set(task.possible) | {(one.label, one.camera) for one in task.unasked} == {
        *(("car", "gate"), ("dog", "gate"), ("cat", ""), ("empty", "gate"))
    }


def test_states_are_asked_for_apart() -> None:
    """Left and right follow each other at once, and the clip is never empty."""
    gallery = gallery_of(*(("table", second) for second in (0, 1, 2)))
    events = [Event("table", 0, 0.8, "left"), Event("table", 1, 1.8, "right"), Event("table", 2, 2.8, "left")]
    shown = label_gallery(gallery, Labelled(events))
    assert asked(another_pass(gallery, shown, crops=False, states=True)) == {0: ([2], [1]), 2: ([0], [1])}
    passing = another_pass(gallery, shown, crops=False)
    assert (len(passing), passing.reason) == (0, "no label has a query")
    assert {one.label for one in passing.unasked} == {"left", "right"}


def test_a_query_of_two_labels_excludes_both_of_its_intervals() -> None:
    """At 1 s there are car and dog: neither the car at 0 s nor the dog at 2 s may be found."""
    gallery = gallery_of(*(("gate", second) for second in (0, 1, 2, 9, 50)))
    events = [
        Event("gate", 0, 1, "car"),
        Event("gate", 1, 2, "dog"),
        Event("gate", 9, 9, "car"),
        Event("gate", 50, 50, "empty"),
    ]
    task = another_pass(gallery, label_gallery(gallery, Labelled(events)), crops=False)
    assert asked(task)[1] == ([3], [4])


def test_the_same_label_of_another_camera_is_neither_right_nor_wrong_at_another_pass() -> None:
    gallery = gallery_of(("gate", 0), ("gate", 9), ("road", 0), ("road", 5))
    events = [
        *(Event("gate", 0, 0, "car"), Event("gate", 9, 9, "car"), Event("road", 0, 0, "car")),
        Event("road", 5, 5, "empty"),
    ]
    shown = label_gallery(gallery, Labelled(events, states=("empty",)))
    shown.states.pop(("gate", "car"), None)
    assert asked(another_pass(gallery, shown, crops=False)) == {0: ([1], [3]), 1: ([0], [3])}
    assert asked(other_cameras(gallery, shown, crops=False)) == {
        0: ([2], [3]),
        1: ([2], [3]),
        2: ([0, 1], []),
    }


def test_a_label_of_one_camera_is_not_asked_at_others() -> None:
    gallery = gallery_of(("gate", 0), ("road", 0), ("road", 60), ("gate", 60))
    events = [Event("gate", 0, 1, "car"), Event("road", 0, 1, "dog"), Event("road", 60, 60, "empty")]
    task = other_cameras(gallery, label_gallery(gallery, Labelled(events)), crops=False)
    assert len(task) == 0
    assert {(one.label, one.camera): one.reason for one in task.unasked} == {
        ("car", "gate"): "one camera only",
        ("dog", "road"): "one camera only",
        ("empty", "road"): "a state: nothing is there",
    }


def test_kinds_are_compared_where_the_file_has_them() -> None:
    gallery = gallery_of(("gate", 0), ("gate", 60), ("road", 0), ("road", 60))
    events = [Event("gate", 0, 1, "white_suv", "car"), Event("road", 0, 1, "red_car", "car")]
    kinds = by_kind(label_gallery(gallery, Labelled(events)), events)
    assert kinds is not None
    task = other_cameras(gallery, kinds, crops=False, of_kind=True)
    assert asked(task) == {0: ([2], []), 2: ([0], [])}
    assert task.label.tolist() == ["car", "car"]


def test_crops_are_the_largest_region_of_each_frame_against_frames_and_regions() -> None:
    """Rows: car at 0 s with two regions, car at 9 s with one, empty at 20 s with one."""
    gallery = gallery_of(
        *(("gate", 0), ("gate", 0, HALF), ("gate", 0, HALF), ("gate", 9), ("gate", 9, HALF)),
        *(("gate", 20), ("gate", 20, HALF)),
    )
    events = [Event("gate", 0, 1, "car"), Event("gate", 9, 9, "car"), Event("gate", 20, 20, "empty")]
    shown = label_gallery(gallery, Labelled(events))
    assert asked(another_pass(gallery, shown, crops=True)) == {1: ([3, 4], [5, 6]), 4: ([0, 1, 2], [5, 6])}
    assert asked(another_pass(gallery, shown, crops=False)) == {0: ([3], [5]), 3: ([0], [5])}


def test_a_crop_is_what_its_box_says_and_its_pass_is_not_searched() -> None:
    """The largest region at 0 s is a shadow, which is wrong wherever it is found; the second one is the car, which is
    still in view at 2 s, beyond its interval, where it may not be found; it passes again at 9 s."""
    shadow = (0.6, 0.0, 0.4, 1.0)
    gallery = gallery_of(
        *(("gate", 0), ("gate", 0, shadow), ("gate", 0, HALF), ("gate", 2), ("gate", 2, HALF)),
        *(("gate", 9), ("gate", 9, shadow), ("gate", 9, HALF)),
    )
    boxes = [seen("gate", time_s, number, "car", HALF) for time_s, number in ((0, "1"), (2, "1"), (9, "2"))]
    events = [Event("gate", 0, 1, "car"), Event("gate", 9, 9, "car"), Event("gate", 50, 60, "empty")]
    task = another_pass(gallery, label_gallery(gallery, Labelled(events, boxes)), crops=True)
    assert asked(task) == {2: ([5, 7], [6]), 4: ([5, 7], [6]), 7: ([0, 2, 4], [1])}
    assert len(set(task.unit.tolist())) == 2


def test_of_many_queries_of_a_label_an_even_sample_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.passes.QUERIES", 3)
    gallery = gallery_of(*(("gate", second) for second in range(10)), ("gate", 100))
    events = [Event("gate", 0, 4, "car"), Event("gate", 5, 9, "car"), Event("gate", 100, 100, "empty")]
    task = another_pass(gallery, label_gallery(gallery, Labelled(events)), crops=False)
    assert task.query.tolist() == [0, 4, 9]
    assert task.possible == {("car", "gate"): 10}
