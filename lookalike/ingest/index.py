"""Footage -> embedded frames -> index; interrupted runs resume."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Ended, Source
from lookalike.footage.archive import inside
from lookalike.footage.sources import split_track
from lookalike.index import FrameIndex, SourceRecord
from lookalike.index.clock import utc_text
from lookalike.ingest.batches import AlreadyStored, EmbeddedBatch, SourceEnd
from lookalike.ingest.embed import EmbedJob, OnFrames, OnReconnect
from lookalike.ingest.settings import USUAL, IngestSettings
from lookalike.ingest.summary import Summary


def index_footage(
    sources: Sequence[Source],
    encoder: Encoder,
    index: FrameIndex,
    settings: IngestSettings = USUAL,
    on_frames: OnFrames = lambda frames: None,
    on_reconnect: OnReconnect = lambda message: None,
    contents: Collection[str] | None = None,
) -> Summary:
    """Embed every frame that is not in the index yet, and store it. Sources that are complete are not decoded again.

    Streams are read concurrently with the files until they end, or until Ctrl-C, which is an interruption only where
    files are left to read. After an interruption, the same call resumes.
    sources: from `find_sources`. encoder: the one that the index was opened with.
    settings: which frames to take; if not given, all of them, and regions in which something moves.
    on_frames: called after each batch, with its frames. on_reconnect: as for `read_source`.
    contents: ids of sources; files with another content are skipped.
    Returns: counts; a source that cannot be read is named in `skipped`, and the others are read.
    Raises: IndexStoreError if the index cannot be written; KeyboardInterrupt that says what is stored.
    """
    sampler = str(settings.sampling)

    def known(source: Source, source_id: str) -> Ended | None:
        if contents is not None and source_id not in contents:
            raise FootageError("its content is another")
        record = index.source_record(source_id, sampler)
        return record and Ended(source, source_id, record.frames, record.reason, clock_restarts=record.clock_restarts)

    job = EmbedJob(sources, encoder, settings, AlreadyStored(known, index.missing), on_frames, on_reconnect)
    writer = _Writer(index, sampler, job.summary)
    job.run(writer.take, repeatable=True)
    writer.flush()
    if job.summary.added or index.lacks_graph():
        index.optimize()
    return job.summary


class _Writer:
    """Stores frames, makes them durable, and then notes which sources are complete: in that order."""

    def __init__(self, index: FrameIndex, sampler: str, summary: Summary) -> None:
        self._index, self._sampler, self._summary = index, sampler, summary
        self._complete: list[SourceRecord] = []  # all frames of these are stored

    def take(self, batch: EmbeddedBatch) -> None:
        """May be called again with a batch if it did not return."""
        if batch.frames:
            self._index.add(batch.frames, batch.embeddings)
        self._index.claim(batch.existing)
        for end in batch.ends:
            self._rename_moved(end.ended) if end.known else self._note(end)
        if batch.flush:
            self.flush()
        self._summary.added += len(batch.frames)

    def flush(self) -> None:
        self._index.mark_complete(self._complete)
        self._complete = []

    def _note(self, end: SourceEnd) -> None:
        ended = end.ended
        if ended.source_id and (ended.frames or not ended.reason):
            what = (ended.source_id, self._sampler, ended.source.name, ended.frames, end.stored, ended.reason)
            began_at = utc_text(ended.began_at) if ended.began_at else None
            self._complete.append(SourceRecord(*what, ended.source.camera, began_at, ended.clock_restarts))

    def _rename_moved(self, ended: Ended) -> None:
        """Of a source that the index has whole: it may know it by another name."""
        record = self._index.source_record(ended.source_id or "", self._sampler)
        if record and _is_moved(record, ended.source):
            self._index.rename(record, ended.source.name, ended.source.camera)


def _is_moved(known: SourceRecord, source: Source) -> bool:
    """Whether a source is found under a new name, and no longer under the old one; else it is a copy."""
    return known.source != source.name and not Path(split_track(known.source)[0]).exists() and not inside(known.source)
