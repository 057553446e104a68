"""Segments, consecutive frames that say the same: each is stored once, as its first frame with the span of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lookalike.footage import Frame


class Deduper:
    """Called with the frames of sources, one source after the other, in order."""

    def __init__(self, least: float) -> None:
        """least: the cosine to the first frame of a segment that its other frames have, or more."""
        self._least = least
        self._first: Frame | None = None
        self._vector = np.empty(0, np.float32)
        self._end_us, self._length = 0, 0
        self._closed, self._closed_id = 0, ""

    def push(self, frames: Sequence[Frame], embeddings: np.ndarray) -> tuple[list[Frame], np.ndarray]:
        """embeddings: float32 (N, D). Returns: the first frames, and embeddings (M, D), of segments that have ended."""
        closed: list[tuple[Frame, np.ndarray]] = []
        for frame, vector in zip(frames, embeddings, strict=True):
            if not self._goes_on(frame, vector):
                closed += self._close()
                self._first, self._vector, self._length = frame, vector, 0
            self._end_us, self._length = frame.pts_us, self._length + 1
        return _columns(closed, embeddings.shape[1])

    def close(self) -> tuple[list[Frame], np.ndarray]:
        """The segment that was open, if one was, as `push` returns them: its source has ended."""
        return _columns(self._close(), self._vector.size)

    def count(self) -> int:
        """How many segments were closed of the source that was closed last."""
        return self._closed

    def _goes_on(self, frame: Frame, vector: np.ndarray) -> bool:
        return (
            self._first is not None
            and self._first.source_id == frame.source_id
            and self._end_us < frame.pts_us  # else a copy of the same source
            and self._first.scene == frame.scene
            and float(self._vector @ vector) >= self._least
        )

    def _close(self) -> list[tuple[Frame, np.ndarray]]:
        if self._first is None:
            return []
        first, self._first = self._first, None
        self._closed = self._closed + 1 if first.source_id == self._closed_id else 1
        self._closed_id = first.source_id
        return [(dataclasses.replace(first, end_us=self._end_us, stands_for=self._length), self._vector)]


def _columns(segments: Sequence[tuple[Frame, np.ndarray]], dim: int) -> tuple[list[Frame], np.ndarray]:
    vectors = np.stack([vector for _, vector in segments]) if segments else np.empty((0, dim), np.float32)
    return [frame for frame, _ in segments], vectors
