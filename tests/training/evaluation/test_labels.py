"""What pictures show, by intervals and by boxes, and which labels are states of their scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import FootageError
from tests.training.evaluation.footage import gallery_of, seen
from training.evaluation.labels import (
    Event,
    Labelled,
    by_kind,
    find_states,
    label_gallery,
    read_events,
    read_labelled,
)

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)


def test_events_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text('clip,start_s,end_s,label\na.mp4,0,4.5,empty\n"b, c.mp4",5,8,red car\n')
    assert read_events(path) == [Event("a.mp4", 0.0, 4.5, "empty"), Event("b, c.mp4", 5.0, 8.0, "red car")]


def test_events_saved_by_a_spreadsheet_are_read(tmp_path: Path) -> None:
    """It puts a byte order mark before the first column's name, and ends lines its own way."""
    path = tmp_path / "events.csv"
    path.write_bytes(b"\xef\xbb\xbfclip,start_s,end_s,label\r\na.mp4,0,4,caf\xc3\xa9\r\n")
    assert read_events(path) == [Event("a.mp4", 0.0, 4.0, "café")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "no events"),
        ("clip,start_s,end_s,label\n", "no events"),
        ("clip,start,end,label\na.mp4,0,4,x\n", "start_s"),
        ("clip,start_s,end_s,label\na.mp4,zero,4,x\n", "zero"),
        ("clip,start_s,end_s,label\na.mp4,0\n", "too few columns"),
        ("clip,start_s,end_s,label\na.mp4,0,4\n", "too few columns"),
        ("\x00\xff\xfe", ""),
    ],
)
def test_events_that_cannot_be_read_are_told_in_one_line(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "events.csv"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(
        FootageError, match=rf"events\.csv: cannot read events \(.*{reason}.*\); expected columns"
    ) as caught:
        read_events(path)
    assert "\n" not in str(caught.value)


def test_the_kind_of_a_label_is_read_where_there_is_such_a_column(tmp_path: Path) -> None:
    """Left empty, it is what follows the last underscore."""
    path = tmp_path / "events.csv"
    path.write_text("clip,start_s,end_s,label,kind\na.mp4,0,4,white_suv,car\na.mp4,5,8,light_blue_car,\n")
    assert [one.kind for one in read_events(path)] == ["car", "car"]


def test_boxes_next_to_the_events_are_read(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("clip,start_s,end_s,label\na.mp4,0,4,x\n")
    assert read_labelled(path, ("x",)) == Labelled([Event("a.mp4", 0, 4, "x")], [], ("x",))
    (tmp_path / "tracks.csv").write_text("clip,time_s,pass_id,label,x,y,w,h,visible\na.mp4,.5,3,x,.1,.2,.3,.4,1\n")
    assert read_labelled(path).boxes == [seen("a.mp4", 0.5, "3", "x", (0.1, 0.2, 0.3, 0.4))]


def test_where_something_is_labelled_empty_the_rest_passes() -> None:
    """x covers half of the clip and follows empty at once, and passes all the same."""
    events = [Event("a", 0, 5, "empty"), Event("a", 5, 10, "x")]
    assert find_states(events, {"a": 10}) == {("a", "empty"): "nothing is there"}


def test_a_label_that_lasts_makes_states_of_all_labels_of_its_clip() -> None:
    """x has 3 of 10 s: more than a fifth. y of the same clip is a state, too; y of b has 2 of 10, no more than that."""
    events = [Event("a", 0, 3, "x"), Event("a", 5, 5.5, "y"), Event("b", 0, 2, "y")]
    why = "x covers 30% of a clip that is never empty"
    assert find_states(events, {"a": 10, "b": 10}) == {("a", "x"): why, ("a", "y"): why}


@pytest.mark.parametrize(("gap_s", "count"), [(0, 2), (0.5, 2), (0.6, 0)])
def test_labels_that_follow_each_other_at_once_are_states(gap_s: float, count: int) -> None:
    events = [Event("a", 0, 1, "x"), Event("a", 1 + gap_s, 2 + gap_s, "y")]
    assert len(find_states(events, {"a": 100})) == count


def test_a_user_may_say_what_is_a_state() -> None:
    gallery = gallery_of(("a", 0), ("a", 50), ("a", 100))
    shown = label_gallery(gallery, Labelled([Event("a", 0, 1, "x"), Event("a", 50, 51, "y")], states=("y",)))
    assert shown.states == {("a", "y"): "named by --states"}


def test_a_picture_shows_the_labels_of_its_intervals_and_a_region_those_of_its_frame() -> None:
    """Both ends are included. At 2 s there are two labels; at 9 s nobody knows."""
    gallery = gallery_of(("a", 0), ("a", 0, LEFT), ("a", 2), ("a", 9), ("b", 0))
    shown = label_gallery(gallery, Labelled([Event("a", 0, 2, "x"), Event("a", 2, 3, "y")]))
    assert shown.names == ["x", "y"]
    assert shown.shows.tolist() == [[True, False], [True, False], [True, True], [False, False], [False, False]]
    assert shown.known.tolist() == [True, True, True, False, False]
    assert shown.during.tolist() == shown.shows.tolist()  # an interval for each label


def test_a_region_shows_what_the_box_says_that_it_overlaps_most() -> None:
    """The left half is the car's, the right the dog's. A region of a half shows its half, at 5 s there is no box, so it
    shows nothing, which is known; frames keep their interval's label. Each is in the passes that were in view."""
    boxes = [
        seen("a", 1, "1", "car", LEFT),
        seen("a", 1, "2", "dog", RIGHT),
        seen("a", 1.5, "2", "dog", RIGHT),
    ]
    gallery = gallery_of(
        *(("a", 1), ("a", 1, LEFT), ("a", 1, (0.5, 0.1, 0.4, 0.9)), ("a", 1.7), ("a", 1.7, LEFT)),
        *(("a", 5), ("a", 5, LEFT)),
    )
    shown = label_gallery(gallery, Labelled([Event("a", 0, 6, "car")], boxes))
    assert shown.names == ["car", "dog"]
    named = [[name for name, seen in zip(shown.names, row, strict=True) if seen] for row in shown.shows]
    assert named == [["car"], ["car"], ["dog"], ["car"], [], ["car"], []]
    assert shown.known.all()
    assert shown.of.tolist() == [0, 1, 0]  # passes of car and dog, and the interval of car
    assert shown.during[:, 0].tolist() == [True] * 3 + [False] * 4
    assert shown.during[:, 1].tolist() == [True] * 5 + [False] * 2


@pytest.mark.parametrize(("width", "label"), [(0.25, "car"), (0.24, None)])
def test_half_of_a_box_or_of_a_region_must_overlap(width: float, label: str | None) -> None:
    """It covers .25 / .5 of the box, or .24 / .5, which is .24 / .49 of itself."""
    region = (0.5 - width, 0.0, 2 * width + 0.01, 1.0)
    shown = label_gallery(
        gallery_of(("a", 1), ("a", 1, region)),
        Labelled([Event("a", 0, 2, "car")], [seen("a", 1, "1", "car", LEFT), seen("a", 2, "1", "car", LEFT)]),
    )
    assert shown.shows[1].tolist() == [label == "car"]


def test_kinds_stand_for_labels_where_the_file_has_them() -> None:
    events = [Event("a", 0, 1, "white_suv", "car"), Event("a", 2, 3, "red_car", "car"), Event("a", 4, 5, "dog", "dog")]
    shown = label_gallery(gallery_of(("a", 0), ("a", 2), ("a", 4), ("a", 60)), Labelled(events))
    kinds = by_kind(shown, events)
    assert kinds is not None
    assert kinds.names == ["car", "dog"]
    assert kinds.shows.tolist() == [[True, False], [True, False], [False, True], [False, False]]
    assert kinds.of.tolist() == [0, 0, 1]
    assert by_kind(shown, [Event("a", 0, 1, "x")]) is None
    assert np.array_equal(kinds.during, shown.during)
