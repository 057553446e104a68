"""Footage -> frames -> embeddings -> a file; run again, it takes the sources that were done as they are."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike.ahead import read_ahead
from lookalike.contract import EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Frame, Source, read_source
from lookalike.footage.playlist import stamp
from lookalike.footage.tracks import every_track
from lookalike.index.schema import payload
from lookalike.ingest import BATCH, QUEUE_FRAMES, OnFrames, OnReconnect, Summary
from lookalike.runs import Runs
from lookalike.sampling import USUAL, Sampling
from lookalike.table import from_table, schema, to_table

Embedded = tuple[Sequence[Frame], np.ndarray]  # and float32 (N, D)


@dataclass(frozen=True)
class Job:
    """How footage is embedded. on_frames, on_reconnect: as for `index_footage`. summary: of what was done so far."""

    encoder: Encoder
    sampling: Sampling = USUAL
    on_frames: OnFrames = lambda frames: None
    on_reconnect: OnReconnect = lambda message: None
    summary: Summary = field(default_factory=Summary)

    def embed(self, source: Source) -> Iterator[Embedded]:
        """The frames of one source with their embeddings, in batches; of runs, the frame that stands for each.

        Ctrl-C ends a stream, which has no other end.
        """
        runs = Runs(self.sampling.dedupe) if self.sampling.dedupe else None
        for batch in _batches(self._frames(source)):
            embeddings = self.summary.embedded(batch, self.encoder)
            frames, kept = runs.push(batch, embeddings) if runs else (batch, embeddings)
            self.summary.saw(batch)
            self.summary.added += len(frames)
            yield frames, kept
            self.on_frames(batch)
        if runs:
            frames, kept = runs.close()
            self.summary.added += len(frames)
            yield frames, kept

    def _frames(self, source: Source) -> Iterator[Frame]:
        items = read_source(source, self.sampling, self.encoder.spec.input_px, on_reconnect=self.on_reconnect)
        try:
            for item in read_ahead(items, QUEUE_FRAMES):
                if isinstance(item, Frame):
                    yield item
                else:
                    self.summary.ended(item)
        except KeyboardInterrupt:
            if source.kind != "stream":
                raise


def embed_footage(sources: Sequence[Source], job: Job, out: Path) -> Summary:
    """Write a Parquet file, or for a name that ends with .npy an array with the rest of each row in a .jsonl beside it.

    Each source becomes a part of its own beside `out`; when all are there they are joined and removed. A run that was
    stopped keeps its whole parts, and the next one takes them as they are.
    Raises: FootageError if no frame at all could be read, or if the file cannot be written.
    """
    if out.is_dir():
        raise FootageError(f"{out}: a folder, expected a file to write, such as frames.parquet")
    parts = out.with_name(out.name + ".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        paths = [_embed_source(source, job, parts) for source in every_track(sources)]
        written = [path for path in dict.fromkeys(paths) if path is not None]
        if not written:
            raise FootageError("no frame could be read from any source; nothing written")
        (_join_npy if out.suffix == ".npy" else _join)(written, out, job.encoder.spec)
    except OSError as error:
        raise FootageError(f"{out}: cannot write ({error.strerror or error})") from error
    shutil.rmtree(parts)
    return job.summary


def embed_rows(sources: Sequence[Source], job: Job) -> Iterator[dict[str, Any]]:
    """One JSON object for each frame, as it is embedded: what an index stores of it, its id, space and embedding."""
    for source in every_track(sources):
        job.summary.sources += 1
        for frames, embeddings in job.embed(source):
            for frame, vector in zip(frames, embeddings, strict=True):
                yield _row(frame, job.encoder.spec) | {"embedding": vector.tolist()}


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Batches of neighbours; a stream gives frames slowly, but they all come in the end."""
    iterator = iter(frames)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _embed_source(source: Source, job: Job, parts: Path) -> Path | None:
    """Returns: the part; None if nothing could be read."""
    summary, spec = job.summary, job.encoder.spec
    summary.sources += 1
    key = f"{source}|{job.sampling}|{spec.space}|{_stamp(source)}"
    path = parts / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.parquet"
    if path.exists():
        rows = pq.read_metadata(path).num_rows
        summary.frames += rows
        return path if rows else None
    partial, skipped = path.with_suffix(".partial"), len(summary.skipped)
    rows = 0
    with pq.ParquetWriter(partial, schema(spec)) as writer:
        for frames, embeddings in job.embed(source):
            writer.write_table(to_table(frames, embeddings, spec))
            rows += len(frames)
    if len(summary.skipped) > skipped and rows == 0:
        partial.unlink()
        return None
    partial.replace(path)
    return path


def _stamp(source: Source) -> str:
    """Changes when the file does; empty where there is none."""
    try:
        stat, segments = Path(source.path).stat(), stamp(source.path)
    except (FootageError, OSError):
        return ""
    return f"{stat.st_size}|{stat.st_mtime_ns}|{segments}"


def _join(parts: Sequence[Path], out: Path, spec: EncoderSpec) -> None:
    """Concatenate whole parts, row group by row group, then give the file its name."""
    partial = out.with_name(out.name + ".partial")
    with pq.ParquetWriter(partial, schema(spec)) as writer:
        for table in _tables(parts):
            writer.write_table(table)
    partial.replace(out)


def _join_npy(parts: Sequence[Path], out: Path, spec: EncoderSpec) -> None:
    """The same as an array, float32 (N, D), and a line of JSON for each row; the array takes its name last."""
    lines, count = out.with_suffix(".jsonl"), sum(pq.read_metadata(part).num_rows for part in parts)
    partial, partial_lines = out.with_name(out.name + ".partial"), lines.with_name(lines.name + ".partial")
    array = np.lib.format.open_memmap(partial, "w+", np.float32, (count, spec.dim))
    row = 0
    with partial_lines.open("w") as file:
        for table in _tables(parts):
            frames, array[row : row + table.num_rows] = from_table(table)
            row += table.num_rows
            file.writelines(json.dumps(_row(frame, spec)) + "\n" for frame in frames)
    array.flush()
    partial_lines.replace(lines)
    partial.replace(out)


def _tables(parts: Sequence[Path]) -> Iterator[pa.Table]:
    for part in parts:
        with pq.ParquetFile(part) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)


def _row(frame: Frame, spec: EncoderSpec) -> dict[str, Any]:
    return {"id": frame.id, "space": spec.space} | payload(frame)
