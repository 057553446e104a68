"""Neighbouring frames are one moment: collapse scored frames into hits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from lookalike.index.record import HitFrame
from lookalike.index.schema import Hit, Scored

MOMENT_S = 5.0  # frames of one source this close to a better one belong to its moment
ROUNDING_S = 1e-6


@dataclass
class _Run:
    """The best of some frames, the span of all of them, and how many frames and moments they are.

    rank: how many runs were begun by better frames.
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
    """Merge each frame into the best frame of its source within `moment_s`, else let it start a hit.

    scored: best first. by_clip: then merge the moments of each source.
    Returns: hits, best first; `span_s` runs from the earliest to the latest merged frame.
    """
    runs = _moments(scored, moment_s)
    return [_hit(run) for run in (_clips(runs) if by_clip else runs)]


def _moments(scored: Iterable[Scored], moment_s: float) -> list[_Run]:
    by_source: dict[str, _InOrder] = {}
    runs: list[_Run] = []
    counted: set[tuple[str, float]] = set()
    for one in scored:
        frame = one.frame
        known = by_source.setdefault(frame.source_id, _InOrder())
        run = known.best_near(frame, moment_s)
        if run is None:
            run = _Run(len(runs), one, frame.time_s, frame.end_s, 0)
            known.add(run)
            runs.append(run)
        at = frame.source_id, frame.time_s
        run.take((frame.time_s, frame.end_s), 0 if at in counted else frame.stands_for)
        counted.add(at)  # a frame and its regions are one
    return runs


@dataclass
class _InOrder:
    """The runs of one source in the order of time; their best frames are more than a moment apart."""

    starts_s: list[float] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)

    def add(self, run: _Run) -> None:
        at = bisect_right(self.starts_s, run.start_s)
        self.starts_s.insert(at, run.start_s)
        self.runs.insert(at, run)

    def best_near(self, frame: HitFrame, moment_s: float) -> _Run | None:
        """The first by rank whose best frame is within `moment_s`."""
        at, near = bisect_right(self.starts_s, frame.end_s + moment_s + ROUNDING_S), None
        while at and self.runs[at - 1].best.frame.end_s + moment_s + ROUNDING_S >= frame.time_s:
            at -= 1
            run = self.runs[at]
            if _apart_s(run.best.frame, frame) <= moment_s and (near is None or run.rank < near.rank):
                near = run
        return near


def _apart_s(one: HitFrame, other: HitFrame) -> float:
    """Seconds between the runs that two frames stand for; 0 or less where they meet."""
    return max(one.time_s - other.end_s, other.time_s - one.end_s)


def _clips(moments: Iterable[_Run]) -> list[_Run]:
    clips: dict[str, _Run] = {}
    for moment in moments:
        clip = clips.setdefault(moment.best.frame.source_id, moment)
        if clip is not moment:
            clip.take((moment.start_s, moment.end_s), moment.frames)
            clip.moments += 1
    return list(clips.values())


def _hit(run: _Run) -> Hit:
    frame = run.best.frame
    return Hit(
        id=frame.id,
        score=run.best.score,
        source=frame.source,
        source_id=frame.source_id,
        camera=frame.camera,
        time_s=frame.time_s,
        span_s=(run.start_s, run.end_s),
        captured_at=frame.captured_at,
        frames=run.frames,
        moments=run.moments,
        region=frame.region,
        asked=run.best.asked,
    )
