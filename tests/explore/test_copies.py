"""A clip and recordings on a circle: an event is a swing of the angle, and agrees with itself at one offset only."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lookalike.explore.clip import Version
from lookalike.explore.copies import SPEEDS, align, find_copies
from lookalike.index import Filters, open_index
from tests.index.circle import SPEC, at, frame

MINUTE_S = np.arange(0, 60, 0.5)


def swing(times_s: np.ndarray, *moments_s: float) -> np.ndarray:
    """Angles: 0 at rest, and a swing of two seconds to 60 degrees around each moment."""
    angles = np.zeros(len(times_s))
    for number, moment_s in enumerate(moments_s):
        angles += 60 * (-1) ** number * np.clip(1 - np.abs(times_s - moment_s), 0, None)
    return at(*angles)


def test_a_clip_is_found_where_its_events_are() -> None:
    """Cut out from 20 s to 30 s, with a frame every 0.2 s: events at 22 s and 27 s, in opposite directions."""
    recording = swing(MINUTE_S, 22, 27, 45)
    clip_s = np.arange(0, 10, 0.2)
    found = align(clip_s, swing(clip_s, 2, 7), MINUTE_S, recording)
    assert found.offset_s == pytest.approx(20, abs=0.1)
    assert found.agreement > 0.9  # stored frames are 0.5 s apart: between them the swing is a chord
    assert found.similarity > 0.99
    assert found.span_s == (0, pytest.approx(9.8))


def test_what_the_clip_has_beyond_the_recording_is_no_agreement() -> None:
    """The clip begins 3 s before the recording does: its first event is in neither, its second is."""
    clip_s = np.arange(0, 10, 0.2)
    recording = swing(MINUTE_S, 2)
    found = align(clip_s, swing(clip_s, 5), MINUTE_S, recording)
    assert found.offset_s == pytest.approx(-3, abs=0.1)
    assert found.span_s == (pytest.approx(3), pytest.approx(9.8))


def test_a_run_of_frames_counts_from_its_start_to_its_end(tmp_path) -> None:
    """Stored as three: at rest to 21 s, a swing, and at rest again; another recording has its swing elsewhere."""
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        rest = dataclasses.replace(frame("a", 0), end_us=21_000_000)
        after = dataclasses.replace(frame("a", 23), end_us=59_000_000)
        index.add([rest, frame("a", 22), after], at(0, 60, 0))
        other = [frame("b", time_s) for time_s in MINUTE_S]
        index.add(other, swing(MINUTE_S, 40, 45))
        clip_s = np.arange(0, 10, 0.2)
        first, second = find_copies(index, clip_s, [Version(swing(clip_s, 2))], 5, Filters())
        assert (first.source, first.source_id, first.camera) == ("gate/a.mp4", "a", "gate")
        assert first.offset_s == pytest.approx(20, abs=0.1)
        assert first.span_s == (pytest.approx(20, abs=0.1), pytest.approx(29.8, abs=0.1))
        assert (second.source, second.agreement < first.agreement) == ("gate/b.mp4", True)
        assert [one.source for one in find_copies(index, clip_s, [Version(swing(clip_s, 2))], 1, Filters())] == [
            "gate/a.mp4"
        ]
        assert find_copies(index, clip_s, [Version(swing(clip_s, 2))], 5, Filters(sources=("gate/c.mp4",))) == []


def test_a_picture_has_no_time_to_agree_on(tmp_path) -> None:
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("photograph", 0)], at(0))
        clip_s = np.arange(0, 10, 0.2)
        assert find_copies(index, clip_s, [Version(swing(clip_s, 2))], 5, Filters()) == []


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_clip_is_found_at_the_speed_that_it_is_played_at(speed: float) -> None:
    """Of the recording, 20 s to 30 s; its swings come at 2 s and 7 s, or as much earlier as it is played faster."""
    clip_s = np.arange(0, 10, 0.2) / speed
    found = align(clip_s, swing(clip_s * speed, 2, 7), MINUTE_S, swing(MINUTE_S, 22, 27, 45), SPEEDS)
    assert found.speed == speed
    assert found.offset_s == pytest.approx(20, abs=0.1)
    assert found.span_s == (0, pytest.approx(9.8))  # seconds of the recording


def test_the_version_that_agrees_is_answered_and_the_clip_as_it_is_if_both_do(tmp_path) -> None:
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("a", time_s) for time_s in MINUTE_S], swing(MINUTE_S, 22, 27, 45))
        clip_s = np.arange(0, 10, 0.2)
        shown, other = Version(swing(clip_s, 2, 7)), Version(swing(clip_s, 2, 4))
        for versions, mirrored in (((other, Version(shown.vectors, True)), True), ((shown, shown), False)):
            (found,) = find_copies(index, clip_s, versions, 5, Filters())
            assert found.mirrored is mirrored
            assert found.offset_s == pytest.approx(20, abs=0.1)


def test_a_short_clip_is_taken_to_be_played_as_it_was_recorded(tmp_path) -> None:
    """Four seconds, in which a swing is slower than any that is stored: with more tries, it would agree with more."""
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("a", time_s) for time_s in MINUTE_S], swing(MINUTE_S, 22, 27, 45))
        clip_s = np.arange(0, 4, 0.2)
        (found,) = find_copies(index, clip_s, [Version(swing(clip_s * 0.8, 1.6))], 5, Filters())
        assert found.speed == 1
