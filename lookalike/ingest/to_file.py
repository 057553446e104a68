"""Footage -> embedded frames -> a file, or rows; interrupted runs resume after the sources that the file holds."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.files import durable
from lookalike.files.printable import printable
from lookalike.footage import Ended, Frame, Source
from lookalike.index import StoredFrame
from lookalike.ingest.batches import AlreadyStored, EmbeddedBatch, SourceEnd
from lookalike.ingest.embed import EmbedJob, OnFrames, OnReconnect
from lookalike.ingest.settings import USUAL, IngestSettings
from lookalike.ingest.summary import Summary
from lookalike.ingest.table import from_table, schema, to_table
from lookalike.interruption import interruption_waits

ENDED = b"ended"  # the key of how a recording ended, in the metadata of its part
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
    stopped keeps its whole parts, and the next one takes them as they are. What is read of a stream becomes durable as
    often as in an index. Streams, Ctrl-C, on_frames, on_reconnect: as for `index_footage`.
    Raises: FootageError if no frame at all could be read, with the reason of the first source, or if the file cannot be
    written, also because another process is writing it; KeyboardInterrupt.
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
                job.run(lambda batch: parts.take(batch, job.summary), repeatable=True)
            finally:
                parts.close()
            if not (paths := parts.paths()):
                shutil.rmtree(folder)
                raise FootageError(_nothing_read(job.summary) + "; nothing written")
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
    rows = _Rows(on_row, encoder.spec)
    return job.run(lambda batch: rows.take(batch, job.summary), repeatable=True)


class _Rows:
    """Calls `on_row` once with each row, also where Ctrl-C comes within a batch."""

    def __init__(self, on_row: Callable[[dict[str, Any]], None], spec: EncoderSpec) -> None:
        self._on_row, self._spec = on_row, spec
        self._batch: EmbeddedBatch | None = None
        self._given = 0  # rows of it

    def take(self, batch: EmbeddedBatch, summary: Summary) -> None:
        """May be called again with a batch if it did not return."""
        if batch is not self._batch:
            self._batch, self._given = batch, 0
        for frame, vector in list(zip(batch.frames, batch.embeddings, strict=True))[self._given :]:
            with interruption_waits():
                self._on_row(_row(frame, self._spec) | {"embedding": vector.tolist()})
                self._given += 1
                summary.added += 1


class _Parts:
    """Parquet files: one for each file, and of a stream one for each time that what was read of it is made durable.

    A part has its name when it is complete.
    """

    def __init__(self, folder: Path, sources: Sequence[Source], settings: IngestSettings, spec: EncoderSpec) -> None:
        self._folder, self._spec, self._sampling = folder, spec, settings.sampling
        self._streams = {source.name: source for source in sources if source.kind == "stream"}
        self._open: dict[tuple[str, str], pq.ParquetWriter] = {}  # by name and id of the source
        self._whole: list[Path] = []
        self._taken: EmbeddedBatch | None = None

    def known(self, source: Source, source_id: str) -> Ended | None:
        """For `AlreadyStored`."""
        path = self._path(source, source_id)
        stored = (pq.read_metadata(path).metadata or {}).get(ENDED) if path.exists() else None
        return Ended(source, source_id, **json.loads(stored)) if stored else None

    def take(self, batch: EmbeddedBatch, summary: Summary) -> None:
        """May be called again with a batch if it did not return."""
        with interruption_waits():  # rows that are written cannot be taken back
            if batch is not self._taken:
                self._write(batch)
                summary.added += len(batch.frames)
                self._taken = batch

    def close(self) -> None:
        """Keep what was read of streams: a file can be read again, and on a full disk it makes room for their end."""
        for name, source_id in [key for key in self._open if key[0] not in self._streams]:
            with suppress(OSError):
                self._open.pop((name, source_id)).close()
            self._partial(name, source_id).unlink(missing_ok=True)
        self._finish_streams()

    def paths(self) -> list[Path]:
        """Of all that is whole, in the order of the files; then of streams, also what was read of them before."""
        before = [
            path
            for stream in self._streams.values()
            for path in sorted(self._folder.glob(f"{self._key(stream)}-*.parquet"))
        ]
        return [*dict.fromkeys(self._whole), *before]

    def _write(self, batch: EmbeddedBatch) -> None:
        rows = enumerate(batch.frames)
        for (name, source_id), some in itertools.groupby(rows, key=lambda row: (row[1].source, row[1].source_id)):
            numbers = [number for number, _ in some]
            frames, embeddings = [batch.frames[number] for number in numbers], batch.embeddings[numbers]
            self._writer(name, source_id).write_table(to_table(frames, embeddings, self._spec))
        for end in batch.ends:
            self._end(end)
        if batch.flush:
            self._finish_streams()

    def _end(self, end: SourceEnd) -> None:
        ended, name = end.ended, end.ended.source.name
        if end.known:
            self._whole.append(self._path(ended.source, end.source_id or ""))
        elif name in self._streams:
            return  # what is left of it is finished with the others
        elif end.source_id and (name, end.source_id) in self._open:
            self._finish_file(ended, end.source_id)
        elif ended.source_id and not ended.reason:  # no frame was wanted of it
            self._finish_file(ended, ended.source_id)

    def _finish_file(self, ended: Ended, source_id: str) -> None:
        """Store how it ended, too: a run that takes the part as it is reports that."""
        said = {name: getattr(ended, name) for name in ("frames", "reason", "damaged", "clock_restarts")}
        self._writer(ended.source.name, source_id).add_key_value_metadata({ENDED: json.dumps(said)})
        path = self._path(ended.source, source_id)
        self._finish(ended.source.name, source_id, path)
        self._whole.append(path)

    def _finish_streams(self) -> None:
        for name, source_id in [key for key in self._open if key[0] in self._streams]:
            path = self._path(self._streams[name], source_id)
            number = sum(1 for _ in self._folder.glob(f"{path.stem}-*"))
            self._finish(name, source_id, path.with_stem(f"{path.stem}-{number:06}"))

    def _finish(self, name: str, source_id: str, path: Path) -> None:
        self._open.pop((name, source_id)).close()
        durable.replace(self._partial(name, source_id), path)

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


def _nothing_read(summary: Summary) -> str:
    skipped = summary.skipped
    first = f", the first: {printable(skipped[0].source)}: {skipped[0].reason}" if skipped else ""
    return f"no frame could be read from any source{first}"


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
