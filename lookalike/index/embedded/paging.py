"""Read frames a page at a time, from a shard in this process or in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame

PAGE = 1000  # frames read at a time

# Ids with payloads, vectors as float32 (N, D) if requested, and where the next page begins: None after the last page.
Page = tuple[list[tuple[str, dict[str, Any]]], np.ndarray, Any]


class Paged:
    """The methods of an engine that reads pages."""

    def page(self, filters: Filters, after: Any, limit: int, with_vectors: bool) -> Page:
        """Read one page. after: where it begins, as the previous page returned it; None for the first."""
        raise NotImplementedError

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        for frames, _ in self._pages(filters, PAGE, with_vectors=False):
            yield from frames

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        return self._pages(filters, page, with_vectors=True)

    def _pages(
        self, filters: Filters, limit: int, with_vectors: bool
    ) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        after = None
        while True:
            points, rows, after = self.page(filters, after, limit, with_vectors)
            if points:
                yield [StoredFrame.from_payload(frame_id, payload) for frame_id, payload in points], rows
            if after is None:
                return
