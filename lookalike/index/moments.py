"""Merge neighbouring frames into moments, and moments into hits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from lookalike.index.record import HitFrame
from lookalike.index.schema import Hit, Scored

MOMENT_S = 5.0  # frames of one source this close to a better one belong to its moment
ROUNDING_S = 1e-6


@dataclass
class _Moment:
    """The best of some frames, the span of all of them, and the number of frames and moments.

    rank: how many moments have a better best frame.
    """

    rank: int
    best: Scored
    start_s: float
    end_s: float
    frames: int
    moments: int = 1

    def take(self, span_s: tuple[float, float], frames: int) -> None:
        self.start_s, self.end_s = min(self.start_s, span_s[0]), max(self.end_s, span_s[1])
        self.frames += frames


def collapse(scored: Iterable[Scored], moment_s: float = MOMENT_S, by_clip: bool = False) -> list[Hit]:
    """Merge each frame into the best frame of its source within `moment_s`; without one, it starts a hit.

    scored: best first. by_clip: then merge the moments of each source.
    Returns: hits, best first; `span_s` runs from the earliest to the latest merged frame.
    """
    moments = _moments(scored, moment_s)
    return [_hit(moment) for moment in (_clips(moments) if by_clip else moments)]


def _moments(scored: Iterable[Scored], moment_s: float) -> list[_Moment]:
    by_source: dict[str, _InOrder] = {}
    moments: list[_Moment] = []
    counted: set[tuple[str, float]] = set()
    for frame_scored in scored:
        frame = frame_scored.frame
        known = by_source.setdefault(frame.source_id, _InOrder())
        moment = known.best_near(frame, moment_s)
        if moment is None:
            moment = _Moment(len(moments), frame_scored, frame.time_s, frame.end_s, 0)
            known.add(moment)
            moments.append(moment)
        at = frame.source_id, frame.time_s
        moment.take((frame.time_s, frame.end_s), 0 if at in counted else frame.stands_for)
        counted.add(at)  # a frame and its regions are one
    return moments


@dataclass
class _InOrder:
    """The moments of one source, ordered by time; their best frames are more than a moment apart."""

    starts_s: list[float] = field(default_factory=list)
    moments: list[_Moment] = field(default_factory=list)

    def add(self, moment: _Moment) -> None:
        at = bisect_right(self.starts_s, moment.start_s)
        self.starts_s.insert(at, moment.start_s)
        self.moments.insert(at, moment)

    def best_near(self, frame: HitFrame, moment_s: float) -> _Moment | None:
        """Return the moment of the lowest rank whose best frame is within `moment_s`."""
        at, near = bisect_right(self.starts_s, frame.end_s + moment_s + ROUNDING_S), None
        while at and self.moments[at - 1].best.frame.end_s + moment_s + ROUNDING_S >= frame.time_s:
            at -= 1
            moment = self.moments[at]
            if _apart_s(moment.best.frame, frame) <= moment_s and (near is None or moment.rank < near.rank):
                near = moment
        return near


def _apart_s(first: HitFrame, second: HitFrame) -> float:
    """Return the seconds between the segments that two frames stand for; 0 or less if they overlap."""
    return max(first.time_s - second.end_s, second.time_s - first.end_s)


def _clips(moments: Iterable[_Moment]) -> list[_Moment]:
    clips: dict[str, _Moment] = {}
    for moment in moments:
        clip = clips.setdefault(moment.best.frame.source_id, moment)
        if clip is not moment:
            clip.take((moment.start_s, moment.end_s), moment.frames)
            clip.moments += 1
    return list(clips.values())


def _hit(moment: _Moment) -> Hit:
    frame = moment.best.frame
    return Hit(
        id=frame.id,
        score=moment.best.score,
        source=frame.source,
        source_id=frame.source_id,
        camera=frame.camera,
        time_s=frame.time_s,
        span_s=(moment.start_s, moment.end_s),
        captured_at=frame.captured_at,
        frames=moment.frames,
        moments=moment.moments,
        region=frame.region,
        asked=moment.best.asked,
    )
