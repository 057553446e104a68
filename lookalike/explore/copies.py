"""Where a short clip is in the archive: its frames must agree on one offset in time with those of a recording."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lookalike.index import FrameIndex, Where
from lookalike.index.schema import Choice

COARSE_S, FINE_S = 0.5, 0.1  # between the offsets that are tried: all over the recording, then around the best ones
PEAKS = 5  # how many of those are looked at closely
LEAST_OVERLAP_S = 2.0  # of the clip with the recording, or half of the shorter one
NEAR = 0.2  # a frame agrees if its cosine is no less than that of the clip's typical frame, minus this
GAP_S = 1.0  # that a matched span may bridge
ASKED = 12  # frames of the clip, evenly spaced, by which recordings are found to align it with
CANDIDATES = 12  # recordings that it is aligned with


@dataclass(frozen=True)
class Alignment:
    """offset_s: where in the recording the clip begins, which may be before its start.

    agreement: how well what sets their frames apart from the recording's usual goes together, -1 to 1. similarity: mean
    cosine of the frames. span_s: of the clip, where its frames agree.
    """

    offset_s: float
    agreement: float
    similarity: float
    span_s: tuple[float, float]


@dataclass(frozen=True)
class Copy:
    """A recording that a clip agrees with, and where. span_s: of the recording; else as in `Alignment`."""

    source: str
    camera: str
    offset_s: float
    span_s: tuple[float, float]
    agreement: float
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_copies(index: FrameIndex, clip_s: np.ndarray, clip: np.ndarray, top: int, where: Where) -> list[Copy]:
    """The recordings that a clip agrees with best, by agreement times similarity; at most CANDIDATES.

    clip_s: times of its frames, (N,), ascending, at least two. clip: their embeddings, float32 (N, D).
    """
    copies: list[Copy] = []
    for source in _candidates(index, clip, where):
        times_s, vectors, camera = _recording(index, source, where)
        if len(times_s) < 2:
            continue  # a picture has no time to agree on
        found = align(clip_s, clip, times_s, vectors)
        start_s, end_s = (round(found.offset_s + bound, 3) for bound in found.span_s)
        span_s = max(start_s, 0.0), min(end_s, float(times_s[-1]))
        copies.append(Copy(source, camera, round(found.offset_s, 3), span_s, found.agreement, found.similarity))
    return sorted(copies, key=lambda copy: -copy.agreement * max(copy.similarity, 0.0))[:top]


def align(clip_s: np.ndarray, clip: np.ndarray, recording_s: np.ndarray, recording: np.ndarray) -> Alignment:
    """The offset at which a clip agrees best with a recording.

    clip_s, recording_s: times of frames, (N,) and (M,), ascending, at least two. clip, recording: their embeddings,
    float32 (N, D) and (M, D). The recording's mean is taken off both: what stands still says nothing of time. What the
    clip has beyond the recording's ends counts as disagreement. Between stored frames, similarities are interpolated.
    """
    mean = recording.mean(0)
    moved, stored = clip - mean, recording - mean
    products, norms, energy = moved @ stored.T, (stored**2).sum(1), float((moved**2).sum())  # (N, M), (M,)

    def agreement(offset_s: float) -> float:
        inside, left, share = _between(clip_s + offset_s, recording_s)
        met = energy * float(((1 - share) * norms[left] + share * norms[left + 1]).sum())
        return float(_mixed(products[inside], left, share).sum()) / np.sqrt(met) if met > 0 else 0.0

    coarse = _offsets(clip_s, recording_s)
    peaks = coarse[np.argsort([-agreement(offset_s) for offset_s in coarse])[:PEAKS]]
    fine = np.unique(np.round([peak + step for peak in peaks for step in np.arange(-COARSE_S, COARSE_S, FINE_S)], 3))
    offset_s = max((float(one) for one in fine), key=agreement)
    inside, left, share = _between(clip_s + offset_s, recording_s)
    alike = _mixed((clip @ recording.T)[inside], left, share)
    span_s = _longest(clip_s[inside][alike >= np.median(alike) - NEAR])
    return Alignment(offset_s, agreement(offset_s), float(alike.mean()), span_s)


def _candidates(index: FrameIndex, clip: np.ndarray, where: Where) -> list[str]:
    """The sources in which frames of the clip have the nearest neighbours, nearest first."""
    total: dict[str, float] = {}
    for row in np.unique(np.linspace(0, len(clip) - 1, ASKED).round().astype(int)):
        for hit in index.search(clip[row], CANDIDATES, where, Choice(by="clip")):
            total[hit.source] = total.get(hit.source, 0.0) + max(hit.score, 0.0)
    return sorted(total, key=lambda source: -total[source])[:CANDIDATES]


def _recording(index: FrameIndex, source: str, where: Where) -> tuple[np.ndarray, np.ndarray, str]:
    """Times, (M,), and embeddings, (M, D), of one source in order; a run of frames counts at its start and its end."""
    pages = list(index.vectors(replace(where, sources=(source,), whole=True)))
    fields = [one for page, _ in pages for one in page]
    vectors = np.concatenate([page for _, page in pages])
    starts, ends = (np.array([one[name] for one in fields]) for name in ("time_s", "end_s"))
    runs = ends > starts
    times_s, vectors = np.concatenate([starts, ends[runs]]), np.concatenate([vectors, vectors[runs]])
    order = np.argsort(times_s, kind="stable")
    return times_s[order], vectors[order], fields[0]["camera"]


def _offsets(clip_s: np.ndarray, recording_s: np.ndarray) -> np.ndarray:
    overlap_s = min(LEAST_OVERLAP_S, (clip_s[-1] - clip_s[0]) / 2, (recording_s[-1] - recording_s[0]) / 2)
    first, last = recording_s[0] - clip_s[-1] + overlap_s, recording_s[-1] - clip_s[0] - overlap_s
    return np.arange(first, last + COARSE_S, COARSE_S)


def _between(at: np.ndarray, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """at: moments, (N,). Returns: which of them are within `times_s`, bool (N,); and of these the place of the stored
    frame before, and the share of the way to the one after."""
    inside = (at >= times_s[0] - FINE_S) & (at <= times_s[-1] + FINE_S)
    at = at[inside]
    left = np.clip(np.searchsorted(times_s, at, "right") - 1, 0, len(times_s) - 2)
    gap = np.maximum(times_s[left + 1] - times_s[left], 1e-6)
    return inside, left, np.clip((at - times_s[left]) / gap, 0, 1)


def _mixed(rows: np.ndarray, left: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Row i of (N, M), read between columns left[i] and left[i] + 1."""
    each = np.arange(len(rows))
    return (1 - share) * rows[each, left] + share * rows[each, left + 1]


def _longest(times_s: np.ndarray) -> tuple[float, float]:
    """The longest stretch without a gap of more than GAP_S."""
    parts = np.split(times_s, np.flatnonzero(np.diff(times_s) > GAP_S) + 1)
    longest = max(parts, key=lambda part: part[-1] - part[0])
    return float(longest[0]), float(longest[-1])
