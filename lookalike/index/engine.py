"""What an engine must do; `edge`, `server` and `service` do it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from lookalike.index.schema import Finished, Scored, Where


class Engine(Protocol):
    """Stores unit vectors of one space with their payloads."""

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, payloads: Sequence[dict[str, Any]]) -> None:
        """Store points, replacing those with the same id. vectors: float32 (N, D)."""
        ...

    def existing(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are stored."""
        ...

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """By id, the stored vectors, float32 (D,), and payloads of those of `ids` that are stored."""
        ...

    def nearest(self, vector: np.ndarray, limit: int, where: Where, min_score: float | None = None) -> list[Scored]:
        """The `limit` points most similar to `vector`, float32 (D,), best first, none below `min_score`.

        Their payloads have HIT_FIELDS.
        """
        ...

    def scroll(self, where: Where) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and payload of every point that meets the conditions, in no order that means anything."""
        ...

    def vectors(self, where: Where, page: int) -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
        """The points that meet the conditions, `page` at a time, in the order of their ids.

        Yields: N payloads with `id` beside, and vectors, float32 (N, D); N is never 0.
        """
        ...

    def delete(self, where: Where) -> None:
        """Remove the points that meet the conditions."""
        ...

    def rename(self, source_id: str, fields: dict[str, Any]) -> None:
        """Let the points of a source say that it has another `source` and `camera`; what else they say stays."""
        ...

    def finished(self, source_id: str, sampler: str) -> Finished | None:
        """What `finish` was told of this source, with this sampler; None if nothing."""
        ...

    def finish(self, done: Sequence[Finished]) -> None:
        """Note that all frames of these sources are stored, and durable."""
        ...

    def all_finished(self) -> Iterator[Finished]:
        """All that `finish` was told, and was not taken back."""
        ...

    def unfinish(self, source_ids: Collection[str]) -> None:
        """Take back what `finish` was told of these sources."""
        ...

    def count(self) -> int:
        """How many points are stored."""
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
