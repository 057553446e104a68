"""How the embedded engine looks for the nearest: one by one, or along the search graph and how widely.

Compared one by one, none is missed, and each frame that the payload indexes list takes its time. Along the graph few
frames are compared: the fewer there are that meet the conditions, and the more in all, the more of the nearest are
missed. So how many are listed, how many meet the conditions and how many there are decides: docs/search.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from lookalike.index.filters import Condition, DateRange, IsEmpty, NumberRange

SCANNED = 1 << 24  # numbers that are compared one by one, of all frames: 65,536 frames of 256 dimensions, some 15 ms
SCANNED_SHARE = 0.5  # of all frames: where any condition leaves more, the graph finds as much in a tenth of the time
LEAST_WIDTH = 512  # candidates along the graph: about as many as a search for moments fetches in any case
MOST_WIDTH = 4096
WIDE_FRAMES = 400  # that do not meet the conditions, for each candidate
SPANS = (("captured_at", "ended_at"), ("time_s", "end_s"))  # when a stored frame begins and ends

Count = Callable[[Sequence[Condition]], int]  # conditions -> about how many frames meet all of them


@dataclass(frozen=True)
class Effort:
    """scan: compare one by one. width: candidates that are kept along the graph (`hnsw_ef`), where it is used."""

    scan: bool
    width: int


def effort(conditions: Sequence[Condition], dim: int, count: Count) -> Effort:
    """How to look for the nearest among the frames that meet the conditions. dim: of their vectors."""
    frames = count([]) if conditions else 0
    if not frames:
        return Effort(False, LEAST_WIDTH)
    rarest = min(count([condition]) for condition in conditions)  # as many are looked at one by one
    if _is_listed(conditions) and rarest * dim <= SCANNED and rarest <= frames * SCANNED_SHARE:
        return Effort(True, LEAST_WIDTH)
    if frames <= LEAST_WIDTH * WIDE_FRAMES:  # no condition makes it wider
        return Effort(False, LEAST_WIDTH)
    meeting = frames * prod(count([condition]) / frames for condition in joined(conditions))  # as if independent
    return Effort(False, min(max(LEAST_WIDTH, int(frames - meeting) // WIDE_FRAMES), MOST_WIDTH))


def needs_graph(unindexed: int, dim: int) -> bool:
    """Whether so many frames outside of the search graph are too many to be compared one by one. dim: of vectors."""
    return unindexed * dim > SCANNED


def joined(conditions: Sequence[Condition]) -> list[Condition]:
    """A span of time as one condition, that a frame begins in it: many have begun by its end, and many end after its
    start, but few are both. Few more, which begin before it and end in it, are left out."""
    spans = list(conditions)
    for began, ended in SPANS:
        until = next((condition for condition in conditions if _bounds(condition, began, "lte")), None)
        since = next((condition for condition in conditions if _bounds(condition, ended, "gte")), None)
        if isinstance(until, DateRange) and isinstance(since, DateRange):
            span: Condition = DateRange(began, since.bounds | until.bounds)
        elif isinstance(until, NumberRange) and isinstance(since, NumberRange):
            span = NumberRange(began, since.bounds | until.bounds)
        else:
            continue
        spans = [condition for condition in spans if condition not in (since, until)] + [span]
    return spans


def _is_listed(conditions: Sequence[Condition]) -> bool:
    """Whether payload indexes alone say which frames meet the conditions. None says which are whole, so that payloads
    would be read."""
    return not any(isinstance(condition, IsEmpty) for condition in conditions)


def _bounds(condition: Condition, field: str, bound: str) -> bool:
    """Whether it is this bound of this field, and no other."""
    return (
        isinstance(condition, DateRange | NumberRange) and condition.field == field and [*condition.bounds] == [bound]
    )
