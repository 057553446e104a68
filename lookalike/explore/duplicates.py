"""The same footage stored twice: spans of two recordings that show the same, at one offset in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lookalike.explore.stored import load
from lookalike.explore.tracks import Match, Track, matches
from lookalike.index import Filters, FrameIndex

SIMILAR = 0.92  # mean cosine of copies at half the size is .95 or more; of similar events of one camera up to .9
GLIMPSE_S, GLIMPSE = 2.0, 0.7  # recordings of which no frames, this far apart, are as similar, are not compared


@dataclass(frozen=True)
class Duplicate:
    """A span of one source that is in another, too. offset_s: from a time in the first to the same in the other.

    similarity: mean cosine of their frames. agreement: correlation of what changes in them, at best.
    """

    source: str
    source_id: str
    camera: str
    span_s: tuple[float, float]
    other_source: str
    other_source_id: str
    other_camera: str
    other_span_s: tuple[float, float]
    offset_s: float
    similarity: float
    agreement: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"span_s": list(self.span_s), "other_span_s": list(self.other_span_s)}


def duplicates(
    tracks: Sequence[Track], min_score: float = SIMILAR, on_pair: Callable[[int, str], None] = lambda *_: None
) -> list[Duplicate]:
    """Compare each two sources; the longest spans first. Images, and what stands still, are left out: see `matches`.

    on_pair: told how many pairs are done, and of which source the last was.
    """
    found: list[Duplicate] = []
    for done, (one, other) in enumerate(combinations(tracks, 2), start=1):
        if _glimpse(one, other) >= GLIMPSE:
            both = (_duplicate(one, other, match) for match in matches(one, other))
            found += [duplicate for duplicate in both if duplicate.similarity >= min_score]
        on_pair(done, one.source)
    return sorted(found, key=lambda one: one.span_s[0] - one.span_s[1])


def _duplicate(one: Track, other: Track, match: Match) -> Duplicate:
    return Duplicate(
        one.source,
        one.source_id,
        one.camera,
        match.span_s,
        other.source,
        other.source_id,
        other.camera,
        match.other_span_s,
        round(match.offset_s, 3),
        round(match.similarity, 6),
        round(match.agreement, 6),
    )


def load_tracks(index: FrameIndex, filters: Filters) -> list[Track]:
    """The sources of the frames that meet the conditions, by name. All vectors are held: 200 MB for 200,000 of 256."""
    stored = load(index, filters)
    numbers: dict[str, list[int]] = {}
    times_s, ends_s = stored.times_s, stored.ends_s
    for number in np.argsort(times_s, kind="stable"):
        numbers.setdefault(stored.frames[number].source_id, []).append(int(number))
    firsts = ((stored.frames[rows[0]], rows) for rows in numbers.values())
    tracks = [
        Track(one.source, one.source_id, one.camera, times_s[rows], ends_s[rows], stored.vectors[rows])
        for one, rows in firsts
    ]
    return sorted(tracks, key=lambda track: track.source)


def _glimpse(one: Track, other: Track) -> float:
    """How similar the two ever are, of frames GLIMPSE_S apart."""
    first, second = (track.at_steps(max(GLIMPSE_S, track.spacing_s)) for track in (one, other))
    return float((first @ second.T).max())
