"""Neighbouring frames are one moment: collapse scored frames into hits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lookalike.index.schema import Hit, Scored

MOMENT_S = 5.0  # frames of one source this close to a better one belong to its moment


@dataclass
class _Run:
    """The best of some frames, the span of all of them, and how many frames and moments they are."""

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
    by_source: dict[str, list[_Run]] = {}
    runs: list[_Run] = []
    counted: set[tuple[str, float]] = set()
    for frame in scored:
        near = by_source.setdefault(frame.payload["source_id"], [])
        run = next((one for one in near if _apart_s(one.best, frame) <= moment_s), None)
        start_s, end_s = _span(frame)
        if run is None:
            run = _Run(frame, start_s, end_s, 0)
            near.append(run)
            runs.append(run)
        at = frame.payload["source_id"], start_s
        run.take(start_s, end_s, 0 if at in counted else frame.payload["stands_for"])
        counted.add(at)  # a frame and its regions are one
    return runs


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
        fields["camera"],
        fields["time_s"],
        span_s,
        fields.get("captured_at"),
        run.frames,
        run.moments,
        region=fields.get("region"),
    )
