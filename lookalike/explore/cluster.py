"""Group the frames of an index into clusters that resemble each other, each with a few typical moments."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from heapq import nlargest
from typing import Any

import numpy as np

from lookalike.errors import LookalikeError
from lookalike.explore.stored import load
from lookalike.index import Filters, FrameIndex, StoredFrame
from lookalike.index.moments import collapse
from lookalike.index.schema import Hit, Scored

SAMPLE = 20_000  # frames for k-means; then all frames are assigned
KEPT = 100  # frames to keep per representative, since neighbouring frames are one moment


@dataclass(frozen=True)
class Cluster:
    """One cluster. frames: how many. cameras: frames of each, most first. first, last: RFC 3339 UTC, if known.

    representatives: nearest to the centre first, each of another moment; `score` is the cosine to the centre.
    """

    number: int
    frames: int
    cameras: dict[str, int]
    first: str | None
    last: str | None
    representatives: list[Hit]

    def to_dict(self) -> dict[str, Any]:
        shown = [
            {name: value for name, value in hit.to_dict().items() if name not in ("moments", "percentile", "region")}
            for hit in self.representatives
        ]
        return asdict(self) | {"representatives": shown}


@dataclass
class _Members:
    frames: int = 0
    cameras: Counter[str] = field(default_factory=Counter)
    times: list[str] = field(default_factory=list)  # the first and the last so far
    near: list[Scored] = field(default_factory=list)

    def take(self, frame: StoredFrame, similarity: float) -> None:
        self.frames += frame.stands_for
        self.cameras[frame.camera] += frame.stands_for
        if frame.captured_at and frame.ended_at:
            times = sorted([*self.times, frame.captured_at, frame.ended_at], key=datetime.fromisoformat)
            self.times = [times[0], times[-1]]
        self.near.append(Scored(frame, similarity))


def cluster(index: FrameIndex, filters: Filters, clusters: int, each: int) -> list[Cluster]:
    """Cluster the frames that match with k-means, the largest cluster first.

    each: representatives of a cluster, at most. The same index gives the same clusters.
    Raises: LookalikeError if scikit-learn is missing, or if there are fewer frames than clusters.
    """
    centres = _centres(index, filters, clusters)
    members = [_Members() for _ in range(clusters)]
    for frames, vectors in index.vectors(replace(filters, whole=True)):
        similar = vectors @ centres.T  # (N, K)
        nearest = similar.argmax(axis=1)
        for frame, number, row in zip(frames, nearest, similar, strict=True):
            members[number].take(frame, float(row[number]))
        for member in members:
            member.near = nlargest(each * KEPT, member.near, key=lambda scored: scored.score)
    members = sorted((member for member in members if member.frames), key=lambda member: -member.frames)
    return [
        Cluster(
            number,
            member.frames,
            dict(member.cameras.most_common()),
            member.times[0] if member.times else None,
            member.times[-1] if member.times else None,
            collapse(member.near)[:each],
        )
        for number, member in enumerate(members, start=1)
    ]


def _centres(index: FrameIndex, filters: Filters, clusters: int) -> np.ndarray:
    """Find the cluster centres, float32 (K, D), of length 1."""
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise LookalikeError('clusters need scikit-learn: pip install "lookalike[explore]"') from error
    sample = load(index, filters, SAMPLE)
    if len(sample.frames) < clusters:
        raise LookalikeError(f"{len(sample.frames)} frames meet the conditions, too few for {clusters} clusters")
    means = MiniBatchKMeans(clusters, random_state=0, n_init=3, batch_size=4096)  # pyright: ignore[reportArgumentType]
    means.fit(sample.vectors, sample_weight=sample.stand_for)
    centres = means.cluster_centers_
    return (centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)).astype(np.float32)
