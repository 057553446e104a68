"""Footage -> frames -> embeddings -> index or Parquet; run again, it goes on where it stopped."""

from __future__ import annotations

import hashlib
import itertools
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike import pixels
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Frame, Skipped, Source, read_frames
from lookalike.index import FrameIndex

BATCH = 32
FLUSH_EVERY = 64  # batches between making the index durable
QUEUE_FRAMES = 64  # decoded frames waiting for the encoder: bounds memory whatever the length of the footage

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
    """Embed every frame that is not in the index yet, and store it. on_frames: told of each batch when it is done."""
    summary = Summary(sources=len(sources))
    frames = read_ahead(read_frames(sources, fps, summary.skipped.append))
    for number, batch in enumerate(_batches(frames), start=1):
        missing = index.missing(batch)
        if missing:
            index.add(missing, embed_frames(encoder, missing))
        summary.frames += len(batch)
        summary.added += len(missing)
        if number % FLUSH_EVERY == 0:
            index.flush()
        on_frames(batch)
    index.flush()
    if summary.added:
        index.optimize()
    return summary


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


def embed_frames(encoder: Encoder, frames: Sequence[Frame]) -> np.ndarray:
    """float32 (N, D)."""
    return encoder.embed(np.stack([pixels.fit(frame.image, encoder.spec.input_px) for frame in frames]))


def read_ahead(frames: Iterable[Frame], depth: int = QUEUE_FRAMES) -> Iterator[Frame]:
    """Decode in a thread while the caller works; errors come out where the frame would have."""
    waiting: queue.Queue[Frame | Exception | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Frame | Exception | None) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            for frame in frames:
                put(frame)
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
        for batch in _batches(read_ahead(read_frames([source], fps, summary.skipped.append))):
            writer.write_table(_table(batch, embed_frames(encoder, batch), encoder.spec))
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
