"""What an index holds, as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lookalike.index import FrameIndex, Where


@dataclass(frozen=True, eq=False)
class Stored:
    """N stored frames. frames: their payloads, with `id`. vectors: float32 (N, D), of length 1."""

    frames: list[dict[str, Any]]
    vectors: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """float (N,): a number that is stored with each."""
        return np.array([frame[name] for frame in self.frames], float)


def load(index: FrameIndex, where: Where, most: int | None = None) -> Stored:
    """All whole frames that meet the conditions; or of them a random sample, the same each time: ids are hashes.

    most: how many are sampled.
    """
    frames: list[dict[str, Any]] = []
    pages: list[np.ndarray] = []
    for payloads, vectors in index.vectors(replace(where, whole=True)):
        frames += payloads
        pages.append(vectors)
        if most and len(frames) >= most:
            break
    vectors = np.concatenate(pages) if pages else np.empty((0, index.spec.dim), np.float32)
    return Stored(frames[:most], vectors[:most])


def cameras(index: FrameIndex, where: Where) -> Counter[str]:
    """How many whole frames of each camera meet the conditions."""
    return Counter(frame["camera"] for frame in index.frames(replace(where, whole=True)))
