"""Two recordings at one time: vectors that wander, and copies of them that are known."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.explore.tracks import Track, matches
from tests.explore.conftest import unit, wander

FPS = 4


def track(vectors: np.ndarray, fps: float = FPS, start_s: float = 0.0) -> Track:
    times_s = start_s + np.arange(len(vectors)) / fps
    return Track("a.mp4", "a", "gate", times_s, times_s, vectors)


def spoiled(vectors: np.ndarray, by: float = 0.02) -> np.ndarray:
    """As an encoder sees a copy of lower quality: noise, and a part that is the same throughout."""
    rng = np.random.default_rng(9)
    return unit(vectors + by * rng.normal(size=vectors.shape) + by * rng.normal(size=vectors.shape[1]))


@pytest.mark.parametrize("by", [0.0, 0.02])
def test_a_trimmed_copy_is_found_at_its_offset(by: float) -> None:
    """Of 40 s, those from 12 to 22 s: 40 frames, the last of them a quarter of a second before the end."""
    whole = wander(160, seed=1)
    copy = spoiled(whole[48:88], by)
    (match,) = matches(track(whole), track(copy))
    assert match.span_s == pytest.approx((12, 21.75), abs=0.01)
    assert match.other_span_s == pytest.approx((0, 9.75), abs=0.01)
    assert match.offset_s == pytest.approx(-12)
    assert match.similarity > 0.95
    (turned,) = matches(track(copy), track(whole))
    assert (turned.span_s, turned.other_span_s) == (match.other_span_s, match.span_s)


def test_the_part_that_two_recordings_share_is_found_in_both() -> None:
    """The last 10 s of the one are the first 10 s of the other, whose clock starts at 3 s."""
    one, other = wander(80, seed=1), wander(90, seed=2)
    other[:40] = one[40:]
    (match,) = matches(track(one), track(other, start_s=3))
    assert match.span_s == pytest.approx((10, 19.75), abs=0.5)
    assert match.other_span_s == pytest.approx((3, 12.75), abs=0.5)
    assert match.offset_s == pytest.approx(-7)


def test_a_copy_with_other_frames_of_the_same_moments_is_found() -> None:
    """Sampled at 5 and at 10 frames a second."""
    fine = wander(400, seed=3)
    (match,) = matches(track(fine, fps=10), track(fine[100:200:2], fps=5))
    assert match.offset_s == pytest.approx(-10, abs=0.25)


def test_one_background_is_no_match() -> None:
    """Two recordings of a camera, 100 s each: nearly equal as pictures, but other things happen."""
    one, other = wander(400, seed=1), wander(400, seed=2)
    assert (one @ other.T).max() > 0.8
    assert matches(track(one), track(other)) == []


def test_what_stands_still_is_no_match() -> None:
    still = np.repeat(wander(1, seed=1), 200, axis=0)
    assert matches(track(still), track(still.copy())) == []
    assert matches(track(spoiled(still, 0.001)), track(still)) == []


def test_a_change_that_comes_again_and_again_is_no_match() -> None:
    """A light that goes on and off each 10 s agrees with itself at any multiple of it."""
    light = unit(np.array([[1.0, 0.3], [1.0, -0.3]])[np.arange(400) // 20 % 2])
    assert matches(track(light), track(light[:200])) == []


@pytest.mark.parametrize("steps", [1, 5, 19])
def test_recordings_shorter_than_a_window_have_none(steps: int) -> None:
    whole = wander(80, seed=1)
    assert matches(track(whole), track(whole[:steps])) == []


def test_a_frame_that_stands_for_a_run_is_seen_until_its_end() -> None:
    """Frames at 0, 1 and 3 s, the second until 2.6 s: at 2.75 s it was seen .15 s ago, the third comes in .25 s."""
    vectors = np.eye(3, dtype=np.float32)
    steps = Track("a.mp4", "a", "gate", np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.6, 3.0]), vectors).at_steps(0.25)
    assert [int(row.argmax()) for row in steps] == [0] * 3 + [1] * 9 + [2]
