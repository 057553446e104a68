"""Frames in batches, embedded, with how their sources ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.encoder import Encoder
from lookalike.footage import Ended, Frame, Source
from lookalike.ingest.dedupe import Deduper
from lookalike.ingest.settings import IngestSettings
from lookalike.ingest.summary import Summary


@dataclass(frozen=True)
class AlreadyStored:
    """What is stored already, and need not be embedded.

    known: called with a source and its id before it is decoded; returns how it ended when it was stored from end to
    end, else None. missing: called with frames; returns those that are not stored yet, each id once.
    """

    known: Callable[[Source, str], Ended | None] = lambda source, source_id: None
    missing: Callable[[Sequence[Frame]], Sequence[Frame]] = lambda frames: frames


@dataclass(frozen=True)
class SourceEnd:
    """A source of which no frame will follow.

    source_id: as its frames have it, also those of a stream; None if it gave none. stored: how many frames stand for
    those that were read, with their regions. known: it was stored already, and not decoded.
    """

    ended: Ended
    source_id: str | None
    stored: int
    known: bool = False


@dataclass(frozen=True, eq=False)
class EmbeddedBatch:
    """Some frames of sources that are read one after the other.

    frames, embeddings: to be stored, float32 (N, D); of segments, the frame that stands for each. existing: those that
    are stored already. read: all that were read for this batch. ends: sources whose frames are in this batch and in
    those before. flush: whether it is time to make durable what was stored so far.
    """

    frames: Sequence[Frame]
    embeddings: np.ndarray
    existing: Sequence[Frame]
    read: Sequence[Frame]
    ends: Sequence[SourceEnd]
    flush: bool = False


class Batcher:
    """Called with the frames and ends of sources that are read one after the other."""

    def __init__(
        self, encoder: Encoder, settings: IngestSettings, stored: AlreadyStored, summary: Summary, live: bool = False
    ) -> None:
        """live: of a stream; a segment may have no end for hours, and is cut where frames are made durable."""
        self._encoder, self._settings, self._stored, self._summary = encoder, settings, stored, summary
        self._deduper = Deduper(settings.sampling.dedupe) if settings.sampling.dedupe else None
        self._live = live
        self._frames: list[Frame] = []
        self._ends: list[SourceEnd] = []  # the last frames of these are among the frames, or were given before
        self._batches, self._flushed_at = 0, time.monotonic()  # batches since the last flush, and when that was

    def push(self, frame: Frame) -> Iterator[EmbeddedBatch]:
        self._frames.append(frame)
        late = time.monotonic() - self._flushed_at > self._settings.flush_s
        if late or len(self._frames) == self._settings.batch_frames:
            flush = late or self._batches + 1 >= self._settings.flush_batches
            yield self._batch(cut=flush and self._live, flush=flush)

    def end(self, end: SourceEnd) -> Iterator[EmbeddedBatch]:
        """Hold it back until the next batch, which ends the last segment of its source as well."""
        if not self._deduper or end.known or end.ended.frames < 2:  # pictures go on in batches
            self._ends.append(end)
            return
        batch = self._batch(cut=True)
        end = dataclasses.replace(end, stored=self._deduper.count() + end.ended.regions)
        yield dataclasses.replace(batch, ends=[*batch.ends, end])

    def close(self) -> Iterator[EmbeddedBatch]:
        """What is left when nothing more is read."""
        if self._frames or self._ends or self._deduper:
            yield self._batch(cut=True)

    def _batch(self, cut: bool, flush: bool = False) -> EmbeddedBatch:
        """cut: end the open segment."""
        new, embeddings, existing = self._segments(self._deduper, cut) if self._deduper else self._missing()
        batch = EmbeddedBatch(new, embeddings, existing, self._frames, self._ends, flush)
        self._frames, self._ends = [], []
        self._batches += 1
        if flush:
            self._batches, self._flushed_at = 0, time.monotonic()
        return batch

    def _missing(self) -> tuple[Sequence[Frame], np.ndarray, Sequence[Frame]]:
        """Only what is not stored is embedded."""
        new = self._stored.missing(self._frames) if self._frames else []
        return new, self._embed(new), without(self._frames, new)

    def _segments(self, deduper: Deduper, cut: bool) -> tuple[Sequence[Frame], np.ndarray, Sequence[Frame]]:
        """All frames are embedded, since segments depend on it. Those that have ended are given, if not stored yet."""
        frames, embeddings = deduper.push(self._frames, self._embed(self._frames))
        if cut:
            last, embedding = deduper.close()
            frames = frames + last
            embeddings = np.concatenate([embeddings, embedding]) if last else embeddings
        new = self._stored.missing(frames) if frames else []
        return new, embeddings[rows_of(new, frames)], without(frames, new)

    def _embed(self, frames: Sequence[Frame]) -> np.ndarray:
        """Embed reduced frames, float32 (N, D), and add the share of their regions to the time spent on regions."""
        started = time.perf_counter()
        embeddings = embed_small(self._encoder, frames)
        share = sum(frame.region is not None for frame in frames) / max(len(frames), 1)
        self._summary.regions_s += (time.perf_counter() - started) * share
        return embeddings


def embed_small(encoder: Encoder, frames: Sequence[Frame]) -> np.ndarray:
    """Embed reduced frames, float32 (N, D)."""
    if not frames:
        return np.empty((0, encoder.spec.dim), np.float32)
    return encoder.embed(np.stack([frame.image for frame in frames]))


def rows_of(some: Sequence[Frame], frames: Sequence[Frame]) -> list[int]:
    """Where `some`, each id once, are among `frames`."""
    rows = {frame.id: row for row, frame in enumerate(frames)}
    return [rows[frame.id] for frame in some]


def without(frames: Sequence[Frame], some: Sequence[Frame]) -> list[Frame]:
    ids = {frame.id for frame in some}
    return [frame for frame in frames if frame.id not in ids]
