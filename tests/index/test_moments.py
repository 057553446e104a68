"""Neighbouring frames are one moment, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lookalike.index.moments import MOMENT_S, collapse
from lookalike.index.record import HitFrame
from lookalike.index.schema import Hit, Scored


def scored(name: str, score: float, source_id: str, time_s: float) -> Scored:
    frame = HitFrame(
        id=name,
        source=f"{source_id}.mp4",
        source_id=source_id,
        camera="gate",
        time_s=time_s,
        end_s=time_s,
        stands_for=1,
    )
    return Scored(frame, score)


def changed(one: Scored, **fields: Any) -> Scored:
    return replace(one, frame=replace(one.frame, **fields))


def spans(hits: list[Hit]) -> list[tuple[str, tuple[float, float]]]:
    return [(hit.id, hit.span_s) for hit in hits]


def test_nothing_collapses_to_nothing():
    assert collapse([]) == []


def test_a_frame_alone_is_a_moment_of_no_length():
    hit = Hit("p", 0.9, "a.mp4", "a", "gate", 7.0, (7.0, 7.0), None)
    assert collapse([scored("p", 0.9, "a", 7.0)]) == [hit]


def test_the_wall_clock_is_passed_on_where_known():
    one = changed(scored("p", 0.9, "a", 7.0), captured_at="2026-01-05T08:00:00Z")
    assert collapse([one])[0].captured_at == "2026-01-05T08:00:00Z"


def test_frames_join_the_best_one_near_them():
    """Moments of 5 s. p at 10 s leads; q and r are within 5 s of it; s at 16 s is not, and leads; t is near s alone."""
    ranked = [
        scored("p", 0.9, "a", 10),
        scored("q", 0.8, "a", 15),
        scored("r", 0.7, "a", 6),
        scored("s", 0.6, "a", 16),
        scored("t", 0.5, "a", 20),
    ]
    assert spans(collapse(ranked)) == [("p", (6, 15)), ("s", (16, 20))]


def test_between_two_moments_a_frame_joins_the_better():
    ranked = [scored("p", 0.9, "a", 0), scored("q", 0.8, "a", 8), scored("r", 0.7, "a", 4)]
    assert spans(collapse(ranked)) == [("p", (0, 4)), ("q", (8, 8))]


def test_a_moment_reaches_from_its_leader_and_not_from_frame_to_frame():
    """A still scene of 30 s gives several moments, not one: 0-5, 6-11, 12-17 s and so on."""
    ranked = [scored(str(second), 1 - second / 100, "a", second) for second in range(30)]
    assert spans(collapse(ranked)) == [(str(start), (start, start + 5)) for start in range(0, 30, 6)]


def test_the_edge_of_a_moment_belongs_to_it():
    at_edge, behind = scored("q", 0.8, "a", MOMENT_S), scored("r", 0.7, "a", MOMENT_S + 0.01)
    assert spans(collapse([scored("p", 0.9, "a", 0), at_edge, behind])) == [
        ("p", (0, MOMENT_S)),
        ("r", (MOMENT_S + 0.01, MOMENT_S + 0.01)),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_each_frame_joins_the_best_leader_near_it(seed):
    """Runs of 0 to 12 s in three clips, in a random order: compared one by one with all leaders before them."""
    random = np.random.default_rng(seed)
    ranked = [
        scored(str(number), 1 - number / 100, "abc"[random.integers(3)], float(start_s))
        for number, start_s in enumerate(random.integers(0, 100, 60) / 2)
    ]
    ranked = [changed(one, end_s=one.frame.end_s + float(random.choice([0, 0, 0, 0.5, 12]))) for one in ranked]
    leaders: list[Scored] = []
    spans_s: dict[str, tuple[float, float]] = {}
    for one in ranked:
        near = [leader for leader in leaders if apart_s(leader.frame, one.frame) <= 5]
        if not near:
            leaders.append(one)
        leader = (near or [one])[0]
        start_s, end_s = spans_s.get(leader.frame.id, (math.inf, -math.inf))
        spans_s[leader.frame.id] = min(start_s, one.frame.time_s), max(end_s, one.frame.end_s)
    assert spans(collapse(ranked)) == list(spans_s.items())


def apart_s(one: HitFrame, other: HitFrame) -> float:
    """Infinite for other clips."""
    if one.source_id != other.source_id:
        return math.inf
    return max(one.time_s - other.end_s, other.time_s - one.end_s)


def test_other_clips_are_other_moments_at_the_same_time():
    ranked = [scored("p", 0.9, "a", 1), scored("q", 0.8, "b", 1), scored("r", 0.7, "a", 2)]
    assert spans(collapse(ranked)) == [("p", (1, 2)), ("q", (1, 1))]


def test_hits_stay_in_the_order_of_their_scores():
    ranked = [scored("p", 0.9, "a", 50), scored("q", 0.8, "b", 0), scored("r", 0.7, "a", 0)]
    assert [(hit.id, hit.score) for hit in collapse(ranked)] == [("p", 0.9), ("q", 0.8), ("r", 0.7)]


def test_the_length_of_a_moment_can_be_chosen():
    ranked = [scored("p", 0.9, "a", 0), scored("q", 0.8, "a", 1)]
    assert spans(collapse(ranked, moment_s=0.5)) == [("p", (0, 0)), ("q", (1, 1))]
