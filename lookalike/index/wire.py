"""What an engine is asked, as JSON: written by `service`, read by the routes of the service that owns the index."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from lookalike.index.clock import TimeOfDay, utc_text
from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame
from lookalike.index.schema import Finished

MAX_POINTS = 256  # of one request: the embedded engine takes them in within 10 ms, and answers nothing meanwhile


def pack(vectors: np.ndarray) -> str:
    """float32 (N, D) as base64 of little-endian bytes."""
    return base64.b64encode(np.asarray(vectors, "<f4").tobytes()).decode()


def unpack(text: Any, rows: int, dim: int) -> np.ndarray:
    """What `pack` made: float32 (rows, dim). Raises: ValueError if it is anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("vectors are not base64") from None
    if len(data) != 4 * rows * dim:
        raise ValueError(f"vectors have {len(data):,} bytes, expected {rows} rows of {dim} float32")
    return np.frombuffer(data, "<f4").reshape(rows, dim).astype(np.float32)


def payload_of(frame: StoredFrame) -> dict[str, Any]:
    """Without its mark: who takes it in decides."""
    return replace(frame, remote=False).to_payload()


def write_filters(filters: Filters) -> dict[str, Any]:
    since, until = (
        utc_text(bound) if isinstance(bound, datetime) else bound for bound in (filters.since, filters.until)
    )
    named = {"cameras": filters.cameras, "sources": filters.sources, "source_ids": filters.source_ids}
    entry = {name: list(values) for name, values in named.items()}
    entry |= {"since": since, "until": until, "whole": filters.whole}
    return entry | {"time_of_day": asdict(filters.time_of_day) if filters.time_of_day else None}


def read_filters(entry: Any) -> Filters:
    """Raises: ValueError if `write_filters` would not write such."""
    known = {"cameras", "sources", "source_ids", "since", "until", "time_of_day", "whole"}
    if not isinstance(entry, dict) or entry.keys() - known:
        raise ValueError(f"where is no object of {', '.join(sorted(known))}")
    lists = (tuple(texts(entry.get(name, []), name)) for name in ("cameras", "sources", "source_ids"))
    cameras, sources, source_ids = lists
    since, until = (_moment(entry.get(name), name) for name in ("since", "until"))
    hours, whole = _time_of_day(entry.get("time_of_day")), entry.get("whole", False)
    if whole is not True and whole is not False:
        raise ValueError("whole is neither true nor false")
    return Filters(cameras, since, until, sources, hours, whole, source_ids)


def write_finished(one: Finished) -> dict[str, Any]:
    return asdict(one)


def read_finished(entry: Any) -> Finished:
    """Raises: ValueError if it is none."""
    types: dict[str, type | tuple[type, ...]] = dict.fromkeys(("source_id", "sampler", "source"), str)
    types |= dict.fromkeys(("frames", "stored", "clock_restarts"), int)
    types |= dict.fromkeys(("reason", "camera", "began_at"), (str, type(None)))
    entry = {"clock_restarts": 0} | entry if isinstance(entry, dict) else entry  # earlier versions did not count them
    if not isinstance(entry, dict) or entry.keys() != types.keys():
        raise ValueError(f"a finished source has {', '.join(types)}")
    wrong = [name for name, kind in types.items() if not isinstance(entry[name], kind) or entry[name] is True]
    if wrong:
        raise ValueError(f"{wrong[0]} of a finished source is {str(entry[wrong[0]])[:50]!r}")
    if entry["began_at"] is not None:
        datetime.fromisoformat(entry["began_at"])
    return Finished(**entry)


def texts(value: Any, name: str) -> Sequence[str]:
    """Raises: ValueError if it is no list of strings."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} is no list of strings")
    return value


def number(value: Any, name: str) -> float:
    """Raises: ValueError if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {str(value)[:50]!r}, expected a number")
    return value


def _moment(value: Any, name: str) -> datetime | float | None:
    if not isinstance(value, str):
        return None if value is None else float(number(value, name))
    try:
        moment = datetime.fromisoformat(value)
        utc_text(moment)  # a zone can push year 1 or 9999 over the edge
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is {value[:50]!r}, expected a date and time") from None
    return moment


def _time_of_day(entry: Any) -> TimeOfDay | None:
    if entry is None:
        return None
    try:
        ZoneInfo(zone := entry["zone"])
        return TimeOfDay(number(entry["start_s"], "start_s"), number(entry["end_s"], "end_s"), zone)
    except (TypeError, KeyError, ValueError, OSError):  # no such zone is a KeyError, too
        raise ValueError("time_of_day is no object of start_s, end_s and zone") from None
