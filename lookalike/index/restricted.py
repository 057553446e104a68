"""An index as it looks to those who may see some of its cameras only."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import NoReturn

import numpy as np

from lookalike.errors import IndexStoreError
from lookalike.index.engine import Engine
from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame
from lookalike.index.schema import Scored, SourceRecord


class RestrictedEngine:
    """Reads an engine as if it held frames of some cameras only, also where a frame is named by its id.

    Nothing is written through it. Safe to use from any thread.
    """

    def __init__(self, engine: Engine, cameras: Collection[str]) -> None:
        """engine: is not closed with this one. cameras: at least one."""
        self._engine = engine
        self._cameras = frozenset(Filters(tuple(cameras)).cameras)  # in every form of Unicode
        self._counted = (-1, 0)  # frames of the whole index, and of these cameras then

    def existing(self, ids: Sequence[str]) -> set[str]:
        return set(self.points(ids))

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        stored = self._engine.points(ids)
        return {frame_id: point for frame_id, point in stored.items() if point[1].camera in self._cameras}

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        restricted = self._restrict(filters)
        return self._engine.nearest(vector, limit, restricted, min_score) if restricted else []

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        restricted = self._restrict(filters)
        return self._engine.scroll(restricted) if restricted else iter(())

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        restricted = self._restrict(filters)
        return self._engine.vectors(restricted, page) if restricted else iter(())

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        record = self._engine.source_record(source_id, sampler)
        return record if record and record.camera in self._cameras else None

    def source_records(self) -> Iterator[SourceRecord]:
        return (record for record in self._engine.source_records() if record.camera in self._cameras)

    def count(self) -> int:
        """Of these cameras, counted by a scroll whenever the whole index has another number of frames."""
        whole = self._engine.count()
        if self._counted[0] != whole:
            self._counted = (whole, sum(1 for _ in self.scroll(Filters())))
        return self._counted[1]

    def close(self) -> None:
        """Do nothing: the engine below serves others."""

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> NoReturn:
        self._refuse()

    def delete(self, filters: Filters) -> NoReturn:
        self._refuse()

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> NoReturn:
        self._refuse()

    def mark_complete(self, records: Sequence[SourceRecord]) -> NoReturn:
        self._refuse()

    def unmark(self, source_ids: Collection[str]) -> NoReturn:
        self._refuse()

    def flush(self) -> NoReturn:
        self._refuse()

    def optimize(self) -> NoReturn:
        self._refuse()

    def _restrict(self, filters: Filters) -> Filters | None:
        """Return the filters for these cameras, or None if they ask for others only."""
        asked = frozenset(filters.cameras)
        cameras = asked & self._cameras if asked else self._cameras
        return dataclasses.replace(filters, cameras=tuple(sorted(cameras))) if cameras else None

    def _refuse(self) -> NoReturn:
        raise IndexStoreError("who may see some cameras only may not change the index")
