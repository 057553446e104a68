"""Check that the rows of a table from elsewhere are as `to_table` writes them: one bad row spoils later searches."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import FootageError
from lookalike.footage.faults import Fault
from lookalike.footage.written_dates import FIRST_YEAR, LAST_YEAR
from lookalike.ingest.table_pages import LONGEST_TEXT
from lookalike.region import Region

UNIT_WITHIN = 1e-3  # of the length of an embedding
TIME_WITHIN_S = 1e-3  # of time_s and pts_us
MOST_US = 100 * 366 * 86_400_000_000  # a hundred years
MOST = 2**31 - 1
FIRST, LAST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
TEXTS = ("source", "camera", "source_id")
UNREADABLE = object()  # a value that Python cannot hold: text that is not UTF-8, a date beyond the year 9999


def check_columns(stored: pa.Schema, expected: pa.Schema, where: str) -> None:
    """Check the columns of a table. Raises: FootageError if one is missing or of another type."""
    for field in expected:
        count = len(stored.get_all_field_indices(field.name))
        if count != 1:
            got = "is missing" if count == 0 else f"occurs {count} times"
            raise FootageError(f"{where}: column {field.name} {got}, expected {field.type}; embed it again")
        if (got := stored.field(field.name).type) != field.type:
            raise FootageError(f"{where}: column {field.name} is {got}, expected {field.type}; embed it again")


def with_short_texts(table: pa.Table) -> pa.Table:
    """Convert dictionaries to plain texts, cut off just above the limit, so that `fault_of` can report them."""
    for number, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            texts = [_cut(chunk.dictionary).take(chunk.indices) for chunk in column.chunks]
            name = table.schema.field(number).name
            table = table.set_column(number, name, pa.chunked_array(texts, pa.string()))
    return table


def _cut(texts: pa.StringArray) -> pa.StringArray:
    """Cut off long texts. texts: as in the file, UTF-8 or not."""
    longest = pc.call_function("max", [pc.call_function("binary_length", [texts])]).as_py() or 0
    if longest <= 4 * LONGEST_TEXT:
        return texts
    how = pc.SliceOptions(0, 4 * LONGEST_TEXT + 1)
    return pc.call_function("binary_slice", [texts.cast(pa.binary())], how).cast(pa.string(), safe=False)


def values(column: pa.ChunkedArray) -> list[Any]:
    """Convert a column with `to_pylist`, with UNREADABLE for values that Python cannot hold."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def embeddings_of(column: pa.ChunkedArray, dim: int) -> np.ndarray:
    """Return float32 (N, dim); rows that are null, or have nulls, are NaN."""
    vectors, valid = np.full((len(column), dim), np.nan, np.float32), np.asarray(column.is_valid())
    flat = column.drop_null().combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors[valid] = flat.reshape(-1, dim)
    return vectors


def fault_of(row: dict[str, Any], embedding: np.ndarray) -> str | None:
    """Say why a row cannot be stored; None if it can. row: its columns by name. embedding: float32 (D,)."""
    return _fault_of_texts(row) or _fault_of_times(row) or _fault_of_rest(row) or _fault_of_vector(embedding)


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return UNREADABLE


def _fault_of_texts(row: dict[str, Any]) -> str | None:
    for name in TEXTS:
        text = row[name]
        if text is UNREADABLE:
            return f"{name} is not UTF-8"
        if not text:
            return f"{name} is {'null' if text is None else 'empty'}"
        if len(text) > LONGEST_TEXT or "\0" in text:
            return f"invalid {name} {text[:50]!r}: expected at most {LONGEST_TEXT:,} characters, without NUL"
    return None


def _fault_of_times(row: dict[str, Any]) -> str | None:
    time_s, pts_us, end_us, captured_at = (row[name] for name in ("time_s", "pts_us", "end_us", "captured_at"))
    if time_s is None or not 0 <= time_s <= MOST_US / 1e6:
        return f"time_s is {_said(time_s)}, expected seconds from 0"
    if pts_us is None or not 0 <= pts_us <= MOST_US:
        return f"pts_us is {_said(pts_us)}, expected microseconds from 0"
    if abs(time_s - pts_us / 1e6) > TIME_WITHIN_S:
        return f"time_s is {time_s:g}, pts_us is {pts_us}, expected the same moment"
    if end_us is not None and not pts_us <= end_us <= MOST_US:
        return f"end_us is {end_us}, expected at least pts_us, {pts_us}"
    if captured_at is UNREADABLE or (captured_at is not None and not FIRST <= captured_at < LAST):
        shown = "an invalid date" if captured_at is UNREADABLE else captured_at.isoformat()
        return f"captured_at is {shown}, expected {FIRST.year} to {LAST.year}"
    return None


def _fault_of_rest(row: dict[str, Any]) -> str | None:
    for name, least in (("stands_for", 1), ("width", 0), ("height", 0)):
        if row[name] is None or not least <= row[name] <= MOST:
            return f"{name} is {_said(row[name])}, expected {least} or more"
    if row["luma"] is None or not 0 <= row["luma"] <= 255:
        return f"luma is {_said(row['luma'])}, expected 0 to 255"
    if row["scene"] is not None and row["scene"] < 0:
        return f"scene is {row['scene']}, expected 0 or more"
    if row["fault"] is not None and row["fault"] not in get_args(Fault):
        return f"fault is {str(row['fault'])[:50]!r}, expected {' or '.join(get_args(Fault))}"
    return _fault_of_region(row["region"])


def _fault_of_region(text: Any) -> str | None:
    """Stored regions are in shares of the picture."""
    if text is None:
        return None
    try:
        region = Region.parse("" if text is UNREADABLE else text[:100])
    except ValueError:
        region = None
    if region is None or max(region.x, region.y) >= 1 or max(region.w, region.h) > 1:
        return f"region is {'not UTF-8' if text is UNREADABLE else repr(text[:50])}, expected x,y,w,h in shares"
    return None


def _fault_of_vector(embedding: np.ndarray) -> str | None:
    if not np.isfinite(embedding).all():
        return "embedding is null, or has a value that is not finite"
    length = math.sqrt(float(np.square(embedding.astype(np.float64)).sum()))
    if abs(length - 1) > UNIT_WITHIN:
        return f"embedding has length {length:.4g}, expected 1"
    return None


def _said(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
