"""Load stored frames as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lookalike.index import Filters, FrameIndex, StoredFrame


@dataclass(frozen=True, eq=False)
class Stored:
    """N stored frames. vectors: float32 (N, D), of length 1."""

    frames: list[StoredFrame]
    vectors: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """float (N,)."""
        return np.array([frame.time_s for frame in self.frames], float)

    @property
    def ends_s(self) -> np.ndarray:
        """float (N,)."""
        return np.array([frame.end_s for frame in self.frames], float)

    @property
    def stand_for(self) -> np.ndarray:
        """float (N,): how many frames each stands for."""
        return np.array([frame.stands_for for frame in self.frames], float)


def load(index: FrameIndex, filters: Filters, most: int | None = None) -> Stored:
    """Load all whole frames that match, or a random sample of them, which is always the same, since ids are hashes.

    most: size of the sample; None for all.
    """
    frames: list[StoredFrame] = []
    pages: list[np.ndarray] = []
    for page, vectors in index.vectors(replace(filters, whole=True)):
        frames += page
        pages.append(vectors)
        if most and len(frames) >= most:
            break
    vectors = np.concatenate(pages) if pages else np.empty((0, index.spec.dim), np.float32)
    return Stored(frames[:most], vectors[:most])


def cameras(index: FrameIndex, filters: Filters) -> Counter[str]:
    """Count the whole frames of each camera that match."""
    return Counter(frame.camera for frame in index.frames(replace(filters, whole=True)))
