"""Code the arguments and results of an engine's operations as JSON.

Each `read_` takes a JSON value and the length of vectors, and raises ValueError that says what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from lookalike.files.printable import short
from lookalike.index.clock import DAY_S, TimeOfDay, time_zone, utc_text
from lookalike.index.filters import Filters
from lookalike.index.record import HIT_FIELDS, HitFrame, StoredFrame, check_payload, is_frame_id
from lookalike.index.schema import Scored, SourceRecord, first_not_unit

Read = Callable[[Any, int], Any]


@dataclass(frozen=True)
class Code:
    """How values of one kind are written to JSON and read from it."""

    write: Callable[[Any], Any]
    read: Read


def read_object(entry: Any, readers: Mapping[str, Read], dim: int = 0) -> dict[str, Any]:
    """Read the fields of an object, each by its reader, which gets None for a missing field."""
    if not isinstance(entry, dict) or entry.keys() - readers.keys():
        raise ValueError(f"expected an object of {', '.join(readers)}")
    values: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            values[name] = read(entry.get(name), dim)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return values


def pack(vectors: np.ndarray) -> str:
    """Write float32 (N, D) as base64 of little-endian bytes."""
    return base64.b64encode(np.asarray(vectors, "<f4").tobytes()).decode()


def unpack(text: Any, dim: int) -> np.ndarray:
    """Read what `pack` wrote: float32 (N, dim)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("expected base64") from None
    if len(data) % (4 * dim):
        raise ValueError(f"got {len(data):,} bytes, expected rows of {dim} float32")
    return np.frombuffer(data, "<f4").reshape(-1, dim).astype(np.float32)


def read_unit(text: Any, dim: int) -> np.ndarray:
    """Read float32 (N, dim), of length 1 each."""
    vectors = unpack(text, dim)
    if (row := first_not_unit(vectors)) is not None:
        raise ValueError(f"row {row} has length {np.linalg.norm(vectors[row])}, expected 1")
    return vectors


def read_vector(text: Any, dim: int) -> np.ndarray:
    """Read float32 (dim,), of length 1."""
    vectors = read_unit(text, dim)
    if len(vectors) != 1:
        raise ValueError(f"got {len(vectors)} vectors, expected 1")
    return vectors[0]


def write_frames(frames: Sequence[StoredFrame]) -> list[dict[str, Any]]:
    """Write frames without their `remote` mark, which the receiver sets."""
    return [{"id": frame.id} | frame.to_payload() | {"remote": False} for frame in frames]


def read_frames(entries: Any, dim: int) -> list[StoredFrame]:
    return [StoredFrame.from_payload(entry["id"], entry) for entry in entries]


def read_foreign(entry: Any, dim: int) -> StoredFrame:
    """Read a frame from a client and mark it as `remote`: a path that a client names is never opened."""
    payload = dict(entry) if isinstance(entry, dict) else {}
    frame_id, _ = payload.pop("id", None), payload.pop("remote", None)
    check_payload(payload)
    return StoredFrame.from_payload(read_id(frame_id), payload | {"remote": True})


def write_page(page: tuple[Sequence[StoredFrame], np.ndarray]) -> dict[str, Any]:
    return {"frames": write_frames(page[0]), "vectors": pack(page[1])}


def read_page(entry: Any, dim: int) -> tuple[list[StoredFrame], np.ndarray]:
    return read_frames(entry["frames"], dim), unpack(entry["vectors"], dim)


def write_points(points: dict[str, tuple[np.ndarray, StoredFrame]]) -> dict[str, Any]:
    frames, vectors = [frame for _, frame in points.values()], [vector for vector, _ in points.values()]
    return write_page((frames, np.array(vectors, np.float32)))


def read_points(entry: Any, dim: int) -> dict[str, tuple[np.ndarray, StoredFrame]]:
    return {frame.id: (vector, frame) for frame, vector in zip(*read_page(entry, dim), strict=True)}


def write_scored(frames: Sequence[Scored]) -> list[Any]:
    fields = ("id", *HIT_FIELDS)
    return [[scored.score, {name: getattr(scored.frame, name) for name in fields}] for scored in frames]


def read_scored(entries: Any, dim: int) -> list[Scored]:
    return [Scored(HitFrame.from_payload(fields["id"], fields), score) for score, fields in entries]


def write_filters(filters: Filters) -> dict[str, Any]:
    entry = {name: getattr(filters, name) for name in _FILTERS}
    entry |= {name: utc_text(entry[name]) for name in ("since", "until") if isinstance(entry[name], datetime)}
    return entry | {"time_of_day": asdict(filters.time_of_day) if filters.time_of_day else None}


def read_filters(entry: Any, dim: int = 0) -> Filters:
    """Read filters; a missing field is not filtered by."""
    fields = read_object(entry, _FILTERS)
    fields |= {name: tuple(fields[name]) for name in ("cameras", "sources", "source_ids")}
    return Filters(**fields)


def each(read: Read) -> Read:
    return lambda value, dim: [read(item, dim) for item in _checked(value, isinstance(value, list), "a list")]


def read_texts(value: Any, dim: int = 0) -> list[str]:
    fine = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return _checked(value, fine, "a list of strings")


def read_text(value: Any, dim: int = 0) -> str:
    return _checked(value, isinstance(value, str), "a string")


def read_id(value: Any, dim: int = 0) -> str:
    return str(UUID(_checked(value, isinstance(value, str) and is_frame_id(value), "the id of a frame")))


def read_number(value: Any, dim: int = 0) -> float:
    return _checked(value, type(value) in (int, float) and math.isfinite(value), "a number")


def read_count(least: int = 0, most: int = 2**53) -> Read:
    return lambda value, dim: _checked(value, type(value) is int and least <= value <= most, f"{least} to {most}")


def optional(read: Read, otherwise: Any = None) -> Read:
    return lambda value, dim: otherwise if value is None else read(value, dim)


def _checked(value: Any, fine: bool, expected: str) -> Any:
    if not fine:
        raise ValueError(f"got {short(value)!r}, expected {expected}")
    return value


_BOUND = optional(lambda value, dim: datetime.fromisoformat(value) if isinstance(value, str) else read_number(value))
_ZONE: Read = lambda value, dim: time_zone(read_text(value)).key  # noqa: E731
_OF_DAY: Read = lambda value, dim: _checked(value, 0 <= read_number(value) <= DAY_S, "seconds of a day")  # noqa: E731
_HOURS: dict[str, Read] = {"start_s": _OF_DAY, "end_s": _OF_DAY, "zone": _ZONE}
_FILTERS: dict[str, Read] = {
    **dict.fromkeys(("cameras", "sources", "source_ids"), optional(read_texts, ())),
    **dict.fromkeys(("since", "until"), _BOUND),
    "time_of_day": optional(lambda value, dim: TimeOfDay(**read_object(value, _HOURS))),
    "whole": optional(lambda value, dim: _checked(value, isinstance(value, bool), "true or false"), False),
}
_RECORD: dict[str, Read] = {
    **dict.fromkeys(("source_id", "sampler", "source"), read_text),
    **dict.fromkeys(("frames", "stored"), read_count()),
    **dict.fromkeys(("reason", "camera"), optional(read_text)),
    "began_at": optional(lambda value, dim: datetime.fromisoformat(read_text(value)) and value),
    "clock_restarts": optional(read_count(), 0),  # earlier versions did not count them
}


def read_record(entry: Any, dim: int = 0) -> SourceRecord:
    return SourceRecord(**read_object(entry, _RECORD))
