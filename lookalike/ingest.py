"""Footage -> frames -> embeddings -> index or Parquet; run again, it goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike import pixels
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Ended, Frame, Skipped, Source, read_frames, read_source
from lookalike.footage.archive import inside
from lookalike.index import Finished, FrameIndex

BATCH = 32
FLUSH_EVERY = 64  # batches between making the index durable
QUEUE_FRAMES = 128  # small frames waiting for the encoder: bounds memory whatever the length of the footage

T = TypeVar("T")
OnFrames = Callable[[Sequence[Frame]], None]


@dataclass
class Summary:
    """What a job did. frames: read. added: newly stored. skipped: sources, or rests of them, that could not be read."""

    sources: int = 0
    frames: int = 0
    added: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    def to_dict(self) -> dict:
        skipped = [one.__dict__ for one in self.skipped]
        return {"sources": self.sources, "frames": self.frames, "added": self.added, "skipped": skipped}


def index_footage(
    sources: Sequence[Source], encoder: Encoder, index: FrameIndex, fps: float | None, on_frames: OnFrames
) -> Summary:
    """Embed every frame that is not in the index yet, and store it; sources that are there whole are not decoded.

    on_frames: told of each batch when it is done.
    """
    summary, sampler = Summary(sources=len(sources)), f"fps={fps:g}" if fps else "all"
    writer = _Writer(encoder, index, summary, on_frames)
    for item in read_ahead(_read_unfinished(sources, fps, index, sampler)):
        if isinstance(item, Frame):
            writer.add(item)
            continue
        if item.reason:
            summary.skipped.append(Skipped(item.source.name, item.reason, item.frames))
        if isinstance(item, Known):
            summary.frames += item.frames
            if _moved(item.finished, item.source):
                index.rename(item.finished, item.source.name, item.source.camera)
        elif item.source_id and item.frames:
            writer.end(Finished(item.source_id, sampler, item.source.name, item.frames, item.reason))
    writer.flush()
    if summary.added:
        index.optimize()
    return summary


@dataclass(frozen=True)
class Known:
    """A source that the index has from end to end. finished: what it knows of it, maybe by another name."""

    source: Source
    finished: Finished

    @property
    def frames(self) -> int:
        return self.finished.frames

    @property
    def reason(self) -> str | None:
        return self.finished.reason


def _read_unfinished(
    sources: Sequence[Source], fps: float | None, index: FrameIndex, sampler: str
) -> Iterator[Frame | Ended | Known]:
    """Yield what `read_source` does, pictures made small; of a source that the index has whole, what it knows of it."""
    for source in sources:
        known: list[Finished] = []

        def wanted(source_id: str, known: list[Finished] = known) -> bool:
            found = index.finished(source_id, sampler)
            known += [found] if found else []
            return found is None

        for item in read_source(source, fps, wanted):
            if isinstance(item, Frame):
                yield _small(item, index.spec)
            else:
                yield Known(source, known[0]) if known else item


def _moved(known: Finished, source: Source) -> bool:
    """Whether a source is found under a new name, and no longer under the old one; else it is a copy."""
    return known.source != source.name and not Path(known.source).exists() and inside(known.source) is None


def _small(frame: Frame, spec: EncoderSpec) -> Frame:
    """With what the encoder looks at as its image: done where frames are decoded, so that few large ones are held."""
    return dataclasses.replace(frame, image=pixels.fit(frame.image, spec.input_px))


class _Writer:
    """Stores frames in batches, makes them durable, and then notes which sources are finished: in that order."""

    def __init__(self, encoder: Encoder, index: FrameIndex, summary: Summary, on_frames: OnFrames) -> None:
        self._encoder, self._index, self._summary, self._on_frames = encoder, index, summary, on_frames
        self._batch: list[Frame] = []
        self._ended: list[Finished] = []  # the last frames of these are in the batch, or stored
        self._stored = 0  # batches since the last flush

    def add(self, frame: Frame) -> None:
        self._batch.append(frame)
        if len(self._batch) == BATCH:
            self._store()
            if self._stored == FLUSH_EVERY:
                self.flush()

    def end(self, finished: Finished) -> None:
        """All frames of this source have been added."""
        self._ended.append(finished)

    def flush(self) -> None:
        if self._batch:
            self._store()
        self._index.finish(self._ended)
        self._ended, self._stored = [], 0

    def _store(self) -> None:
        batch, self._batch = self._batch, []
        if missing := self._index.missing(batch):
            self._index.add(missing, _embed(self._encoder, missing))
        self._summary.frames += len(batch)
        self._summary.added += len(missing)
        self._stored += 1
        self._on_frames(batch)


def embed_footage(
    sources: Sequence[Source], encoder: Encoder, out: Path, fps: float | None, on_frames: OnFrames
) -> Summary:
    """Write a Parquet file: source, camera, time_s, captured_at, id, embedding.

    Each source becomes a part of its own beside `out`; when all are there they are joined and removed. A run that was
    stopped keeps its whole parts, and the next one takes them as they are.
    Raises: FootageError if no frame at all could be read, or if the file cannot be written.
    """
    if out.is_dir():
        raise FootageError(f"{out}: a folder, expected a file to write, such as frames.parquet")
    summary = Summary(sources=len(sources))
    parts = out.with_name(out.name + ".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        paths = [_embed_source(source, encoder, parts, fps, summary, on_frames) for source in sources]
        written = [path for path in dict.fromkeys(paths) if path is not None]
        if not written:
            raise FootageError("no frame could be read from any source; nothing written")
        _join(written, out, encoder.spec)
    except OSError as error:
        raise FootageError(f"{out}: cannot write ({error.strerror or error})") from error
    shutil.rmtree(parts)
    return summary


def _embed(encoder: Encoder, frames: Sequence[Frame]) -> np.ndarray:
    """float32 (N, D), of frames that are made small."""
    return encoder.embed(np.stack([frame.image for frame in frames]))


def read_ahead(items: Iterable[T], depth: int = QUEUE_FRAMES) -> Iterator[T]:
    """Decode in a thread while the caller works; errors come out where the frame would have."""
    waiting: queue.Queue[T | Exception | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | Exception | None) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
            put(error)

    thread = threading.Thread(target=decode, name="decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join(timeout=5)


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Batches of neighbours; a stream gives frames slowly, but they all come in the end."""
    iterator = iter(frames)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _embed_source(
    source: Source, encoder: Encoder, parts: Path, fps: float | None, summary: Summary, on_frames: OnFrames
) -> Path | None:
    key = f"{source}|{fps}|{encoder.spec.space}|{_stamp(source)}"
    path = parts / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.parquet"
    if path.exists():
        rows = pq.read_metadata(path).num_rows
        summary.frames += rows
        return path if rows else None
    partial, skipped = path.with_suffix(".partial"), len(summary.skipped)
    rows = 0
    with pq.ParquetWriter(partial, _schema(encoder.spec)) as writer:
        frames = read_frames([source], fps, summary.skipped.append)
        for batch in _batches(read_ahead(_small(frame, encoder.spec) for frame in frames)):
            writer.write_table(_table(batch, _embed(encoder, batch), encoder.spec))
            rows += len(batch)
            summary.frames += len(batch)
            summary.added += len(batch)
            on_frames(batch)
    if len(summary.skipped) > skipped and rows == 0:
        partial.unlink()
        return None
    partial.replace(path)
    return path


def _stamp(source: Source) -> str:
    """Changes when the file does; empty where there is none."""
    try:
        stat = Path(source.path).stat()
    except OSError:
        return ""
    return f"{stat.st_size}|{stat.st_mtime_ns}"


def _schema(spec: EncoderSpec) -> pa.Schema:
    columns = [
        ("source", pa.string()),
        ("camera", pa.string()),
        ("time_s", pa.float64()),
        ("captured_at", pa.timestamp("us", tz="UTC")),
        ("id", pa.string()),
        ("embedding", pa.list_(pa.float32(), spec.dim)),
    ]
    return pa.schema(columns, metadata={"lookalike": spec.to_json()})


def _table(frames: Sequence[Frame], embeddings: np.ndarray, spec: EncoderSpec) -> pa.Table:
    columns = {
        "source": [frame.source for frame in frames],
        "camera": [frame.camera for frame in frames],
        "time_s": [frame.time_s for frame in frames],
        "captured_at": [frame.captured_at for frame in frames],
        "id": [frame.id for frame in frames],
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), spec.dim),
    }
    return pa.table(columns, schema=_schema(spec))


def _join(parts: Sequence[Path], out: Path, spec: EncoderSpec) -> None:
    """Concatenate whole parts, row group by row group, then give the file its name."""
    partial = out.with_name(out.name + ".partial")
    with pq.ParquetWriter(partial, _schema(spec)) as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
    partial.replace(out)
