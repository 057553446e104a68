"""The operations of an engine that can be called remotely, in one table for the service's engine, routes and worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from typing import Any

import numpy as np

from lookalike.index import wire
from lookalike.index.engine import MOST_NEAREST
from lookalike.index.filters import Filters
from lookalike.index.record import StoredFrame
from lookalike.index.schema import Scored, SourceRecord
from lookalike.index.wire import Code

MAX_POINTS = 256  # of one request: the embedded engine stores them within 10 ms, and is blocked for so long
MAX_PAGE = 4096  # frames of one line
ALL = "all"  # the field of `delete` that says that every frame is meant


class TooMany(ValueError):
    """More in one request than MAX_POINTS."""


@dataclass(frozen=True)
class Operation:
    """A method of an engine.

    arguments: the code of each, by name, in order. answer: the code of the result. writes: whether it changes the
    index. joined: for a method whose arguments are lists of one length and sent in parts: joins the results of the
    parts. lines: for a method whose result is sent line by line: splits the result into lines, each coded as `answer`.
    """

    arguments: Mapping[str, Code] = field(default_factory=dict)
    answer: Code = Code(lambda nothing: None, lambda entry, dim: None)  # noqa: RUF009 (never changed)
    writes: bool = False
    joined: Callable[[Iterable[Any]], Any] | None = None
    lines: Callable[[Iterator[Any]], Iterator[Any]] | None = None

    def write(self, arguments: Sequence[Any]) -> dict[str, Any]:
        return {name: code.write(value) for (name, code), value in zip(self.arguments.items(), arguments, strict=True)}

    def read(self, entry: Mapping[str, Any], dim: int) -> list[Any]:
        """Read the arguments from JSON. dim: of vectors. Raises: ValueError that names the argument; TooMany."""
        for name in self.arguments if self.joined else ():
            if isinstance(entry.get(name), list) and len(entry[name]) > MAX_POINTS:
                raise TooMany(f"{len(entry[name])} {name} in one request, at most {MAX_POINTS}")
        readers = {name: code.read for name, code in self.arguments.items()}
        arguments = list(wire.read_object(entry, readers, dim).values())
        if self.joined and len({len(values) for values in arguments}) > 1:
            named = zip(self.arguments, arguments, strict=True)
            lengths = " and ".join(f"{len(values)} {name}" for name, values in named)
            raise ValueError(f"got {lengths}, expected as many of each")
        return arguments


def _same(value: Any) -> Any:
    return value


_TEXT, _TEXTS, _IDS = Code(_same, wire.read_text), Code(list, wire.read_texts), Code(list, wire.each(wire.read_id))
_FILTERS = Code(wire.write_filters, wire.read_filters)
_RECORD = Code(lambda record: record and asdict(record), wire.optional(wire.read_record))
_RECORDS = Code(lambda records: [asdict(record) for record in records], wire.each(wire.read_record))
_FRAMES = Code(wire.write_frames, wire.read_frames)
_FOREIGN = Code(wire.write_frames, wire.each(wire.read_foreign))
_REMOTE = Code(_same, lambda value, dim: True)  # whatever a client sends

OPERATIONS = {
    "existing": Operation(
        {"ids": _IDS}, Code(sorted, lambda ids, dim: set(ids)), joined=lambda answers: set().union(*answers)
    ),
    "points": Operation(
        {"ids": _IDS},
        Code(wire.write_points, wire.read_points),
        joined=lambda answers: dict(chain.from_iterable(points.items() for points in answers)),
    ),
    "nearest": Operation(
        {
            "vector": Code(wire.pack, wire.read_vector),
            "limit": Code(_same, wire.read_count(1, MOST_NEAREST)),
            "filters": _FILTERS,
            "min_score": Code(_same, wire.optional(wire.read_number)),
        },
        Code(wire.write_scored, wire.read_scored),
    ),
    "scroll": Operation(
        {"filters": _FILTERS}, _FRAMES, lines=lambda frames: iter(lambda: list(islice(frames, MAX_POINTS)), [])
    ),
    "vectors": Operation(
        {"filters": _FILTERS, "page": Code(_same, wire.read_count(1, MAX_PAGE))},
        Code(wire.write_page, wire.read_page),
        lines=_same,
    ),
    "source_record": Operation({"source_id": _TEXT, "sampler": _TEXT}, _RECORD),
    "source_records": Operation({}, _RECORDS),
    "count": Operation({}, Code(_same, wire.read_number)),
    "upsert": Operation({"frames": _FOREIGN, "vectors": Code(wire.pack, wire.read_unit)}, writes=True, joined=list),
    "delete": Operation({"filters": _FILTERS}, writes=True),
    "rename": Operation({"source_id": _TEXT, "source": _TEXT, "camera": _TEXT, "remote": _REMOTE}, writes=True),
    "mark_complete": Operation({"records": _RECORDS}, writes=True, joined=list),
    "unmark": Operation({"source_ids": _TEXTS}, writes=True, joined=list),
    "flush": Operation(writes=True),
    "optimize": Operation(writes=True),
}


def is_everything(filters: Filters) -> bool:
    """Whether no frame is left when those that meet the conditions are removed."""
    return replace(filters, whole=False) == Filters()


class Asked:
    """An engine in another process or service: each method is an operation."""

    def _ask(self, operation: str, *arguments: Any) -> Any:
        raise NotImplementedError

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        self._ask("upsert", frames, vectors)

    def existing(self, ids: Sequence[str]) -> set[str]:
        return self._ask("existing", ids)

    def points(self, ids: Sequence[str]) -> dict[str, tuple[np.ndarray, StoredFrame]]:
        return self._ask("points", ids)

    def nearest(self, vector: np.ndarray, limit: int, filters: Filters, min_score: float | None = None) -> list[Scored]:
        return self._ask("nearest", vector, limit, filters, min_score)

    def delete(self, filters: Filters) -> None:
        self._ask("delete", filters)

    def rename(self, source_id: str, source: str, camera: str, remote: bool | None = None) -> None:
        self._ask("rename", source_id, source, camera, remote)

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        return self._ask("source_record", source_id, sampler)

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        self._ask("mark_complete", records)

    def source_records(self) -> Iterator[SourceRecord]:
        return iter(self._ask("source_records"))

    def unmark(self, source_ids: Collection[str]) -> None:
        self._ask("unmark", sorted(source_ids))

    def count(self) -> int:
        return self._ask("count")

    def flush(self) -> None:
        self._ask("flush")

    def optimize(self) -> None:
        self._ask("optimize")
