"""Footage -> frames -> embeddings -> index; run again, it goes on where it stopped."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lookalike.dedupe import Deduper
from lookalike.encoder import Encoder
from lookalike.footage import Ended, Frame, Skipped, Source, read_source
from lookalike.footage.archive import inside
from lookalike.footage.sources import split_track
from lookalike.footage.tracks import every_track
from lookalike.index import FrameIndex, SourceRecord
from lookalike.index.clock import utc_text
from lookalike.prefetch import prefetch
from lookalike.sampling import USUAL, Sampling
from lookalike.table import checked, read_tables

BATCH = 32
FLUSH_EVERY = 64  # batches between making the index durable
FLUSH_EVERY_S = 30.0  # and seconds, of a stream that gives few frames
NAMED_ROWS = 5  # of a table, of those that are refused
QUEUE_FRAMES = 128  # small frames waiting for the encoder: bounds memory whatever the length of the footage

OnFrames = Callable[[Sequence[Frame]], None]
OnReconnect = Callable[[str], None]


@dataclass
class Summary:
    """What a job did. frames: read. added: newly stored, with their regions. skipped: what could not be read.

    regions: parts of frames among what was read. regions_s: seconds of work on them: to find, to cut and to embed them.

    refused: rows of tables that were left out.

    black, frozen: frames that show nothing. damaged: packets or frames that did not decode. All of what was read now.
    not_footage, system, excluded: entries of folders and zips that are no sources: by what they are, since the system
    keeps them there, or by a flag. With the sources they are all entries.
    clock_restarts: how often the clock of a recording began anew or was set back; its times go on there.
    """

    sources: int = 0
    frames: int = 0
    added: int = 0
    black: int = 0
    frozen: int = 0
    damaged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    regions: int = 0
    regions_s: float = 0.0
    refused: int = 0
    not_footage: int = 0
    system: int = 0
    excluded: int = 0
    clock_restarts: int = 0

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in dataclasses.fields(self)}
        )

    def saw(self, frames: Sequence[Frame]) -> None:
        faults = [frame.fault for frame in frames if frame.region is None]
        self.frames += len(faults)
        self.regions += len(frames) - len(faults)
        self.black += faults.count("black")
        self.frozen += faults.count("frozen")

    def refuse(self, path: Path, rows: Mapping[int, str]) -> None:
        """rows: of a table, by number from 0, why they are left out; the first few are named."""
        named = list(rows.items())[: max(NAMED_ROWS - self.refused, 0)]
        self.skipped += [Skipped(f"{path}, row {number}", reason, 0) for number, reason in named]
        self.refused += len(rows)

    def ended(self, ended: Ended) -> None:
        self.damaged += ended.damaged
        self.regions_s += ended.regions_s
        self.clock_restarts += ended.clock_restarts
        if ended.reason:
            self.skipped.append(Skipped(ended.source.name, ended.reason, ended.frames))

    def embedded(self, frames: Sequence[Frame], encoder: Encoder) -> np.ndarray:
        """Embed frames that are made small, float32 (N, D); the share of their regions in the time is noted."""
        started = time.perf_counter()
        embeddings = embed_small(encoder, frames)
        share = sum(frame.region is not None for frame in frames) / max(len(frames), 1)
        self.regions_s += (time.perf_counter() - started) * share
        return embeddings

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)


def index_footage(
    sources: Sequence[Source],
    encoder: Encoder,
    index: FrameIndex,
    sampling: Sampling = USUAL,
    on_frames: OnFrames = lambda frames: None,
    on_reconnect: OnReconnect = lambda message: None,
) -> Summary:
    """Embed every frame that is not in the index yet, and store it. Sources that are complete are not decoded again.

    Streams are read concurrently with the files until they end, or until Ctrl-C, which is no interruption where no file
    is left to read. After an interruption, the same call goes on.
    sources: from `find_sources`. encoder: the one that the index was opened with.
    sampling: which frames to take; if not given, all of them, and regions in which something moves.
    on_frames: called after each batch, with its frames. on_reconnect: as for `read_source`.
    Returns: counts; a source that cannot be read is named in `skipped`, and the others are read.
    Raises: IndexStoreError if the index cannot be written; KeyboardInterrupt that says what is stored.
    """
    summary, files = Summary(sources=len(sources)), [source for source in sources if source.kind != "stream"]
    streams = [[source] for source in sources if source.kind == "stream"]
    writers = [_Writer(encoder, index, summary, sampling, on_frames)]
    writers += [_Writer(encoder, index, summary, sampling, on_frames, live=True) for _ in streams]
    first, *beside = (
        zip(itertools.repeat(writer), itertools.chain(_read_incomplete(part, sampling, index, on_reconnect), [None]))
        for writer, part in zip(writers, (files, *streams), strict=True)
    )
    files_left, given = bool(files), frozenset(sources)
    try:
        for writer, item in prefetch(first, QUEUE_FRAMES, beside):
            if item is not None:
                writer.take(item)
                summary.sources += not isinstance(item, Frame) and _is_further(item.source, given)
            elif writer is writers[0]:
                files_left = False
    except KeyboardInterrupt:
        if files_left:
            raise KeyboardInterrupt(f"{summary.frames:,} frames read, {summary.added:,} new") from None
    for writer in writers:
        writer.flush()
    if summary.added:
        index.optimize()
    return summary


def _is_further(source: Source, given: Collection[Source]) -> bool:
    """Whether it is a second camera of a file, or a third, that was not given as a source of its own."""
    return source.track is not None and source.track > 1 and source not in given


def import_frames(path: Path, index: FrameIndex, on_frames: OnFrames) -> Summary:
    """Store the frames of a Parquet file that `lookalike embed` wrote. Bad rows are left out, and counted.

    A service opens no recording that only a table names: its frames are marked, see `FrameIndex.add`.
    Raises: FootageError, SpaceMismatch as `read_tables`.
    """
    summary, row = Summary(sources=1), 0
    for table in read_tables(path, index.spec):
        rows = checked(table, index.spec.dim, row)
        row += table.num_rows
        summary.refuse(path, rows.refused)
        if rows.frames:
            summary.added += _add_missing(index, rows.frames, rows.embeddings, remote=True)
            summary.saw(rows.frames)
            on_frames(rows.frames)
    if (more := summary.refused - NAMED_ROWS) > 0:
        summary.skipped.append(Skipped(str(path), f"{more:,} more rows refused", 0))
    index.mark_complete([])
    if summary.added:
        index.optimize()
    return summary


@dataclass(frozen=True)
class Known:
    """A source that the index has from end to end. record: what it knows of it, maybe by another name."""

    source: Source
    record: SourceRecord


def _read_incomplete(
    sources: Sequence[Source], sampling: Sampling, index: FrameIndex, on_reconnect: OnReconnect
) -> Iterator[Frame | Ended | Known]:
    """Yield what `read_source` does, pictures made small; of a source that the index has whole, what it knows of it.

    A file of several cameras is as many sources.
    """
    for source in every_track(sources):
        known: list[SourceRecord] = []

        def wanted(source_id: str, known: list[SourceRecord] = known) -> bool:
            found = index.source_record(source_id, str(sampling))
            known += [found] if found else []
            return found is None

        for item in read_source(source, sampling, index.spec.input_px, wanted, on_reconnect):
            yield Known(source, known[0]) if known and isinstance(item, Ended) else item


def _moved(known: SourceRecord, source: Source) -> bool:
    """Whether a source is found under a new name, and no longer under the old one; else it is a copy."""
    return known.source != source.name and not Path(split_track(known.source)[0]).exists() and not inside(known.source)


class _Writer:
    """Stores frames in batches, makes them durable, and then notes which sources are complete: in that order.

    Takes what is read of sources one after the other. live: of a stream; a segment may have no end for hours, and is
    cut where frames are made durable.
    """

    def __init__(
        self,
        encoder: Encoder,
        index: FrameIndex,
        summary: Summary,
        sampling: Sampling,
        on_frames: OnFrames,
        live: bool = False,
    ) -> None:
        self._encoder, self._index, self._summary, self._on_frames = encoder, index, summary, on_frames
        self._sampler, self._live = str(sampling), live
        self._deduper = Deduper(sampling.dedupe) if sampling.dedupe else None
        self._batch: list[Frame] = []
        self._within = False  # a source whose frames have not all been added
        self._complete: list[SourceRecord] = []  # the last frames of these are in the batch, or stored
        self._stored, self._flushed_at = 0, time.monotonic()  # batches since the last flush, and when that was

    def take(self, item: Frame | Ended | Known) -> None:
        if isinstance(item, Frame):
            self._add(item)
        elif isinstance(item, Known):
            self._know(item.source, item.record)
        else:
            self._end(item)

    def _add(self, frame: Frame) -> None:
        self._batch.append(frame)
        self._within = True
        late = time.monotonic() - self._flushed_at > FLUSH_EVERY_S
        if len(self._batch) == BATCH or late:
            self._store()
        if self._stored == FLUSH_EVERY or late:
            self.flush()

    def _know(self, source: Source, known: SourceRecord) -> None:
        self._summary.frames += known.frames
        ended = Ended(source, known.source_id, known.frames, known.reason, clock_restarts=known.clock_restarts)
        self._summary.ended(ended)
        if _moved(known, source):
            self._index.rename(known, source.name, source.camera)

    def _end(self, ended: Ended) -> None:
        self._summary.ended(ended)
        stored = self._end_run(ended.frames) + ended.regions
        if ended.source_id and (ended.frames or not ended.reason):
            what = (ended.source_id, self._sampler, ended.source.name, ended.frames, stored, ended.reason)
            began_at = utc_text(ended.began_at) if ended.began_at else None
            self._complete.append(SourceRecord(*what, ended.source.camera, began_at, ended.clock_restarts))

    def _end_run(self, frames: int) -> int:
        """A source of so many frames has ended. Returns: how many stand for them."""
        self._within = False
        if not self._deduper or frames < 2:  # pictures go on in batches
            return frames
        self._store()
        self._put(*self._deduper.close())
        return self._deduper.count()

    def flush(self) -> None:
        self._store()
        if self._deduper and (self._live or not self._within):
            self._put(*self._deduper.close())
        self._index.mark_complete(self._complete)
        self._complete, self._stored, self._flushed_at = [], 0, time.monotonic()

    def _store(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        if self._deduper:
            self._put(*self._deduper.push(batch, self._summary.embedded(batch, self._encoder)))
        else:
            missing = self._index.missing(batch)
            if missing:
                self._index.add(missing, self._summary.embedded(missing, self._encoder))
            self._index.claim(_without(batch, missing))
            self._summary.added += len(missing)
        self._summary.saw(batch)
        self._stored += 1
        self._on_frames(batch)

    def _put(self, frames: Sequence[Frame], embeddings: np.ndarray) -> None:
        """Frames that stand for segments, and are embedded already."""
        self._summary.added += _add_missing(self._index, frames, embeddings)


def _add_missing(index: FrameIndex, frames: Sequence[Frame], embeddings: np.ndarray, remote: bool = False) -> int:
    """Store those that are not there yet. remote: as for `FrameIndex.add`. Returns: how many."""
    missing = index.missing(frames) if frames else []
    new = {frame.id for frame in missing}
    rows = [row for row, frame in enumerate(frames) if frame.id in new]
    if rows:
        index.add([frames[row] for row in rows], embeddings[rows], remote)
    if not remote:
        index.claim(_without(frames, missing))
    return len(rows)


def _without(frames: Sequence[Frame], missing: Sequence[Frame]) -> list[Frame]:
    new = {frame.id for frame in missing}
    return [frame for frame in frames if frame.id not in new]


def embed_small(encoder: Encoder, frames: Sequence[Frame]) -> np.ndarray:
    """float32 (N, D), of frames that are made small."""
    return encoder.embed(np.stack([frame.image for frame in frames]))
