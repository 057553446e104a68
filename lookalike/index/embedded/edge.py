"""The embedded engine: qdrant-edge, in this process, in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import qdrant_edge as edge

from lookalike.errors import IndexStoreError
from lookalike.index.clock import utc_text
from lookalike.index.embedded.disk_space import GIVES_BACK, Room
from lookalike.index.embedded.effort import effort
from lookalike.index.embedded.ledger import LEDGER, Ledger, WithLedger
from lookalike.index.embedded.paging import Page, Paged
from lookalike.index.embedded.shards import current_shard, in_use, name_shard, new_shard, remove_others
from lookalike.index.engine import IndexState
from lookalike.index.filters import AllOf, AnyOf, Condition, DateRange, Filters, IsEmpty, NumberRange, OneOf
from lookalike.index.record import HIT_FIELDS, HitFrame, StoredFrame, renamed
from lookalike.index.schema import Scored

# The graph has extra links between frames of the same camera only. Links for the other fields would take half of the
# build time, and ACORN does not need them for filters.
_INDEXED_FIELDS = {
    "camera": edge.KeywordIndexParams(),
    **{name: edge.DatetimeIndexParams(enable_hnsw=False) for name in ("captured_at", "ended_at")},
    # Read from disk on demand: opening an index takes half as long, and most searches do not use them.
    **{name: edge.KeywordIndexParams(enable_hnsw=False, memory=edge.Memory.Cold) for name in ("source", "source_id")},
    **{
        name: edge.FloatIndexParams(enable_hnsw=False, memory=edge.Memory.Cold)
        for name in ("time_s", "end_s", "utc_day_s")
    },
}
# Frames of one time span are far apart in the graph. ACORN (arXiv 2403.04871) also visits frames that do not meet the
# conditions, unless more than this share does (docs/search.md).
_ACORN = edge.AcornSearchParams(enable=True, max_selectivity=0.9)


class Shard(Paged):
    """One folder of points; only one process may have it open."""

    def __init__(self, folder: Path, space: str, dim: int) -> None:
        """Open the shard, or create it if the folder holds none.

        Raises: IndexInUse if another process has it open; IndexStoreError if it is broken.
        """
        self._space, self._dim = space, dim
        try:
            if not (folder / "edge_config.json").exists():
                _create(folder, space, dim)
            self._shard = cast(edge.EdgeShard, _OneLine(edge.EdgeShard.load(str(folder)), folder))
        except BaseException as error:  # the extension raises bare Exception, and on broken data a panic past that
            if isinstance(error, KeyboardInterrupt):
                raise
            if "WouldBlock" in str(error):
                raise in_use(folder.parent) from error
            raise IndexStoreError(f"{folder.parent}: cannot open the index ({error})") from error

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        points = [
            edge.Point(frame.id, {self._space: vector}, frame.to_payload())
            for frame, vector in zip(frames, vectors.tolist(), strict=True)
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

    def existing(self, ids: Sequence[str]) -> set[str]:
        return {str(record.id) for record in self._shard.retrieve(list(ids), with_payload=False, with_vector=False)}

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        points: dict[str, tuple[np.ndarray, StoredFrame]] = {}
        for record in self._shard.retrieve(list(ids), with_payload=True, with_vector=True):
            frame = StoredFrame.from_payload(str(record.id), record.payload or {})
            if isinstance(record.vector, dict):
                points[frame.id] = np.asarray(record.vector[self._space], np.float32), frame
        return points

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        request = edge.QueryRequest(
            limit=limit,
            query=edge.Query.Nearest(vector.tolist(), using=self._space),
            filter=_filter(filters),
            score_threshold=min_score,
            with_payload=list(HIT_FIELDS),
            params=self._params(filters),
        )
        points = self._shard.query(request)
        return [Scored(HitFrame.from_payload(str(point.id), point.payload or {}), point.score) for point in points]

    def _params(self, filters: Filters) -> edge.SearchParams:
        chosen = effort(filters.conditions(), self._dim, self._estimate)
        return edge.SearchParams(hnsw_ef=chosen.width, exact=chosen.scan, acorn=_ACORN)

    def _estimate(self, conditions: Sequence[Condition]) -> int:
        """About how many frames meet the conditions, without looking at any."""
        return self._shard.count(edge.CountRequest(exact=False, filter=_must(conditions)))

    def page(self, filters: Filters, after: Any, limit: int, with_vectors: bool) -> Page:
        request = edge.ScrollRequest(
            offset=after, limit=limit, filter=_filter(filters), with_payload=True, with_vector=with_vectors
        )
        records, after = self._shard.scroll(request)
        rows = [record.vector[self._space] for record in records if isinstance(record.vector, dict)]
        return [(str(record.id), record.payload or {}) for record in records], np.array(rows, np.float32), after

    def delete(self, filters: Filters) -> None:
        self._shard.update(edge.UpdateOperation.delete_points_by_filter(_filter(filters) or edge.Filter()))

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        fields = renamed(source, camera, remote)
        condition = edge.Filter(must=[edge.FieldCondition("source_id", match=edge.MatchValue(source_id))])
        self._shard.update(edge.UpdateOperation.set_payload_by_filter(condition, fields))

    def count(self) -> int:
        return self._shard.count(edge.CountRequest(exact=True))

    def flush(self) -> None:
        self._shard.flush()

    def optimize(self) -> None:
        self._shard.optimize()

    def unindexed(self) -> int:
        """Count the points outside of the search graph, which are compared one by one."""
        info = self._shard.info()
        return info.points_count - info.indexed_vectors_count

    def state(self) -> IndexState:
        info = self._shard.info()
        return IndexState(info.points_count, max(info.points_count - info.indexed_vectors_count, 0), building=False)

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()


class EdgeEngine(WithLedger, Shard):
    """The shard in use, and the ledger in the same folder."""

    def __init__(self, folder: Path, space: str, dim: int) -> None:
        """Open the index in `folder`, or create it. Raises: IndexStoreError as `Shard`, `Ledger` and `Room`."""
        self._room, self._at = Room(folder), current_shard(folder)
        self._room.check_open(self._at)
        self._ledger = Ledger(folder / LEDGER)  # first, since an opened shard would stay open
        try:
            super().__init__(self._at, space, dim)
        except BaseException:
            self._ledger.close()
            raise
        if current_shard(folder) != self._at:  # whoever had it open has replaced it meanwhile, and removes it
            self.close()
            raise in_use(folder)
        remove_others(folder)

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        self._room.check_write(self._at)
        super().upsert(frames, vectors)

    def delete(self, filters: Filters) -> None:
        self._room.check_write(self._at, GIVES_BACK)
        super().delete(filters)

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        self._room.check_write(self._at, GIVES_BACK)
        super().rename(source_id, source, camera, remote)

    def optimize(self) -> None:
        self._room.check_graph(self._at, 1)
        super().optimize()

    def trouble(self) -> str | None:
        return self._room.trouble(writes=False)

    def close(self) -> None:
        self._ledger.close()
        super().close()


class _OneLine:
    """The methods of the engine's shard; what they raise, on damaged files say, is an IndexStoreError."""

    def __init__(self, shard: edge.EdgeShard, folder: Path) -> None:
        self._shard, self._folder = shard, folder

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._shard, name)

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            except BaseException as error:  # a panic is a BaseException, and the rest are bare Exceptions
                if isinstance(error, KeyboardInterrupt):
                    raise
                why = " ".join(str(error).split())[:200]
                raise IndexStoreError(f"{self._folder.parent}: the embedded engine failed in {name} ({why})") from error

        return call


def _create(folder: Path, space: str, dim: int) -> None:
    """Make an empty shard under another name first: the engine cannot open one that a power loss left half made."""
    made = new_shard(folder.parent)
    made.mkdir(parents=True)
    try:
        shard = edge.EdgeShard.create(str(made), _config(space, dim))
        for field, schema in _INDEXED_FIELDS.items():
            shard.update(edge.UpdateOperation.create_field_index(field, schema))
        shard.flush()
        shard.close()
        name_shard(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _config(space: str, dim: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(vectors={space: edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine)})


def _filter(filters: Filters) -> edge.Filter | None:
    return _must(filters.conditions())


def _must(conditions: Sequence[Condition]) -> edge.Filter | None:
    return edge.Filter(must=[_condition(condition) for condition in conditions]) if conditions else None


def _condition(condition: Condition) -> Any:
    match condition:
        case OneOf(field, values):
            return edge.FieldCondition(field, match=edge.MatchAny(list(values)))
        case NumberRange(field, bounds):
            return edge.FieldCondition(field, range=edge.RangeFloat(**bounds))
        case DateRange(field, bounds):
            dates = {bound: utc_text(moment) for bound, moment in bounds.items()}
            return edge.FieldCondition(field, range=edge.RangeDateTime(**dates))
        case IsEmpty(field):
            return edge.IsEmptyCondition(field)
        case AllOf(conditions):
            return edge.Filter(must=[_condition(condition) for condition in conditions])
        case AnyOf(conditions):
            return edge.Filter(should=[_condition(condition) for condition in conditions])
