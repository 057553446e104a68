"""What an engine must do; `edge`, `server` and `service` do it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame
from lookalike.index.schema import Scored, SourceRecord

MOST_NEAREST = 8000  # frames that `nearest` is asked for


@runtime_checkable
class Watched(Protocol):
    """An engine whose index may fail while it is open: its folder is removed, or its process dies."""

    def trouble(self) -> str | None:
        """Why it does not answer or cannot be written at the moment, in one line; None if it does."""
        ...


class Engine(Protocol):
    """Stores frames with their unit vectors of one space."""

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        """Store frames, replacing those with the same id. vectors: float32 (N, D)."""
        ...

    def existing(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are stored."""
        ...

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        """By id, the stored vectors, float32 (D,), and frames of those of `ids` that are stored."""
        ...

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        """The `limit` frames most similar to `vector`, float32 (D,), best first, none below `min_score`."""
        ...

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        """Every frame that meets the conditions, in no order that means anything."""
        ...

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        """The frames that meet the conditions, `page` at a time, in the order of their ids.

        Yields: N frames, and their vectors, float32 (N, D); N is never 0.
        """
        ...

    def delete(self, filters: Filters) -> None:
        """Remove the frames that meet the conditions."""
        ...

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        """Let the frames of a source say that it has another name and camera; what else they say stays.

        remote: as in `StoredFrame`, where that changes, too.
        """
        ...

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        """What was noted of this source, with this sampler; None if nothing."""
        ...

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        """Note that all frames of these sources are stored, and durable."""
        ...

    def source_records(self) -> Iterator[SourceRecord]:
        """All that was noted by `mark_complete`, and not taken back."""
        ...

    def unmark(self, source_ids: Collection[str]) -> None:
        """Take back what was noted of these sources."""
        ...

    def count(self) -> int:
        """How many frames are stored."""
        ...

    def flush(self) -> None:
        """Make everything stored so far survive a crash."""
        ...

    def optimize(self) -> None:
        """Build the search graph over what was stored; may take long."""
        ...

    def close(self) -> None:
        """Release the index for other processes."""
        ...
