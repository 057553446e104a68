"""The interface of an engine; `embedded.edge`, `embedded.live`, `server.engine` and `service` implement it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame
from lookalike.index.schema import Scored, SourceRecord

MOST_NEAREST = 8000  # frames that one call of `nearest` returns


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
        """Return those of `ids` that are stored."""
        ...

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        """Return the vectors, float32 (D,), and frames of the stored `ids`, by id."""
        ...

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        """Return the `limit` frames most similar to `vector`, float32 (D,), best first, with at least `min_score`."""
        ...

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        """Yield every frame that meets the conditions, in any order."""
        ...

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        """Yield the frames that meet the conditions, `page` at a time, in the order of their ids.

        Yields: N frames, and their vectors, float32 (N, D); N is never 0.
        """
        ...

    def delete(self, filters: Filters) -> None:
        """Remove the frames that meet the conditions."""
        ...

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        """Change the name and camera of a source in all of its frames.

        remote: as in `StoredFrame`; None leaves it.
        """
        ...

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        """Return the record of this source with this sampler; None if it is not complete."""
        ...

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        """Record that all frames of these sources are stored and durable."""
        ...

    def source_records(self) -> Iterator[SourceRecord]:
        """Yield the records of all complete sources."""
        ...

    def unmark(self, source_ids: Collection[str]) -> None:
        """Remove the records of these sources."""
        ...

    def count(self) -> int:
        """Return how many frames are stored."""
        ...

    def flush(self) -> None:
        """Make everything stored so far durable."""
        ...

    def optimize(self) -> None:
        """Build the search graph over the stored frames; may take long."""
        ...

    def close(self) -> None:
        """Release the index for other processes."""
        ...


@dataclass(frozen=True)
class IndexState:
    """frames: how many are stored. unindexed: of these, outside of the search graph, so compared one by one.

    building: whether the graph is being built.
    """

    frames: int
    unindexed: int
    building: bool


@runtime_checkable
class Inspected(Protocol):
    """An engine that knows its state without looking at its frames."""

    def state(self) -> IndexState:
        """Raises: IndexStoreError if it does not answer."""
        ...
