"""Footage -> embedded frames -> a file, or rows; interrupted runs resume after the sources that the file holds."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.files import durable
from lookalike.footage import Ended, Frame, Source
from lookalike.index import StoredFrame
from lookalike.ingest.batches import AlreadyStored, EmbeddedBatch, SourceEnd
from lookalike.ingest.embed import EmbedJob, OnFrames, OnReconnect
from lookalike.ingest.settings import USUAL, IngestSettings
from lookalike.ingest.summary import Summary
from lookalike.ingest.table import from_table, schema, to_table

ROW_GROUP = 1024  # rows, at least: many small groups make a file slow to read


def embed_footage(
    sources: Sequence[Source],
    encoder: Encoder,
    out: Path,
    settings: IngestSettings = USUAL,
    on_frames: OnFrames = lambda frames: None,
    on_reconnect: OnReconnect = lambda message: None,
) -> Summary:
    """Write a Parquet file, or for a name that ends with .npy an array and a .jsonl with the rest of each row.

    Each source becomes a part of its own next to `out`; when all are there they are joined and removed. A job that was
    stopped keeps its whole parts, and the next one takes them as they are. Streams, Ctrl-C, on_frames, on_reconnect: as
    for `index_footage`.
    Raises: FootageError if no frame at all could be read, or if the file cannot be written, also because another
    process is writing it; KeyboardInterrupt.
    """
    if out.is_dir():
        raise FootageError(f"{out}: a folder, expected a file to write, such as frames.parquet")
    folder = out.with_name(out.name + ".parts")
    try:
        durable.make_folder(folder)
        with durable.held(folder):
            parts = _Parts(folder, sources, settings, encoder.spec)
            job = EmbedJob(sources, encoder, settings, AlreadyStored(parts.known), on_frames, on_reconnect)
            try:
                job.run(lambda batch: parts.take(batch, job.summary))
            finally:
                parts.close()
            if not (paths := parts.paths()):
                raise FootageError("no frame could be read from any source; nothing written")
            (_join_npy if out.suffix == ".npy" else _join)(paths, out, encoder.spec)
    except OSError as error:
        raise FootageError(f"{out}: cannot write ({error.strerror or error})") from error
    shutil.rmtree(folder)
    return job.summary


def embed_rows(
    sources: Sequence[Source],
    encoder: Encoder,
    on_row: Callable[[dict[str, Any]], None],
    settings: IngestSettings = USUAL,
    on_frames: OnFrames = lambda frames: None,
    on_reconnect: OnReconnect = lambda message: None,
) -> Summary:
    """Call `on_row` with a JSON object for each frame, as it is embedded: what an index stores of it, its id, space and
    embedding. The rest as for `index_footage`."""
    job = EmbedJob(sources, encoder, settings, on_frames=on_frames, on_reconnect=on_reconnect)

    def write(batch: EmbeddedBatch) -> None:
        job.summary.added += len(batch.frames)
        for frame, vector in zip(batch.frames, batch.embeddings, strict=True):
            on_row(_row(frame, encoder.spec) | {"embedding": vector.tolist()})

    return job.run(write)


class _Parts:
    """A Parquet file for each source. It has its name when it is whole, or of a stream, when no more is read of it."""

    def __init__(self, folder: Path, sources: Sequence[Source], settings: IngestSettings, spec: EncoderSpec) -> None:
        self._folder, self._spec, self._sampling = folder, spec, settings.sampling
        self._streams = {source.name: source for source in sources if source.kind == "stream"}
        self._open: dict[tuple[str, str], pq.ParquetWriter] = {}  # by name and id of the source
        self._whole: list[Path] = []

    def known(self, source: Source, source_id: str) -> Ended | None:
        """For `AlreadyStored`."""
        path = self._path(source, source_id)
        return Ended(source, source_id, pq.read_metadata(path).num_rows, None) if path.exists() else None

    def take(self, batch: EmbeddedBatch, summary: Summary) -> None:
        rows = enumerate(batch.frames)
        for (name, source_id), some in itertools.groupby(rows, key=lambda row: (row[1].source, row[1].source_id)):
            numbers = [number for number, _ in some]
            frames, embeddings = [batch.frames[number] for number in numbers], batch.embeddings[numbers]
            self._writer(name, source_id).write_table(to_table(frames, embeddings, self._spec))
        summary.added += len(batch.frames)
        for end in batch.ends:
            self._end(end)

    def close(self) -> None:
        """Keep what was read of streams: a file can be read again."""
        for name, source_id in list(self._open):
            if name in self._streams:
                self._finish(self._streams[name], source_id)
            else:
                self._open.pop((name, source_id)).close()

    def paths(self) -> list[Path]:
        """Of all that is whole, in the order of the files; then of streams, also what was read of them before."""
        before = [
            path for stream in self._streams.values() for path in self._folder.glob(f"{self._key(stream)}-*.parquet")
        ]
        return list(dict.fromkeys([*self._whole, *before]))

    def _end(self, end: SourceEnd) -> None:
        ended, name = end.ended, end.ended.source.name
        if end.known:
            self._whole.append(self._path(ended.source, end.source_id or ""))
        elif end.source_id and (name, end.source_id) in self._open:
            self._finish(ended.source, end.source_id)
        elif ended.source_id and not ended.reason:  # no frame was wanted of it
            self._writer(name, ended.source_id)
            self._finish(ended.source, ended.source_id)

    def _finish(self, source: Source, source_id: str) -> None:
        self._open.pop((source.name, source_id)).close()
        path = self._path(source, source_id)
        durable.replace(self._partial(source.name, source_id), path)
        self._whole.append(path)

    def _writer(self, name: str, source_id: str) -> pq.ParquetWriter:
        if (name, source_id) not in self._open:
            self._open[name, source_id] = pq.ParquetWriter(self._partial(name, source_id), schema(self._spec))
        return self._open[name, source_id]

    def _partial(self, name: str, source_id: str) -> Path:
        return self._folder / f"{_digest(f'{name}|{source_id}')}.partial"

    def _path(self, source: Source, source_id: str) -> Path:
        return self._folder / f"{self._key(source)}-{source_id[:32]}.parquet"

    def _key(self, source: Source) -> str:
        return _digest(f"{source}|{self._sampling}|{self._spec.space}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _join(parts: Sequence[Path], out: Path, spec: EncoderSpec) -> None:
    """Concatenate whole parts, then give the file its name."""
    with durable.replacing(out) as partial, pq.ParquetWriter(partial, schema(spec)) as writer:
        for table in _tables(parts):
            writer.write_table(table)


def _join_npy(parts: Sequence[Path], out: Path, spec: EncoderSpec) -> None:
    """The same as an array, float32 (N, D), and a line of JSON for each row.

    The array takes its name last, and the previous one is removed before: it never has the lines of another.
    """
    lines, count = out.with_suffix(".jsonl"), sum(pq.read_metadata(part).num_rows for part in parts)
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, spec.dim)}
    with durable.replacing(out) as partial, durable.replacing(lines) as partial_lines:
        # Not through mapped memory, where a full disk would kill the process. Source: mmap(2), SIGBUS.
        with partial.open("wb") as array, partial_lines.open("w") as file:
            np.lib.format.write_array_header_1_0(array, header)
            for table in _tables(parts):
                frames, embeddings = from_table(table)
                array.write(np.ascontiguousarray(embeddings, "<f4").tobytes())
                file.writelines(json.dumps(_row(frame, spec)) + "\n" for frame in frames)
        out.unlink(missing_ok=True)
        durable.sync(out.parent)


def _tables(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """All rows in their order, ROW_GROUP of them or a few more at a time."""
    waiting: list[pa.Table] = []
    for table in itertools.chain.from_iterable(map(_row_groups, parts)):
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _row_groups(part: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(part) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def _row(frame: Frame, spec: EncoderSpec) -> dict[str, Any]:
    return {"id": frame.id, "space": spec.space} | StoredFrame.from_frame(frame).to_payload()
