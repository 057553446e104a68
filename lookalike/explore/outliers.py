"""Find frames that least resemble what their camera usually shows."""

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
    """The most unusual frame of a moment. span_s: while it stays at least half as unusual.

    distance: 1 - cosine similarity to usual views. percentile: the share of its camera's frames, among those that match
    the filters, that are less unusual.
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
    """Find the `top` moments, most unusual first: by percentile within their camera, then by distance.

    cameras: to compare. usual: a view is usual if the camera shows it for this share of its time, in all of its stored
    frames, whether or not they match the filters.
    on_frames: called with the number of frames done, and the camera of the last. The vectors of one camera are held.
    """
    moments: list[Outlier] = []
    done = 0
    for camera in cameras:
        stored, sample = load(index, replace(filters, cameras=(camera,))), load(index, Filters((camera,)), SAMPLE)
        distances: list[np.ndarray] = []
        for begin in range(0, len(stored.frames), BLOCK):
            block = Stored(stored.frames[begin : begin + BLOCK], stored.vectors[begin : begin + BLOCK])
            distances.append(unusualness(block, sample, usual))
            done += len(block.frames)
            on_frames(done, camera)
        moments += _moments(stored, np.concatenate([np.empty(0), *distances]), top)
    return sorted(moments, key=lambda outlier: (-outlier.percentile, -outlier.distance))[:top]


def unusualness(stored: Stored, sample: Stored, usual: float) -> np.ndarray:
    """Return the distance of each frame to its k-th nearest neighbour, where k is the share `usual` of the camera.

    stored: N frames of one camera. sample: of the same camera; frames of a frame's own moment are excluded.
    Returns: (N,), 0 to 2; 0 if there is no other frame. With a mean instead, all views would be unusual for a camera
    that alternates between several.
    Source: Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", 2000.
    """
    sources, others = _numbered(stored, sample)
    later_s = sample.times_s - stored.ends_s[:, None]
    earlier_s = stored.times_s[:, None] - sample.ends_s
    own = (sources[:, None] == others) & (np.maximum(later_s, earlier_s) <= MOMENT_S)
    similar = stored.vectors @ sample.vectors.T
    return 1 - _similarity_of_share(similar, np.where(own, 0, sample.stand_for), usual)


def _similarity_of_share(similar: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Return the similarity that `share` of the weight has at least, (N,); 1 without any weight. Arguments: (N, M)."""
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
    """Return the most unusual moments of one camera; frames within MOMENT_S of a moment belong to it."""
    order = np.lexsort((stored.times_s, _numbered(stored)[0]))  # in order of recording
    stored = Stored([stored.frames[number] for number in order], stored.vectors[order])
    distances, times_s, (sources,) = distances[order], stored.times_s, _numbered(stored)
    free, moments = np.ones(len(order), bool), list[Outlier]()
    percentiles = 100 * np.searchsorted(np.sort(distances), distances) / max(len(distances), 1)
    while free.any() and len(moments) < top:
        best = int(np.where(free, distances, -np.inf).argmax())
        alike = (sources == sources[best]) & (distances >= STILL_UNUSUAL * distances[best])
        first, last = _stretch(alike, best)
        span_s = float(times_s[first]), float(stored.frames[last].end_s)
        near = (sources == sources[best]) & (times_s >= span_s[0] - MOMENT_S) & (times_s <= span_s[1] + MOMENT_S)
        free &= ~near
        moments.append(_outlier(stored.frames[best], span_s, float(distances[best]), float(percentiles[best])))
    return moments


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


def _stretch(alike: np.ndarray, at: int) -> tuple[int, int]:
    """Return the first and last index of the consecutive true values around `at`."""
    others = np.flatnonzero(~alike)
    before, after = others[others < at], others[others > at]
    return int(before[-1] + 1) if len(before) else 0, int(after[0] - 1) if len(after) else len(alike) - 1
