"""Neighbouring frames are one moment: collapse scored frames into hits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

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

    def take(self, start_s: float, end_s: float, frames: int) -> None:
        self.start_s, self.end_s = min(self.start_s, start_s), max(self.end_s, end_s)
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
    for frame in scored:
        known = by_source.setdefault(frame.payload["source_id"], _InOrder())
        run = known.best_near(frame, moment_s)
        start_s, end_s = _span(frame)
        if run is None:
            run = _Run(len(runs), frame, start_s, end_s, 0)
            known.add(run)
            runs.append(run)
        at = frame.payload["source_id"], start_s
        run.take(start_s, end_s, 0 if at in counted else frame.payload["stands_for"])
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

    def best_near(self, frame: Scored, moment_s: float) -> _Run | None:
        """The first by rank whose best frame is within `moment_s`."""
        start_s, end_s = _span(frame)
        at, near = bisect_right(self.starts_s, end_s + moment_s + ROUNDING_S), None
        while at and _span(self.runs[at - 1].best)[1] + moment_s + ROUNDING_S >= start_s:
            at -= 1
            if _apart_s(self.runs[at].best, frame) <= moment_s and (near is None or self.runs[at].rank < near.rank):
                near = self.runs[at]
        return near


def _span(frame: Scored) -> tuple[float, float]:
    """Of the run of frames that it stands for."""
    return frame.payload["time_s"], frame.payload["end_s"]


def _apart_s(one: Scored, other: Scored) -> float:
    """Seconds between the runs that two frames stand for; 0 or less where they meet."""
    (start_s, end_s), (from_s, to_s) = _span(one), _span(other)
    return max(start_s - to_s, from_s - end_s)


def _clips(moments: Iterable[_Run]) -> list[_Run]:
    clips: dict[str, _Run] = {}
    for moment in moments:
        clip = clips.setdefault(moment.best.payload["source_id"], moment)
        if clip is not moment:
            clip.take(moment.start_s, moment.end_s, moment.frames)
            clip.moments += 1
    return list(clips.values())


def _hit(run: _Run) -> Hit:
    fields, span_s = run.best.payload, (run.start_s, run.end_s)
    return Hit(
        run.best.id,
        run.best.score,
        fields["source"],
        fields["source_id"],
        fields["camera"],
        fields["time_s"],
        span_s,
        fields.get("captured_at"),
        run.frames,
        run.moments,
        region=fields.get("region"),
        asked=run.best.asked,
    )
