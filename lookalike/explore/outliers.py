"""Frames that least resemble what their camera usually shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lookalike.explore.stored import Stored, load
from lookalike.index import Filters, FrameIndex, StoredFrame
from lookalike.index.moments import MOMENT_S

USUAL = 0.1
SAMPLE = 2000  # frames of a camera that the others are compared with
BLOCK = 512  # frames compared at a time
STILL_UNUSUAL = 0.5  # share of the distance at best that belongs to the same moment


@dataclass(frozen=True)
class Outlier:
    """The most unusual frame of a moment. span_s: how long it stays at least half as unusual.

    distance: 1 - cosine similarity to what is usual. percentile: the share of its camera's frames that are nearer; of
    those that were asked about.
    """

    id: str
    source: str
    source_id: str
    camera: str
    time_s: float
    span_s: tuple[float, float]
    captured_at: str | None
    distance: float
    percentile: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"span_s": list(self.span_s)}


def outliers(
    index: FrameIndex,
    filters: Filters,
    cameras: Iterable[str],
    top: int,
    usual: float = USUAL,
    on_frames: Callable[[int, str], None] = lambda *_: None,
) -> list[Outlier]:
    """The `top` moments, most unusual first: by percentile within their camera, then by distance.

    cameras: of which frames meet the conditions. usual: a view that a camera shows for this share of its time is usual.
    What counts for that is all that is stored of the camera, whatever `where` says.
    on_frames: told how many are done, and of which camera the last were. One camera's vectors are held at a time.
    """
    found: list[Outlier] = []
    done = 0
    for camera in cameras:
        stored, sample = load(index, replace(filters, cameras=(camera,))), load(index, Filters((camera,)), SAMPLE)
        distances: list[np.ndarray] = []
        for begin in range(0, len(stored.frames), BLOCK):
            block = Stored(stored.frames[begin : begin + BLOCK], stored.vectors[begin : begin + BLOCK])
            distances.append(unusualness(block, sample, usual))
            done += len(block.frames)
            on_frames(done, camera)
        found += _moments(stored, np.concatenate([np.empty(0), *distances]), top)
    return sorted(found, key=lambda one: (-one.percentile, -one.distance))[:top]


def unusualness(stored: Stored, sample: Stored, usual: float) -> np.ndarray:
    """1 - the cosine similarity that this share of the camera's frames, `usual`, have to a frame at least.

    stored: N frames of one camera. sample: of the same camera; those of a frame's own moment do not count for it.
    Returns: (N,), 0 to 2; 0 where no other frame is known. A distance to the k-th nearest neighbour, with k a share: a
    mean would take for unusual each of several views that share the camera's time.
    Source: Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", 2000.
    """
    sources, others = _numbered(stored, sample)
    later_s = sample.times_s - stored.ends_s[:, None]
    earlier_s = stored.times_s[:, None] - sample.ends_s
    own = (sources[:, None] == others) & (np.maximum(later_s, earlier_s) <= MOMENT_S)
    similar = stored.vectors @ sample.vectors.T
    return 1 - _similarity_of_share(similar, np.where(own, 0, sample.stand_for), usual)


def _similarity_of_share(similar: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """similar, weights: (N, M). Returns: (N,), what `share` of the weight has at least; 1 where there is none."""
    order = np.argsort(-similar, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    needed = share * reached[:, -1:]
    at = np.minimum((reached < needed).sum(axis=1), similar.shape[1] - 1)
    value = np.take_along_axis(similar, order, axis=1)[np.arange(len(similar)), at]
    return np.where(reached[:, -1] > 0, value, 1)


def _numbered(*parts: Stored) -> list[np.ndarray]:
    numbers: dict[str, int] = {}
    return [
        np.array([numbers.setdefault(frame.source_id, len(numbers)) for frame in part.frames], int) for part in parts
    ]


def _moments(stored: Stored, distances: np.ndarray, top: int) -> list[Outlier]:
    """The most unusual moments of one camera; frames within MOMENT_S of one belong to it."""
    order = np.lexsort((stored.times_s, _numbered(stored)[0]))  # as they were recorded
    stored = Stored([stored.frames[number] for number in order], stored.vectors[order])
    distances, times_s, (sources,) = distances[order], stored.times_s, _numbered(stored)
    free, found = np.ones(len(order), bool), []
    percentiles = 100 * np.searchsorted(np.sort(distances), distances) / max(len(distances), 1)
    while free.any() and len(found) < top:
        best = int(np.where(free, distances, -np.inf).argmax())
        alike = (sources == sources[best]) & (distances >= STILL_UNUSUAL * distances[best])
        first, last = _run(alike, best)
        span_s = float(times_s[first]), float(stored.frames[last].end_s)
        near = (sources == sources[best]) & (times_s >= span_s[0] - MOMENT_S) & (times_s <= span_s[1] + MOMENT_S)
        free &= ~near
        found.append(_outlier(stored.frames[best], span_s, float(distances[best]), float(percentiles[best])))
    return found


def _outlier(frame: StoredFrame, span_s: tuple[float, float], distance: float, percentile: float) -> Outlier:
    return Outlier(
        id=frame.id,
        source=frame.source,
        source_id=frame.source_id,
        camera=frame.camera,
        time_s=frame.time_s,
        span_s=span_s,
        captured_at=frame.captured_at,
        distance=round(distance, 6),
        percentile=round(percentile, 3),
    )


def _run(alike: np.ndarray, at: int) -> tuple[int, int]:
    """The first and last place of the run of true values around `at`."""
    others = np.flatnonzero(~alike)
    before, after = others[others < at], others[others > at]
    return int(before[-1] + 1) if len(before) else 0, int(after[0] - 1) if len(after) else len(alike) - 1
