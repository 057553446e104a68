"""Frames with their embeddings as Arrow tables, which `embed` writes and `index` imports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike.contract import EncoderSpec
from lookalike.errors import EncoderError, FootageError, SpaceMismatch
from lookalike.footage import Frame
from lookalike.ingest.table_check import check_columns, embeddings_of, fault_of, values, with_short_texts
from lookalike.ingest.table_pages import check_sizes
from lookalike.region import Region

SPEC = b"lookalike"  # the key of the encoder's spec in the file's metadata
NO_PICTURE = np.empty((0, 0, 3), np.uint8)
ROWS = 1024  # read at a time

_COLUMNS = [
    ("source", pa.string()),
    ("camera", pa.string()),
    ("time_s", pa.float64()),
    ("captured_at", pa.timestamp("us", tz="UTC")),
    ("id", pa.string()),
    ("source_id", pa.string()),
    ("pts_us", pa.int64()),
    ("end_us", pa.int64()),
    ("stands_for", pa.int64()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("luma", pa.float64()),
    ("scene", pa.int32()),
    ("fault", pa.string()),
    ("region", pa.string()),
]

TEXT_COLUMNS = [name for name, kind in _COLUMNS if pa.types.is_string(kind)]


def schema(spec: EncoderSpec) -> pa.Schema:
    return pa.schema([*_COLUMNS, ("embedding", pa.list_(pa.float32(), spec.dim))], metadata={SPEC: spec.to_json()})


def to_table(frames: Sequence[Frame], embeddings: np.ndarray, spec: EncoderSpec) -> pa.Table:
    """Write frames to a table. embeddings: float32 (N, D)."""
    widths, heights = [frame.size_px[0] for frame in frames], [frame.size_px[1] for frame in frames]
    columns: dict[str, object] = {"width": widths, "height": heights}
    for name, _ in _COLUMNS:
        if name not in columns:
            columns[name] = [getattr(frame, name) for frame in frames]
    columns["region"] = [str(frame.region) if frame.region else None for frame in frames]
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), spec.dim)
    return pa.table(columns, schema=schema(spec))


def from_table(table: pa.Table) -> tuple[list[Frame], np.ndarray]:
    """Read the frames, without pictures, and the embeddings that `to_table` wrote."""
    columns = {name: table.column(name).to_pylist() for name, _ in _COLUMNS if name != "id"}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    vectors = table.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return [_frame(row) for row in rows], vectors.reshape(len(rows), -1)


@dataclass(frozen=True, eq=False)
class Rows:
    """Checked rows of a table from elsewhere. frames, embeddings: of the good rows, float32 (N, D).

    refused: why a row cannot be stored, by its number in the file, from 0.
    """

    frames: list[Frame]
    embeddings: np.ndarray
    refused: dict[int, str]


def checked(table: pa.Table, dim: int, first: int = 0) -> Rows:
    """Check rows and read the good ones. first: the number of the table's first row."""
    columns = {name: values(table.column(name)) for name, _ in _COLUMNS if name != "id"}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    vectors = embeddings_of(table.column("embedding"), dim)
    faults = [fault_of(row, vector) for row, vector in zip(rows, vectors, strict=True)]
    good = [number for number, fault in enumerate(faults) if fault is None]
    refused = {first + number: fault for number, fault in enumerate(faults) if fault is not None}
    return Rows([_frame(rows[number]) for number in good], vectors[good], refused)


def read_tables(path: Path, spec: EncoderSpec) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file that `lookalike embed` wrote, in batches, unchecked.

    Raises: FootageError for other files, or other columns; SpaceMismatch if another encoder made it.
    """
    try:
        with pq.ParquetFile(path) as file:
            stated = (file.schema_arrow.metadata or {}).get(SPEC)
            if stated is None:
                raise FootageError(
                    f"{path}: not made by `lookalike embed`, expected its columns and its encoder's spec"
                )
            made_by = _spec(stated.decode(), path)
            if made_by.space != spec.space:
                spaces = f"made by encoder {made_by.space}, this one is {spec.space}"
                raise SpaceMismatch(f"{path}: {spaces}; embed it again")
            check_columns(file.schema_arrow, schema(spec), str(path))
            check_sizes(path, file.metadata, spec.dim)
        # Repeated texts are held once: a few bytes can stand for a text of megabytes in every row.
        with pq.ParquetFile(path, read_dictionary=TEXT_COLUMNS) as file:
            for batch in file.iter_batches(ROWS, columns=schema(spec).names):
                yield with_short_texts(pa.Table.from_batches([batch]))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise FootageError(f"{path}: not a readable Parquet file ({' '.join(str(error).split())})") from error


def _spec(text: str, path: Path) -> EncoderSpec:
    try:
        return EncoderSpec.from_json(text, str(path))
    except EncoderError as error:
        raise FootageError(f"{path}: the spec of its encoder cannot be read; embed it again") from error


def _frame(row: dict) -> Frame:
    size_px, captured_at = (row.pop("width"), row.pop("height")), row.pop("captured_at")
    region = row.pop("region")
    row["region"] = Region.parse(region) if region else None
    return Frame(NO_PICTURE, size_px=size_px, captured_at=captured_at and captured_at.astimezone(UTC), **row)
