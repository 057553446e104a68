"""Neighbouring frames are one moment: collapse scored frames into hits."""

from __future__ import annotations

from collections.abc import Iterable

from lookalike.index.schema import Hit, Scored

MOMENT_S = 5.0  # frames of one source this close to a better one belong to its moment


def collapse(scored: Iterable[Scored], moment_s: float = MOMENT_S) -> list[Hit]:
    """Merge each frame into the best frame of its source within `moment_s`, else let it start a hit.

    scored: best first. Returns: hits, best first; `span_s` runs from the earliest to the latest merged frame.
    """
    best: dict[str, list[Scored]] = {}  # source_id -> the frames that started a hit
    spans: dict[str, tuple[float, float]] = {}
    order: list[Scored] = []
    for frame in scored:
        time_s = frame.payload["time_s"]
        leaders = best.setdefault(frame.payload["source_id"], [])
        leader = next((one for one in leaders if abs(one.payload["time_s"] - time_s) <= moment_s), None)
        if leader is None:
            leaders.append(frame)
            order.append(frame)
            spans[frame.id] = (time_s, time_s)
        else:
            start_s, end_s = spans[leader.id]
            spans[leader.id] = (min(start_s, time_s), max(end_s, time_s))
    return [_hit(frame, spans[frame.id]) for frame in order]


def _hit(frame: Scored, span_s: tuple[float, float]) -> Hit:
    fields = frame.payload
    return Hit(
        frame.id, frame.score, fields["source"], fields["camera"], fields["time_s"], span_s, fields.get("captured_at")
    )
