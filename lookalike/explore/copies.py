"""Find a short clip in the archive: its frames must agree on one offset in time with those of a recording.

`align` finds one offset for a whole clip, to FINE_S, at several speeds, and interpolates between stored frames.
`tracks.matches` finds every span that two recordings share, at whatever offset, and its threshold is for a window of a
few seconds. So they are two: the best offset of a whole recording would hide the spans, and windows would miss clips
that are shorter than one, or play at another speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lookalike.explore.clip import Version
from lookalike.index import Filters, FrameIndex, StoredFrame
from lookalike.search_fields import SearchOptions

COARSE_S, FINE_S = 0.5, 0.1  # between the offsets that are tried: over the whole recording, then around the best
PEAKS = 5  # coarse offsets that are refined
LEAST_OVERLAP_S = 2.0  # of the clip with the recording, or half of the shorter one
NEAR = 0.2  # a frame agrees if its cosine is at least that of the clip's median frame, minus this
GAP_S = 1.0  # longest gap within a matched span
ASKED = 12  # frames of the clip, evenly spaced, by which candidates are found
CANDIDATES = 12  # recordings that each version is aligned with
SPEEDS = (1.0, 1.25, 0.8)  # at which the clip may be played; the first is preferred
LEAST_SPEED_S = 5.0  # a shorter clip does not determine its speed: with more tries, any gesture agrees with another
PLAINER, STEADIER = 0.03, 0.005  # by how much an altered picture, and another speed, must score better
BLOCK = 1_000_000  # similarities that are computed at a time


@dataclass(frozen=True)
class Alignment:
    """How a clip fits a recording. offset_s: where in the recording the clip begins; may be negative.

    agreement: correlation of the frames' differences from the recording's mean, -1 to 1. similarity: mean cosine of the
    frames. span_s: where the frames agree, in seconds of the recording minus the offset. speed: seconds of the
    recording per second of the clip.
    """

    offset_s: float
    agreement: float
    similarity: float
    span_s: tuple[float, float]
    speed: float = 1.0

    @property
    def score(self) -> float:
        return self.agreement * max(self.similarity, 0.0)


@dataclass(frozen=True)
class Copy:
    """A recording that a clip was copied from, and where. span_s: in the recording; others as in `Alignment`.

    source_id: SHA-256 of its bytes. mirrored: whether left and right are exchanged.
    """

    source: str
    source_id: str
    camera: str
    offset_s: float
    span_s: tuple[float, float]
    agreement: float
    similarity: float
    mirrored: bool = False
    speed: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_copies(
    index: FrameIndex, clip_s: np.ndarray, versions: Sequence[Version], top: int, filters: Filters
) -> list[Copy]:
    """Find the recordings that a clip agrees with best, by agreement times similarity.

    clip_s: times of its frames, (N,), ascending, at least two. versions: the clip as it is, then undoing possible
    alterations. At most CANDIDATES recordings are compared for each version.
    Returns: each recording with the version and the speed that agree best.
    """
    wanted: dict[str, list[int]] = {}  # the versions that a source is a candidate of
    for number, version in enumerate(versions):
        for source in _candidates(index, version.vectors, filters):
            wanted.setdefault(source, []).append(number)
    speeds = SPEEDS if clip_s[-1] - clip_s[0] >= LEAST_SPEED_S else SPEEDS[:1]
    scored: list[tuple[float, Copy]] = []
    for source, numbers in wanted.items():
        times_s, vectors, first = _recording(index, source, filters)
        if len(times_s) < 2:
            continue  # a picture has no time to agree on
        tried = [(number, align(clip_s, versions[number].vectors, times_s, vectors, speeds)) for number in numbers]
        number, best = max(tried, key=lambda result: result[1].score - PLAINER * (result[0] > 0))
        scored.append((best.score, _copy(first, best, versions[number].mirrored, float(times_s[-1]))))
    return [copy for _, copy in sorted(scored, key=lambda pair: -pair[0])[:top]]


def _copy(frame: StoredFrame, best: Alignment, mirrored: bool, end_s: float) -> Copy:
    """Make a copy of an alignment. frame: any of the recording. end_s: of the recording."""
    start_s, stop_s = (round(best.offset_s + bound, 3) for bound in best.span_s)
    return Copy(
        source=frame.source,
        source_id=frame.source_id,
        camera=frame.camera,
        offset_s=round(best.offset_s, 3),
        span_s=(max(start_s, 0.0), min(stop_s, end_s)),
        agreement=best.agreement,
        similarity=best.similarity,
        mirrored=mirrored,
        speed=best.speed,
    )


def align(
    clip_s: np.ndarray,
    clip: np.ndarray,
    recording_s: np.ndarray,
    recording: np.ndarray,
    speeds: Sequence[float] = SPEEDS[:1],
) -> Alignment:
    """Find the offset, and the speed, at which a clip agrees best with a recording.

    clip_s, recording_s: times of frames, (N,) and (M,), ascending, at least two. clip, recording: their embeddings,
    float32 (N, D) and (M, D). The recording's mean is subtracted from both, since static content does not depend on
    time. Frames of the clip beyond the recording's ends count as disagreement. Between stored frames, similarities are
    interpolated. speeds: to try; the first is preferred. See the module for how this differs from `tracks.matches`.
    """
    mean = recording.mean(0)
    moved, stored = clip - mean, recording - mean
    agree = _Agreement(recording_s, moved @ stored.T, (stored**2).sum(1), float((moved**2).sum()))
    tried = [(speed, *_best_offset(agree, clip_s * speed)) for speed in speeds]
    speed, offset_s, agreement = max(tried, key=lambda result: result[2] - STEADIER * (result[0] != speeds[0]))
    played_s = clip_s * speed
    inside, left, share = _between(played_s + offset_s, recording_s)
    inside = np.flatnonzero(inside)
    alike = _mixed(clip @ recording.T, inside, left[inside], share[inside])
    span_s = _longest(played_s[inside][alike >= np.median(alike) - NEAR])
    return Alignment(offset_s, agreement, float(alike.mean()), span_s, speed)


@dataclass(frozen=True, eq=False)
class _Agreement:
    """Computes the agreement of a clip with a recording, by offset.

    times_s: of the recording, (M,). products: dot products of the clip's frames with its frames, (N, M). norms: squared
    norms of its frames, (M,). energy: sum of the squared norms of the clip's frames.
    """

    times_s: np.ndarray
    products: np.ndarray
    norms: np.ndarray
    energy: float

    def at(self, clip_s: np.ndarray, offsets_s: np.ndarray) -> np.ndarray:
        """Return the agreement at each offset, (K,)."""
        block = max(BLOCK // len(clip_s), 1)
        parts = [offsets_s[start : start + block] for start in range(0, len(offsets_s), block)]
        return np.concatenate([self._at(clip_s, part) for part in parts])

    def _at(self, clip_s: np.ndarray, offsets_s: np.ndarray) -> np.ndarray:
        inside, left, share = _between(clip_s + offsets_s[:, None], self.times_s)  # (K, N)
        met = (inside * ((1 - share) * self.norms[left] + share * self.norms[left + 1])).sum(1) * self.energy
        dots = (inside * _mixed(self.products, np.arange(len(clip_s)), left, share)).sum(1)
        return np.where(met > 0, dots / np.sqrt(np.maximum(met, 1e-12)), 0.0)


def _best_offset(agree: _Agreement, clip_s: np.ndarray) -> tuple[float, float]:
    """Return the offset at which a clip agrees best, and the agreement there."""
    coarse = _offsets(clip_s, agree.times_s)
    peaks = coarse[np.argsort(-agree.at(clip_s, coarse), kind="stable")[:PEAKS]]
    fine = np.unique(np.round([peak + step for peak in peaks for step in np.arange(-COARSE_S, COARSE_S, FINE_S)], 3))
    agreements = agree.at(clip_s, fine)
    best = int(agreements.argmax())
    return float(fine[best]), float(agreements[best])


def _candidates(index: FrameIndex, clip: np.ndarray, filters: Filters) -> list[str]:
    """Return the sources in which frames of the clip have the nearest neighbours, nearest first."""
    total: dict[str, float] = {}
    for row in np.unique(np.linspace(0, len(clip) - 1, ASKED).round().astype(int)):
        for hit in index.search(clip[row], filters, SearchOptions(CANDIDATES, by="clip")):
            total[hit.source] = total.get(hit.source, 0.0) + max(hit.score, 0.0)
    return sorted(total, key=lambda source: -total[source])[:CANDIDATES]


def _recording(index: FrameIndex, source: str, filters: Filters) -> tuple[np.ndarray, np.ndarray, StoredFrame]:
    """Return the times, (M,), and embeddings, (M, D), of one source in order, and one of its frames.

    A segment counts at its start and at its end.
    """
    pages = list(index.vectors(replace(filters, sources=(source,), whole=True)))
    frames = [frame for page, _ in pages for frame in page]
    vectors = np.concatenate([page for _, page in pages])
    starts, ends = np.array([frame.time_s for frame in frames]), np.array([frame.end_s for frame in frames])
    segments = ends > starts
    times_s, vectors = np.concatenate([starts, ends[segments]]), np.concatenate([vectors, vectors[segments]])
    order = np.argsort(times_s, kind="stable")
    return times_s[order], vectors[order], frames[0]


def _offsets(clip_s: np.ndarray, recording_s: np.ndarray) -> np.ndarray:
    overlap_s = min(LEAST_OVERLAP_S, (clip_s[-1] - clip_s[0]) / 2, (recording_s[-1] - recording_s[0]) / 2)
    first, last = recording_s[0] - clip_s[-1] + overlap_s, recording_s[-1] - clip_s[0] - overlap_s
    return np.arange(first, last + COARSE_S, COARSE_S)


def _between(at: np.ndarray, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Locate times of any shape between stored frames.

    Returns, of the same shape: whether they are within `times_s`; the index of the stored frame before; and the
    position between that frame and the next, 0 to 1.
    """
    inside = (at >= times_s[0] - FINE_S) & (at <= times_s[-1] + FINE_S)
    left = np.clip(np.searchsorted(times_s, at, "right") - 1, 0, len(times_s) - 2)
    gap = np.maximum(times_s[left + 1] - times_s[left], 1e-6)
    return inside, left, np.clip((at - times_s[left]) / gap, 0, 1)


def _mixed(products: np.ndarray, rows: np.ndarray, left: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate rows of products, (N, M), between columns `left` and `left` + 1; rows, left, share: broadcast."""
    return (1 - share) * products[rows, left] + share * products[rows, left + 1]


def _longest(times_s: np.ndarray) -> tuple[float, float]:
    """Return the longest stretch without a gap of more than GAP_S."""
    parts = np.split(times_s, np.flatnonzero(np.diff(times_s) > GAP_S) + 1)
    longest = max(parts, key=lambda part: part[-1] - part[0])
    return float(longest[0]), float(longest[-1])
