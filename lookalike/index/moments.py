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
    frames: int = 1
    moments: int = 1

    def take(self, start_s: float, end_s: float, frames: int = 1) -> None:
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
    for frame in scored:
        time_s = frame.payload["time_s"]
        near = by_source.setdefault(frame.payload["source_id"], [])
        run = next((one for one in near if abs(one.best.payload["time_s"] - time_s) <= moment_s), None)
        if run:
            run.take(time_s, time_s)
        else:
            near.append(_Run(frame, time_s, time_s))
            runs.append(near[-1])
    return runs


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
    )
