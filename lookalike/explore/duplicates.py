"""Find footage that is stored twice: spans of two recordings with the same content, at one offset in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lookalike.explore.stored import load
from lookalike.explore.tracks import Match, Track, matches
from lookalike.index import Filters, FrameIndex

SIMILAR = 0.92  # copies at half the size have a mean cosine of .95 or more, similar events of one camera up to .9
GLIMPSE_S, GLIMPSE = 2.0, 0.7  # two recordings are compared if frames, sampled this far apart, are this similar


@dataclass(frozen=True)
class Duplicate:
    """A span of one source that is also in another. offset_s: from a time in the first to the same in the other.

    similarity: mean cosine of their frames. agreement: best correlation of their changes.
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
    """Compare each pair of sources. Images and static scenes never match: see `matches`.

    on_pair: called with the number of pairs done, and the first source of the last pair.
    Returns: duplicates, the longest spans first.
    """
    pairs: list[Duplicate] = []
    for done, (track, other) in enumerate(combinations(tracks, 2), start=1):
        if _glimpse(track, other) >= GLIMPSE:
            candidates = (_duplicate(track, other, match) for match in matches(track, other))
            pairs += [duplicate for duplicate in candidates if duplicate.similarity >= min_score]
        on_pair(done, track.source)
    return sorted(pairs, key=lambda pair: pair.span_s[0] - pair.span_s[1])


def _duplicate(track: Track, other: Track, match: Match) -> Duplicate:
    return Duplicate(
        track.source,
        track.source_id,
        track.camera,
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
    """Load the sources of the frames that match, by name. All vectors are held: 200 MB for 200,000 of 256."""
    stored = load(index, filters)
    numbers: dict[str, list[int]] = {}
    times_s, ends_s = stored.times_s, stored.ends_s
    for number in np.argsort(times_s, kind="stable"):
        numbers.setdefault(stored.frames[number].source_id, []).append(int(number))
    firsts = ((stored.frames[rows[0]], rows) for rows in numbers.values())
    tracks = [
        Track(frame.source, frame.source_id, frame.camera, times_s[rows], ends_s[rows], stored.vectors[rows])
        for frame, rows in firsts
    ]
    return sorted(tracks, key=lambda track: track.source)


def _glimpse(track: Track, other: Track) -> float:
    """Return the highest similarity of frames that are sampled GLIMPSE_S apart."""
    first, second = (source.at_steps(max(GLIMPSE_S, source.spacing_s)) for source in (track, other))
    return float((first @ second.T).max())
