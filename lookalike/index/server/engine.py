"""The server engine: a collection of a Qdrant server."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property

import numpy as np
from qdrant_client import QdrantClient, models

from lookalike.errors import IndexStoreError, SpaceMismatch
from lookalike.index.engine import IndexState
from lookalike.index.filters import AllOf, AnyOf, Condition, DateRange, Filters, IsEmpty, NumberRange, OneOf
from lookalike.index.record import HIT_FIELDS, HitFrame, StoredFrame, renamed
from lookalike.index.schema import Scored, SourceRecord
from lookalike.index.server.client import ServerClient
from lookalike.index.server.errors import answered
from lookalike.index.server.limits import CollectionLimits
from lookalike.index.server.options import ONE_NODE, ServerOptions
from lookalike.index.server.schema import complete, create_frames, ledger_of
from lookalike.index.server.uploads import Uploads

PAGE = 1000  # frames read at a time
INDEXING_THRESHOLD_KB = 10_000  # of vectors in a segment, above which it gets a graph: Qdrant's own default

_NAMESPACE = uuid.UUID("0d5a4f0e-3f0c-5c36-8f0d-2f3a8a1f6c11")  # an arbitrary constant, for ids in the ledger


class ServerEngine:
    """A collection whose named vector is the space, and its ledger, a collection without vectors."""

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        space: str,
        dim: int,
        create: bool,
        options: ServerOptions = ONE_NODE,
        streams: int = 0,
    ) -> None:
        """Open the collection, or create it; what is missing of it, such as payload indexes, is created as well.

        options: of a new collection. streams: concurrent upserts, each of many points; 0 sends each batch immediately.
        Raises: IndexStoreError if the server does not answer or has no such collection (unless `create`);
        SpaceMismatch if the collection was filled by another encoder.
        """
        self._client, self._collection, self._space = client, collection, space
        self._ledger = ledger_of(collection)
        with answered():
            if not client.collection_exists(collection):
                if not create:
                    raise IndexStoreError(
                        f"the server has no collection {collection!r}; make it with `lookalike index`"
                    )
                create_frames(client, collection, space, dim, options)
            config = client.get_collection(collection).config
        vectors = config.params.vectors
        if not isinstance(vectors, dict) or space not in vectors:
            stored = ", ".join(vectors) if isinstance(vectors, dict) else "one without a name"
            raise SpaceMismatch(
                f"collection {collection!r} holds vectors of space {stored}, this encoder is {space};"
                " use the encoder that filled it, or another collection"
            )

        if create:
            with answered():
                complete(client, collection)
        self._limits = CollectionLimits.of(config)
        # Set by `create_frames`, in this process or in one that was killed.
        self._bulk = create and config.optimizer_config.indexing_threshold == 0
        self._uploads = Uploads(self._send, streams)

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        points = [
            models.PointStruct(id=frame.id, vector={self._space: vector}, payload=frame.to_payload())
            for frame, vector in zip(frames, vectors.tolist(), strict=True)
        ]
        with answered():
            self._uploads.add(points)

    def _send(self, points: list[models.PointStruct]) -> None:
        for batch in self._limits.batches(points):
            self._client.upsert(self._collection, batch, wait=True)

    def existing(self, ids: Sequence[str]) -> set[str]:
        with answered():
            records = self._client.retrieve(self._collection, list(ids), with_payload=False, with_vectors=False)
        return {str(record.id) for record in records} | self._uploads.under_way(ids)

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        self.flush()
        with answered():
            records = self._client.retrieve(self._collection, list(ids), with_payload=True, with_vectors=[self._space])
        return {
            str(record.id): (np.asarray(record.vector[self._space], np.float32), _frame(record))
            for record in records
            if isinstance(record.vector, dict)
        }

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        self.flush()
        found: dict[str, Scored] = {}  # pages of an approximate search may overlap
        page = self._limits.page(limit)
        for offset in range(0, limit, page):
            wanted = min(page, limit - offset)
            with answered():
                answer = self._client.query_points(
                    self._collection,
                    vector.tolist(),
                    using=self._space,
                    limit=wanted,
                    offset=offset or None,
                    query_filter=_filter(filters),
                    score_threshold=min_score,
                    search_params=self._limits.search_params(),
                    with_payload=list(HIT_FIELDS),
                )
            for point in answer.points:
                hit = HitFrame.from_payload(str(point.id), point.payload or {})
                found.setdefault(hit.id, Scored(hit, min(max(point.score, -1.0), 1.0)))
            if len(answer.points) < wanted:
                break
        return sorted(found.values(), key=lambda scored: -scored.score)

    def scroll(self, filters: Filters) -> Iterator[StoredFrame]:
        self.flush()
        for records in _pages(self._client, self._collection, _filter(filters), self._limits.page(PAGE), False):
            yield from map(_frame, records)

    def vectors(self, filters: Filters, page: int) -> Iterator[tuple[list[StoredFrame], np.ndarray]]:
        self.flush()
        for records in _pages(self._client, self._collection, _filter(filters), self._limits.page(page), [self._space]):
            rows = [record.vector[self._space] for record in records if isinstance(record.vector, dict)]
            yield [_frame(record) for record in records], np.array(rows, np.float32)

    def delete(self, filters: Filters) -> None:
        self.flush()
        with answered():
            self._client.delete(self._collection, _filter(filters) or models.Filter(), wait=True)

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        self.flush()
        fields = renamed(source, camera, remote)
        same = models.FieldCondition(key="source_id", match=models.MatchValue(value=source_id))
        with answered():
            self._client.set_payload(self._collection, fields, models.Filter(must=[same]), wait=True)

    @cached_property
    def _ledger_limits(self) -> CollectionLimits:
        return _limits_of(self._client, self._ledger)

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        with answered():
            records = self._client.retrieve(self._ledger, [_entry_id(self._space, source_id, sampler)])
        fields = records[0].payload if records else None
        return SourceRecord(**fields) if fields else None

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        points = [
            models.PointStruct(
                id=_entry_id(self._space, record.source_id, record.sampler), vector={}, payload=asdict(record)
            )
            for record in records
        ]
        with answered():
            for batch in self._ledger_limits.batches(points):
                self._client.upsert(self._ledger, batch, wait=True)

    def source_records(self) -> Iterator[SourceRecord]:
        return read_ledger(self._client, self._collection, self._space)

    def unmark(self, source_ids: Collection[str]) -> None:
        known = [record for record in self.source_records() if record.source_id in source_ids]
        if known:
            entries: list[models.ExtendedPointId] = [
                _entry_id(self._space, record.source_id, record.sampler) for record in known
            ]
            with answered():
                self._client.delete(self._ledger, models.PointIdsList(points=entries), wait=True)

    def count(self) -> int:
        self.flush()
        with answered():
            return self._client.count(self._collection, exact=self._limits.exact).count

    def state(self) -> IndexState:
        """As the server has them: uploads that wait are not counted."""
        with answered():
            info = self._client.get_collection(self._collection)
        frames = info.points_count or 0
        unindexed = max(frames - (info.indexed_vectors_count or 0), 0)
        return IndexState(frames, unindexed, building=info.status == models.CollectionStatus.YELLOW)

    def flush(self) -> None:
        """Wait until the server has all points in its log."""
        with answered():
            self._uploads.wait()

    def optimize(self) -> None:
        """Let the server build its graph from now on; it does so in the background."""
        self.flush()
        if self._bulk:
            with answered():
                config = models.OptimizersConfigDiff(indexing_threshold=INDEXING_THRESHOLD_KB)
                self._client.update_collection(self._collection, optimizers_config=config)
            self._bulk = False

    def close(self) -> None:
        """Finish uploads. The client stays open for its owner."""
        if isinstance(self._client, ServerClient):
            self._client.end_patience()
        try:
            self.optimize()
        finally:
            self._uploads.close()


def read_ledger(client: QdrantClient, collection: str, space: str) -> Iterator[SourceRecord]:
    """Yield the records of a space from the ledger of a collection; none if the ledger was never created."""
    ledger = ledger_of(collection)
    with answered():
        if not client.collection_exists(ledger):
            return
        page = _limits_of(client, ledger).page(PAGE)
    for entries in _pages(client, ledger, None, page, False):
        for entry in entries:
            record = SourceRecord(**entry.payload or {})
            if str(entry.id) == _entry_id(space, record.source_id, record.sampler):
                yield record


def _limits_of(client: QdrantClient, collection: str) -> CollectionLimits:
    return CollectionLimits.of(client.get_collection(collection).config)


def _entry_id(space: str, source_id: str, sampler: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{space}|{source_id}|{sampler}"))


def _frame(record: models.Record) -> StoredFrame:
    return StoredFrame.from_payload(str(record.id), record.payload or {})


def _pages(
    client: QdrantClient,
    collection: str,
    condition: models.Filter | None,
    page: int,
    with_vectors: bool | list[str],
) -> Iterator[list[models.Record]]:
    offset = None
    while True:
        with answered():
            records, offset = client.scroll(collection, condition, limit=page, offset=offset, with_vectors=with_vectors)
        if records:
            yield records
        if offset is None:
            return


def _filter(filters: Filters) -> models.Filter | None:
    must = [_condition(condition) for condition in filters.conditions()]
    return models.Filter(must=must) if must else None


def _condition(condition: Condition) -> models.Condition:
    match condition:
        case OneOf(field, values):
            return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))
        case NumberRange(field, bounds):
            return models.FieldCondition(key=field, range=models.Range(**bounds))
        case DateRange(field, bounds):
            return models.FieldCondition(key=field, range=models.DatetimeRange(**bounds))
        case IsEmpty(field):
            return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))
        case AllOf(conditions):
            return models.Filter(must=[_condition(condition) for condition in conditions])
        case AnyOf(conditions):
            return models.Filter(should=[_condition(condition) for condition in conditions])
