"""Calls to the engine of the index. Everything else in the service goes through `FrameIndex`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from lookalike.index import FrameIndex, StoredFrame
from lookalike.index.operations import OPERATIONS


def run_operation(index: FrameIndex, name: str, arguments: Sequence[Any]) -> Any:
    """Run one of OPERATIONS. Returns: what JSON holds of its result."""
    return OPERATIONS[name].answer.write(getattr(index.engine, name)(*arguments))


def operation_lines(index: FrameIndex, name: str, arguments: Sequence[Any]) -> Iterator[bytes]:
    """Run one of OPERATIONS that has `lines`. Yields: lines of JSON."""
    operation = OPERATIONS[name]
    assert operation.lines is not None
    for page in operation.lines(getattr(index.engine, name)(*arguments)):
        yield orjson.dumps(operation.answer.write(page)) + b"\n"


def stored_points(index: FrameIndex, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
    """By id, the vectors, float32 (D,), and frames of those of `ids` that are stored."""
    return index.engine.points(ids)
