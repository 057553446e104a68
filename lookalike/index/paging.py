"""Frames a page at a time: of a shard in this process, or in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame

PAGE = 1000  # frames read at a time

# Ids with payloads, their vectors as float32 (N, D) if asked for, and where the next page begins: None after the last.
Page = tuple[list[tuple[str, dict[str, Any]]], np.ndarray, Any]


class Paged:
    """What an engine has to do that can read a page."""

    def page(self, filters: Filters, after: Any, limit: int, with_vectors: bool) -> Page:
        """after: where the page begins, as the one before said; None for the first."""
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
